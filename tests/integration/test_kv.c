/* kv.c on a real redis-server: answers in order, scripts that are loaded when they are missing, errors by what they ask
 * for, and connections that are lost and come back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/kv/kv.h"
#include "tests/support/servers.h"
#include "tests/support/test.h"

enum { LIMIT_US = 20000000 };

struct fixture {
	struct server *redis;
	struct loop *loop;
	struct kv *kv;
};

struct answer {
	int count;
	enum status status;
	struct text text;
	int64_t number;
	char message[320];
};

static void keep(void *context, enum status status, const struct kv_reply *reply, const struct error *err) {
	struct answer *answer = context;
	struct slice text = kv_text(reply);
	answer->count++;
	answer->status = status;
	answer->number = kv_int(reply);
	text_clear(&answer->text);
	text_append(&answer->text, text.bytes, text.length);
	if (err)
		memcpy(answer->message, err->message, sizeof(answer->message));
}

static void await(struct fixture *f, const int *count, int wanted) {
	int64_t limit = clock_mono_us() + LIMIT_US;
	while (*count < wanted && clock_mono_us() < limit)
		loop_turn(f->loop, 10000);
	assert_true(*count >= wanted);
}

static void await_connection(struct fixture *f, bool connected) {
	int64_t limit = clock_mono_us() + LIMIT_US;
	while (kv_connected(f->kv) != connected && clock_mono_us() < limit)
		loop_turn(f->loop, 10000);
	assert_int_equal(kv_connected(f->kv), connected);
}

static void call(struct fixture *f, struct answer *answer, const char *const *words, size_t count) {
	struct slice slices[8];
	int before = answer->count;
	for (size_t i = 0; i < count; i++)
		slices[i] = slice_of(words[i]);
	kv_command(f->kv, slices, count, 0, keep, answer);
	assert_int_equal(answer->count, before); /* never from within */
	await(f, &answer->count, before + 1);
}

static int set_up(void **state) {
	struct fixture *f = memory_new(sizeof(*f));
	struct error err = { 0 };
	f->redis = server_start_redis();
	f->loop = loop_open();
	assert_int_equal(kv_open(f->loop, server_url(f->redis), "test", &f->kv, &err), STATUS_OK);
	await_connection(f, true);
	*state = f;
	return 0;
}

static int tear_down(void **state) {
	struct fixture *f = *state;
	kv_close(&f->kv);
	loop_close(&f->loop);
	server_stop(&f->redis);
	free(f);
	return 0;
}

static void values_come_back_byte_for_byte(void **state) {
	struct fixture *f = *state;
	struct answer answer = { 0 };
	static const char bytes[] = "a\0b\r\n$3\r\n%s \xff";
	struct slice words[] = { SLICE("SET"), SLICE("key with spaces"), { bytes, sizeof(bytes) } };
	kv_command(f->kv, words, 3, 0, keep, &answer);
	struct slice get[] = { SLICE("GET"), SLICE("key with spaces") };
	kv_command(f->kv, get, 2, 0, keep, &answer);
	await(f, &answer.count, 2);
	assert_int_equal(answer.status, STATUS_OK);
	assert_int_equal(answer.text.length, sizeof(bytes));
	assert_memory_equal(answer.text.bytes, bytes, sizeof(bytes));
	text_release(&answer.text);
}

static void ten_thousand_calls_are_answered_in_order(void **state) {
	struct fixture *f = *state;
	enum { CALLS = 10000 };
	static struct answer answers[CALLS];
	struct slice words[] = { SLICE("INCR"), SLICE("counter") };
	for (int i = 0; i < CALLS; i++)
		kv_command(f->kv, words, 2, 0, keep, &answers[i]);
	await(f, &answers[CALLS - 1].count, 1);
	for (int i = 0; i < CALLS; i++) {
		assert_int_equal(answers[i].count, 1);
		assert_int_equal(answers[i].number, i + 1);
		text_release(&answers[i].text);
	}
}

/* The source of a library with one function that returns this; in static memory. */
static struct slice function(const char *name, const char *returned) {
	static char sources[4][256];
	static unsigned next;
	char *source = sources[next++ % 4];
	snprintf(source, sizeof(sources[0]),
	         "redis.register_function(LIBRARY .. '_%s', function(keys, args) return %s end)\n", name, returned);
	return slice_of(source);
}

static void a_script_is_loaded_when_the_server_does_not_have_it(void **state) {
	struct fixture *f = *state;
	struct kv_library library = { .source = function("join", "keys[1] .. args[1] .. args[2]") };
	struct kv_script script = { .name = "join", .library = &library };
	struct slice keys[] = { SLICE("{p0}k") }, arguments[] = { SLICE("-"), SLICE("x\r\ny") };
	struct answer answer = { 0 };
	for (int round = 1; round <= 3; round++) {
		kv_script(f->kv, &script, keys, 1, arguments, 2, keep, &answer);
		kv_script(f->kv, &script, keys, 1, arguments, 2, keep, &answer);
		await(f, &answer.count, round * 2);
		assert_int_equal(answer.status, STATUS_OK);
		assert_string_equal(answer.text.bytes, "{p0}k-x\r\ny");
		struct answer flush = { 0 };
		call(f, &flush, (const char *[]){ "FUNCTION", "FLUSH" }, 2);
		text_release(&flush.text);
	}
	struct kv_library no_lua = { .source = SLICE("this is no Lua") };
	struct kv_script broken = { .name = "broken", .library = &no_lua };
	kv_script(f->kv, &broken, NULL, 0, NULL, 0, keep, &answer);
	await(f, &answer.count, 7);
	assert_int_equal(answer.status, STATUS_REJECT);
	text_release(&answer.text);
}

