/* See scripts.h. */
#include "tests/support/scripts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/id.h"
#include "shared/base/memory.h"
#include "shared/state/admit_record.h"
#include "shared/state/packed.h"
#include "tests/support/test.h"

enum { LIMIT_US = 20000000 };

#define US "\x1f"

/* Calls -------------------------------------------------------------------------------------------------------------- */

static struct said copy(const struct kv_reply *reply) {
	struct said said = { .text = slice_copy(kv_text(reply)),
		                 .length = kv_text(reply).length,
		                 .nil = kv_is_nil(reply),
		                 .count = kv_count(reply) };
	said.items = memory_array(said.count + 1, sizeof(*said.items));
	for (size_t i = 0; i < said.count; i++)
		said.items[i] = copy(kv_at(reply, i));
	if (said.count == 0 && *said.text == '\0' && !said.nil && kv_int(reply) != 0) {
		free(said.text);
		said.text = memory_new(32);
		snprintf(said.text, 32, "%" PRId64, kv_int(reply));
	}
	return said;
}

void said_release(struct said *said) {
	for (size_t i = 0; i < said->count; i++)
		said_release(&said->items[i]);
	free(said->items);
	free(said->text);
	*said = (struct said){ 0 };
}

const char *said_at(const struct said *said, size_t i) {
	return i < said->count ? said->items[i].text : "";
}

const char *said_in(const struct said *said, size_t i, size_t j) {
	return i < said->count ? said_at(&said->items[i], j) : "";
}

struct waiting {
	bool done;
	struct answer answer;
};

static void on_script(void *context, enum status status, const struct state_head *head, const struct kv_reply *reply,
                      const struct error *err) {
	struct waiting *waiting = context;
	waiting->answer.status = status;
	if (err != NULL)
		waiting->answer.err = *err;
	if (status == STATUS_OK) {
		waiting->answer.head = *head;
		waiting->answer.reply = copy(reply);
		const char *last = strrchr(said_at(&waiting->answer.reply, 0), '\x1f');
		waiting->answer.head.woken = slice_of(last != NULL ? last + 1 : "");
	}
	waiting->done = true;
}

static void await(struct scripts *s, const bool *done) {
	int64_t limit_us = clock_mono_us() + LIMIT_US;
	while (!*done && clock_mono_us() < limit_us)
		loop_turn(s->loop, 10000);
	assert_true(*done);
}

static struct answer call_with(struct scripts *s, struct state *state, struct kv_script *script,
                               const struct slice *arguments, size_t count) {
	struct waiting waiting = { 0 };
	state_call(state, script, arguments, count, on_script, &waiting);
	await(s, &waiting.done);
	if (waiting.answer.status == STATUS_REJECT)
		fail_msg("%s: %s", script->name, waiting.answer.err.message);
	return waiting.answer;
}

/* Releases the words. */
static struct answer call_words(struct scripts *s, struct state *state, struct kv_script *script, struct words *words) {
	struct slice *slices = memory_array(words->count + 1, sizeof(*slices));
	words_slices(words, slices);
	struct answer answer = call_with(s, state, script, slices, words->count);
	free(slices);
	words_release(words);
	return answer;
}

struct answer scripts_call(struct scripts *s, struct state *state, struct kv_script *script,
                           const char *const *arguments, size_t count) {
	struct slice *slices = memory_array(count + 1, sizeof(*slices));
	for (size_t i = 0; i < count; i++)
		slices[i] = slice_of(arguments[i]);
	struct answer answer = call_with(s, state, script, slices, count);
	free(slices);
	return answer;
}

void answer_release(struct answer *answer) {
	said_release(&answer->reply);
}

static void on_command(void *context, enum status status, const struct kv_reply *reply, const struct error *err) {
	struct waiting *waiting = context;
	if (status != STATUS_OK)
		fail_msg("%s", err->message);
	waiting->answer.reply = copy(reply);
	waiting->done = true;
}

struct said scripts_redis(struct scripts *s, const char *format, ...) {
	char text[1024];
	struct slice words[32], rest;
	size_t count = 0;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	for (rest = slice_of(text); rest.bytes != NULL;)
		words[count++] = slice_cut(&rest, ' ');
	struct waiting waiting = { 0 };
	kv_command(s->kv, words, count, 0, on_command, &waiting);
	await(s, &waiting.done);
	return waiting.answer.reply;
}

/* Opening ------------------------------------------------------------------------------------------------------------ */

struct state *scripts_state(struct scripts *s, int64_t partition) {
	struct state *state = state_open(s->kv, partition, INT64_C(3600000000));
	static const char *const steps[][7] = {
		{ "me 1", "begin", "20000", "" },
		{ "me 2", "finish", "epoch-1", "0", "start", "0" },
	};
	static const size_t counts[] = { 4, 6 };
	for (size_t i = 0; i < 2; i++) {
		struct answer answer = scripts_call(s, state, &state_script_load, steps[i], counts[i]);
		assert_string_equal(said_at(&answer.reply, 1), "ok");
		answer_release(&answer);
	}
	return state;
}

struct scripts *scripts_open(void) {
	struct scripts *s = memory_new(sizeof(*s));
	struct error err = { 0 };
	s->redis = server_start_redis();
	s->loop = loop_open();
	assert_int_equal(kv_open(s->loop, server_url(s->redis), "test", &s->kv, &err), STATUS_OK);
	int64_t limit_us = clock_mono_us() + LIMIT_US;
	while (!kv_connected(s->kv) && clock_mono_us() < limit_us)
		loop_turn(s->loop, 10000);
	s->state = scripts_state(s, 0);
	return s;
}

void scripts_close(struct scripts **scripts) {
	struct scripts *s = *scripts;
	state_close(&s->state);
	kv_close(&s->kv);
	loop_close(&s->loop);
	server_stop(&s->redis);
	free(s);
	*scripts = NULL;
}

/* Verbs in a few words ----------------------------------------------------------------------------------------------- */

static const char * or (const char *text, const char *fallback) {
	return text != NULL ? text : fallback;
}

char *new_task_record(const struct new_task *t) {
	struct text out = { 0 };
	char hash[17];
	struct specification specification = {
		.flags = slice_of(or (t->flags, "s")),
		.max_retries = t->retries < 0 ? 0 : (t->retries == 0 ? 3 : t->retries),
		.timeout_us = t->timeout_us,
		.not_before_us = t->not_before_us,
		.backoff = slice_of(or (t->backoff, "0,1,0")),
		.concurrency_key = slice_of(t->key),
		.concurrency_limit = t->limit > 0 ? t->limit : 1,
		.service_name = SLICE("cart"),
		.dependencies = slice_of(t->needs),
		.execution_context = slice_of(or (t->context, "{}")),
	};
	record_add_specification(&out, &specification);
	snprintf(hash, sizeof(hash), "%016" PRIx64, id_hash((struct slice){ out.bytes, out.length }));
	specification.hash = slice_of(hash);
	text_clear(&out);
	text_printf(&out, "%s" US "%s" US "%d" US, t->id, or (t->type, "coding"), t->priority > 0 ? t->priority : 5);
	record_add_specification(&out, &specification);
	return text_take(&out);
}

static void add_submission(struct words *words, const char *const head[5], const struct new_task *tasks, size_t count,
                           const char *ghost) {
	char number[24];
	snprintf(number, sizeof(number), "%zu", count);
	for (size_t i = 0; i < 5; i++)
		words_add(words, slice_of(head[i]));
	words_add(words, slice_of(number));
	words_add(words, ghost != NULL ? SLICE("1") : SLICE("0"));
	for (size_t i = 0; i < count; i++) {
		char *record = new_task_record(&tasks[i]);
		assert_true(admit_record_add(words, slice_of(head[0]), slice_of(head[1]), slice_of(record)));
		free(record);
	}
	if (ghost != NULL)
		words_add(words, slice_of(ghost));
}

struct answer scripts_admission(struct scripts *s, struct state *state, const char *const head[5],
                                const struct new_task *tasks, size_t count, const char *ghost) {
	struct words words = { 0 };
	add_submission(&words, head, tasks, count, ghost);
	return call_words(s, state, &state_script_admit, &words);
}