static void an_error_says_whether_to_try_again(void **state) {
	struct fixture *f = *state;
	struct answer answer = { 0 };
	call(f, &answer, (const char *[]){ "NO-SUCH-COMMAND" }, 1);
	assert_int_equal(answer.status, STATUS_REJECT);
	call(f, &answer, (const char *[]){ "CONFIG", "SET", "maxmemory", "1" }, 4);
	call(f, &answer, (const char *[]){ "SET", "a", "b" }, 3);
	assert_int_equal(answer.status, STATUS_RETRY);
	assert_non_null(strstr(answer.message, "OOM"));
	text_release(&answer.text);
}

static void a_lost_server_answers_retry_and_comes_back_by_itself(void **state) {
	struct fixture *f = *state;
	struct answer answer = { 0 }, waiting = { 0 };
	struct kv_library library = { .source = function("get", "redis.call('GET', keys[1])") };
	struct kv_script script = { .name = "get", .library = &library };
	struct slice keys[] = { SLICE("kept") };
	call(f, &answer, (const char *[]){ "CONFIG", "SET", "appendfsync", "always" }, 4);
	call(f, &answer, (const char *[]){ "SET", "kept", "yes" }, 3);
	struct slice block[] = { SLICE("BLPOP"), SLICE("nothing"), SLICE("0") };
	kv_command(f->kv, block, 3, 0, keep, &waiting);
	loop_turn(f->loop, 1000);
	server_kill(f->redis);
	await(f, &waiting.count, 1);
	assert_int_equal(waiting.status, STATUS_RETRY);
	call(f, &answer, (const char *[]){ "GET", "kept" }, 2);
	assert_int_equal(answer.status, STATUS_RETRY);
	server_restart(f->redis);
	await_connection(f, true);
	int before = answer.count;
	kv_script(f->kv, &script, keys, 1, NULL, 0, keep, &answer);
	await(f, &answer.count, before + 1);
	assert_string_equal(answer.text.bytes, "yes");
	text_release(&answer.text);
	text_release(&waiting.text);
}

static void a_call_that_takes_too_long_drops_the_connection(void **state) {
	struct fixture *f = *state;
	struct answer answer = { 0 };
	struct slice block[] = { SLICE("BLPOP"), SLICE("nothing"), SLICE("0") };
	kv_command(f->kv, block, 3, 50, keep, &answer);
	await(f, &answer.count, 1);
	assert_int_equal(answer.status, STATUS_RETRY);
	await_connection(f, true);
	call(f, &answer, (const char *[]){ "PING" }, 1);
	assert_string_equal(answer.text.bytes, "PONG");
	text_release(&answer.text);
}

static void closing_answers_what_is_under_way(void **state) {
	struct fixture *f = *state;
	struct answer answer = { 0 };
	struct kv_library library = { .source = function("one", "1") };
	struct kv_script script = { .name = "one", .library = &library };
	struct slice block[] = { SLICE("BLPOP"), SLICE("nothing"), SLICE("0") };
	kv_command(f->kv, block, 3, 0, keep, &answer);
	kv_script(f->kv, &script, NULL, 0, NULL, 0, keep, &answer);
	kv_close(&f->kv);
	assert_int_equal(answer.count, 2);
	assert_int_equal(answer.status, STATUS_RETRY);
	text_release(&answer.text);
}

static void a_password_a_user_and_a_database_are_used(void **state) {
	struct fixture *f = *state;
	struct error err = { 0 };
	struct answer answer = { 0 };
	char url[128];
	call(f, &answer, (const char *[]){ "ACL", "SETUSER", "worker", "on", ">p@ss/word", "~*", "+@all" }, 7);
	kv_close(&f->kv);
	snprintf(url, sizeof(url), "redis://worker:p%%40ss%%2Fword@127.0.0.1:%d/3", server_port(f->redis));
	assert_int_equal(kv_open(f->loop, url, "test", &f->kv, &err), STATUS_OK);
	await_connection(f, true);
	call(f, &answer, (const char *[]){ "CLIENT", "INFO" }, 2);
	assert_non_null(strstr(answer.text.bytes, " db=3 "));
	assert_non_null(strstr(answer.text.bytes, " user=worker "));
	assert_non_null(strstr(answer.text.bytes, " name=test "));
	text_release(&answer.text);
}

static void bad_urls_are_refused(void **state) {
	struct fixture *f = *state;
	static const char *const urls[] = { "",
		                                "redis",
		                                "redis://",
		                                "http://host:1",
		                                "redis://h:0",
		                                "redis://h:99999",
		                                "redis://h:6379/x",
		                                "redis://u:%zz@h" };
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct error err = { 0 };
		struct kv *kv = NULL;
		assert_int_equal(kv_open(f->loop, urls[i], "test", &kv, &err), STATUS_REJECT);
		assert_true(err.message[0] != 0);
	}
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(values_come_back_byte_for_byte),
		TEST(ten_thousand_calls_are_answered_in_order),
		TEST(a_script_is_loaded_when_the_server_does_not_have_it),
		TEST(an_error_says_whether_to_try_again),
		TEST(a_lost_server_answers_retry_and_comes_back_by_itself),
		TEST(a_call_that_takes_too_long_drops_the_connection),
		TEST(closing_answers_what_is_under_way),
		TEST(a_password_a_user_and_a_database_are_used),
		TEST(bad_urls_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