struct answer scripts_admission_of_two(struct scripts *s, const struct new_task *first, size_t first_count,
                                       const struct new_task *second, size_t second_count) {
	struct words words = { 0 };
	add_submission(&words, (const char *const[]){ "shop", "batch-1", "admit", "token-1", "" }, first, first_count,
	               NULL);
	add_submission(&words, (const char *const[]){ "shop", "batch-2", "admit", "token-2", "" }, second, second_count,
	               NULL);
	return call_words(s, s->state, &state_script_admit, &words);
}

const char *scripts_admit_to(struct scripts *s, struct state *state, const char *project, const char *mode,
                             const struct new_task *tasks, size_t count) {
	static char verdict[65536];
	struct answer answer = scripts_admission(s, state, (const char *const[]){ project, "batch-1", mode, "token-1", "" },
	                                         tasks, count, NULL);
	snprintf(verdict, sizeof(verdict), "%s", said_at(&answer.reply, 1));
	answer_release(&answer);
	return verdict;
}

const char *scripts_admit(struct scripts *s, const char *project, const char *mode, const struct new_task *tasks,
                          size_t count) {
	return scripts_admit_to(s, s->state, project, mode, tasks, count);
}

enum { LEASED_TEXTS = 3 }; /* a task, in a request's reply of work.lua */

size_t leased_count(const struct said *reply, size_t request) {
	return (reply->items[request].count - 1) / LEASED_TEXTS;
}

static struct packed leased(const struct said *reply, size_t request, size_t i) {
	const struct said *state = &reply->items[request].items[1 + LEASED_TEXTS * i];
	struct packed packed;
	assert_true(packed_read((struct slice){ state->text, state->length }, &packed));
	return packed;
}

const char *leased_lease(const struct said *reply, size_t request, size_t i) {
	static char leases[4][80];
	static unsigned next;
	char *out = leases[next++ % 4];
	struct packed packed = leased(reply, request, i);
	snprintf(out, sizeof(leases[0]), "%.*s", (int)packed.lease.length, packed.lease.bytes);
	return out;
}

void leased_id(const struct said *reply, size_t request, size_t i, char id[130]) {
	struct packed packed = leased(reply, request, i);
	snprintf(id, 130, "%.*s", (int)packed.task_id.length, packed.task_id.bytes);
}

/* The same as the dispatcher's (turn.c). */
void scripts_add_settle(struct words *out, const char *name, const char *lease, const char *outcome, const char *said) {
	const char *slash = strchr(name, '/');
	int64_t number = packed_lease_number(slice_of(lease));
	if (number > 0)
		packed_add_member(&out->bytes, number);
	words_end(out);
	text_printf(&out->bytes, "%.*s" US, (int)(slash - name), name);
	words_end(out);
	text_printf(&out->bytes, US "%s" US, slash + 1);
	words_end(out);
	words_add(out, slice_of(lease));
	bool completed = strcmp(outcome, "completed") == 0, final = strcmp(outcome, "final") == 0;
	words_add(out, final ? SLICE("n") : (struct slice){ outcome, 1 });
	if (completed)
		text_printf(&out->bytes, "=%s" US, slash + 1);
	text_add(&out->bytes, said);
	words_end(out);
}

struct answer scripts_work(struct scripts *s, const char *const *given, size_t count) {
	struct words words = { 0 };
	size_t at = 4, settles = (size_t)atoi(given[0]);
	for (size_t i = 0; i < 4; i++)
		words_add(&words, slice_of(given[i]));
	words_add(&words, slice_of(s->log_end != NULL ? s->log_end : ""));
	for (size_t i = 0; i < settles; i++, at += 4)
		scripts_add_settle(&words, given[at], given[at + 1], given[at + 2], given[at + 3]);
	for (; at < count; at++)
		words_add(&words, slice_of(given[at]));
	return call_words(s, s->state, &state_script_work, &words);
}

static void on_outbox(void *context, enum status status, const struct kv_reply *reply, const struct error *err) {
	struct waiting *waiting = context;
	struct text log = { 0 };
	if (status != STATUS_OK)
		fail_msg("%s", err->message);
	for (size_t i = 0; i < kv_count(reply); i++) {
		const struct kv_reply *fields = kv_at(kv_at(reply, i), 1);
		struct outbox_header header;
		if (i > 0)
			text_add_char(&log, RECORD_FS);
		assert_true(outbox_read_header(fields, &header));
		assert_true(outbox_add_entry(&log, &header, fields));
	}
	waiting->answer.reply.text = text_take(&log);
	waiting->done = true;
}

char *scripts_outbox(struct scripts *s) {
	struct slice words[] = { SLICE("XRANGE"), SLICE("{p0}:ob"), SLICE("-"), SLICE("+") };
	struct waiting waiting = { 0 };
	kv_command(s->kv, words, 4, 0, on_outbox, &waiting);
	await(s, &waiting.done);
	return waiting.answer.reply.text;
}

int scripts_lease(struct scripts *s, const char *type, int max, char *ids, char *lease) {
	char wish[128];
	snprintf(wish, sizeof(wish), "%s" US "w-1" US "%d" US "30000000" US, type, max);
	struct answer answer = scripts_work(s, (const char *[]){ "0", "0", "1", "60", wish }, 5);
	int count = 0;
	if (ids != NULL)
		*ids = '\0';
	for (size_t at = 0; at < leased_count(&answer.reply, 1); at++, count++) {
		char id[130];
		leased_id(&answer.reply, 1, at, id);
		if (ids != NULL)
			sprintf(ids + strlen(ids), "%s%s", count > 0 ? " " : "", id);
		if (lease != NULL)
			strcpy(lease, leased_lease(&answer.reply, 1, at));
	}
	answer_release(&answer);
	return count;
}

const char *scripts_settle(struct scripts *s, const char *name, const char *lease, const char *outcome,
                           const char *result) {
	static char verdict[64];
	const char *said = outcome[0] == 'f' ? "it broke" : (result != NULL ? result : "");
	struct answer answer = scripts_work(s, (const char *[]){ "1", "0", "0", "60", name, lease, outcome, said }, 8);
	snprintf(verdict, sizeof(verdict), "%s", said_at(&answer.reply, 1));
	answer_release(&answer);
	return verdict;
}

const char *scripts_command(struct scripts *s, const char *format, ...) {
	static char verdict[256];
	char text[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	for (char *c = text; *c != '\0'; c++)
		*c = *c == '|' ? '\x1f' : *c;
	struct answer answer = scripts_call(s, s->state, &state_script_command, (const char *[]){ text }, 1);
	snprintf(verdict, sizeof(verdict), "%s", said_at(&answer.reply, 1));
	answer_release(&answer);
	char *end = strchr(verdict, '\x1f');
	if (end != NULL)
		*end = '\0';
	return verdict;
}

static void mark_all(struct scripts *s) {
	struct said seq = scripts_redis(s, "HGET {p0}:m seq"), id = scripts_redis(s, "HGET {p0}:m id");
	struct answer marked =
		scripts_call(s, s->state, &state_script_mark, (const char *[]){ seq.text, id.text, "", "" }, 4);
	answer_release(&marked);
	said_release(&seq);
	said_release(&id);
}

void scripts_sweep(struct scripts *s) {
	bool more = true;
	mark_all(s);
	for (int i = 0; i < 1000 && more; i++) {
		struct answer answer = scripts_call(s, s->state, &state_script_sweep, (const char *[]){ "200", "3" }, 2);
		more = answer.head.more;
		answer_release(&answer);
	}
	assert_false(more);
}

char scripts_status(struct scripts *s, const char *name, char *waits) {
	struct answer answer = scripts_call(s, s->state, &state_script_read, (const char *[]){ "tasks", name }, 2);
	char letter = *said_in(&answer.reply, 1, 5);
	if (waits != NULL)
		strcpy(waits, said_in(&answer.reply, 1, 10));
	answer_release(&answer);
	return letter != '\0' ? letter : '-';
}
