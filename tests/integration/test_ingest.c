/* corder-ingest as a process on a real nats-server; the test is its clients and its scheduler. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/bus/stream.h"
#include "shared/task/task.h"
#include "tests/support/servers.h"
#include "tests/support/test.h"

enum { LIMIT_US = 20000000, TIMEOUT_MS = 15000 };

struct fixture {
	struct server *nats;
	struct loop *loop;
	struct bus *bus;
	pid_t ingest;
	/* the scheduler's part */
	size_t admits;
	size_t unavailable_first; /* so many admits are answered unavailable */
	bool silent;
	const char *refusal;     /* answered instead of a verdict */
	struct text header, ids; /* of the last admit; ids of its records, each with a space behind it */
	struct text all_modes;
	size_t rejects;
	struct text rejected;
	/* the client's part */
	size_t answered;
	struct text reply;
	size_t slices_read, slice_records;
	bool stream_done;
};

static void start_ingest(struct fixture *f) {
	f->ingest = fork();
	assert_true(f->ingest >= 0);
	if (f->ingest > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setenv("NATS_URL", server_url(f->nats), 1);
	setenv("CORDER_ADMIT_TIMEOUT_MS", "1500", 1);
	setenv("CORDER_LOG_LEVEL", "error", 1);
	execl(CORDER_BIN_DIR "/corder-ingest", "corder-ingest", (char *)NULL);
	_exit(127);
}

static void on_admit(void *context, const struct bus_message *message) {
	struct fixture *f = context;
	struct slice records = message->body;
	struct slice header = slice_cut(&records, RECORD_GS);
	struct text reply = { 0 };
	f->admits++;
	text_clear(&f->header);
	text_add_slice(&f->header, header);
	text_clear(&f->ids);
	slice_cut(&header, RECORD_US);
	slice_cut(&header, RECORD_US);
	text_add_slice(&f->all_modes, slice_cut(&header, RECORD_US));
	text_add_char(&f->all_modes, ' ');
	text_add(&reply, "ok");
	for (char mark = RECORD_GS; records.bytes != NULL && records.length > 0; mark = RECORD_RS) {
		struct task_record record;
		assert_true(task_record_parse(slice_cut(&records, RECORD_RS), &record));
		text_add_slice(&f->ids, record.task_id);
		text_add_char(&f->ids, ' ');
		text_add_char(&reply, mark);
		text_add(&reply, record.specification.dependencies.length > 0 ? "ab" : "dp");
	}
	if (f->unavailable_first > 0) {
		f->unavailable_first--;
		bus_publish(f->bus, message->reply,
		            SLICE("unavailable\x1f"
		                  "Redis is away\x1f"));
	} else if (f->refusal != NULL) {
		bus_publish(f->bus, message->reply, slice_of(f->refusal));
	} else if (!f->silent) {
		bus_publish(f->bus, message->reply, (struct slice){ reply.bytes, reply.length });
	}
	text_release(&reply);
}

static void on_reject(void *context, const struct bus_message *message) {
	struct fixture *f = context;
	f->rejects++;
	text_clear(&f->rejected);
	text_add_slice(&f->rejected, message->body);
	bus_publish(f->bus, message->reply, SLICE("ok"));
}

static void on_answer(void *context, enum status status, const struct bus_message *message) {
	struct fixture *f = context;
	f->answered++;
	text_clear(&f->reply);
	if (status == STATUS_OK)
		text_add_slice(&f->reply, message->body);
}

static void await(struct fixture *f, const size_t *count, size_t wanted) {
	int64_t limit_us = clock_mono_us() + LIMIT_US;
	while (*count < wanted && clock_mono_us() < limit_us)
		loop_turn(f->loop, 10000);
	if (*count < wanted)
		fail_msg("only %zu of %zu; last reply: %s", *count, wanted, f->reply.bytes);
}

static const char *submit(struct fixture *f, const char *body) {
	size_t before = f->answered;
	bus_request(f->bus, "corder.v1.submit", NULL, 0, slice_of(body), TIMEOUT_MS, on_answer, f);
	await(f, &f->answered, before + 1);
	return f->reply.length > 0 ? f->reply.bytes : "";
}

static bool contains(const char *text, const char *part) {
	return text != NULL && strstr(text, part) != NULL;
}

static void expect(const char *text, const char *part) {
	if (!contains(text, part))
		fail_msg("no \"%s\" in \"%s\"", part, text);
}

/* It answers, and its streams are there: a part can be kept. */
static void await_ingest(struct fixture *f) {
	int64_t limit_us = clock_mono_us() + LIMIT_US;
	while (clock_mono_us() < limit_us) {
		size_t before = f->answered;
		bus_request(f->bus, "corder.v1.submit", NULL, 0,
		            SLICE("{\"project\":\"ready\",\"batch_id\":\"b\",\"part\":1,\"tasks\":[{\"task_type\":\"t\"}]}"),
		            1000, on_answer, f);
		await(f, &f->answered, before + 1);
		if (contains(f->reply.bytes, "\"ok\":true"))
			return;
		loop_turn(f->loop, 20000);
	}
	fail_msg("ingest did not come up: %s", f->reply.bytes);
}

static int set_up(void **state) {
	struct fixture *f = memory_new(sizeof(*f));
	struct error err = { 0 };
	log_open("test", LOG_LEVEL_ERROR);
	f->nats = server_start_nats();
	f->loop = loop_open();
	assert_int_equal(bus_open(f->loop, &(struct bus_options){ server_url(f->nats), "test" }, &f->bus, &err), STATUS_OK);
	bus_subscribe(f->bus, "corder.v1.internal.admit.0", "scheduler", on_admit, f, &err);
	bus_subscribe(f->bus, "corder.v1.internal.reject.0", "scheduler", on_reject, f, &err);
	start_ingest(f);
	await_ingest(f);
	*state = f;
	return 0;
}

static int tear_down(void **state) {
	struct fixture *f = *state;
	int status = 0;
	kill(f->ingest, SIGTERM);
	waitpid(f->ingest, &status, 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	bus_close(&f->bus);
	loop_close(&f->loop);
	server_stop(&f->nats);
	text_release(&f->header);
	text_release(&f->ids);
	text_release(&f->all_modes);
	text_release(&f->rejected);
	text_release(&f->reply);
	free(f);
	return 0;
}

static void a_batch_goes_in_order_and_is_answered_in_its_own(void **state) {
	struct fixture *f = *state;
	const char *reply = submit(f, "{\"project\":\"shop\",\"batch_id\":\"b1\",\"ack\":\"archived\",\"tasks\":["
	                              "{\"task_id\":\"c\",\"task_type\":\"t\",\"dependencies\":[\"b\"]},"
	                              "{\"task_id\":\"b\",\"task_type\":\"t\",\"dependencies\":[\"a\"]},"
	                              "{\"task_id\":\"a\",\"task_type\":\"t\"}]}");
	assert_string_equal(reply, "{\"ok\":true,\"batch_id\":\"b1\",\"tasks\":["
	                           "{\"task_id\":\"c\",\"result\":\"accepted\",\"status\":\"blocked\"},"
	                           "{\"task_id\":\"b\",\"result\":\"accepted\",\"status\":\"blocked\"},"
	                           "{\"task_id\":\"a\",\"result\":\"duplicate\",\"status\":\"pending\"}]}");
	assert_string_equal(f->ids.bytes, "a b c ");
	assert_string_equal(f->header.bytes, "shop\x1f"
	                                     "b1\x1f"
	                                     "admit\x1f"
	                                     "archived\x1f");
}

static void a_wrong_field_never_reaches_the_scheduler(void **state) {
	struct fixture *f = *state;
	const char *reply = submit(f, "{\"project\":\"shop\",\"task_type\":\"t\",\"priority\":11}");
	expect(reply, "\"code\":\"invalid_field\"");
	expect(reply, "\"path\":\"/priority\"");
	expect(submit(f, "{"), "\"code\":\"bad_json\"");
	expect(submit(f, "{\"project\":\"shop\",\"task_id\":\"a\",\"task_type\":\"t\",\"dependencies\":[\"a\"]}"),
	       "\"tasks\":[\"a\",\"a\"]");
	assert_int_equal(f->admits, 0);
}

static void the_schedulers_refusal_is_handed_on(void **state) {
	struct fixture *f = *state;
	f->refusal = "unknown_dependency\x1f"
				 "2 dependencies do not exist\x1f\x1d"
				 "x\x1e"
				 "y";
	const char *reply = submit(f, "{\"project\":\"shop\",\"task_type\":\"t\",\"dependencies\":[\"x\",\"y\"]}");
	expect(reply, "\"code\":\"unknown_dependency\"");
	expect(reply, "\"tasks\":[\"x\",\"y\"]");
	assert_int_equal(f->admits, 1);
}

static void an_unavailable_scheduler_is_asked_again(void **state) {
	struct fixture *f = *state;
	f->unavailable_first = 3;
	expect(submit(f, "{\"project\":\"shop\",\"task_type\":\"t\"}"), "\"ok\":true");
	assert_int_equal(f->admits, 4);
}

static void a_silent_scheduler_makes_it_unavailable_in_time(void **state) {
	struct fixture *f = *state;
	f->silent = true;
	int64_t start_us = clock_mono_us();
	expect(submit(f, "{\"project\":\"shop\",\"task_type\":\"t\"}"), "\"code\":\"unavailable\"");
	assert_true(clock_mono_us() - start_us < 5000000);
}

static void enqueue(struct fixture *f, const char *body) {
	assert_int_equal(bus_publish(f->bus, "corder.v1.enqueue.shop", slice_of(body)), STATUS_OK);
}

static void on_state(void *context, enum status status, const struct stream_state *state) {
	struct fixture *f = context;
	f->stream_done = status == STATUS_OK && state->messages == 0;
	f->answered++;
}

static void await_empty_queue(struct fixture *f) {
	int64_t limit_us = clock_mono_us() + LIMIT_US;
	f->stream_done = false;
	while (!f->stream_done && clock_mono_us() < limit_us) {
		size_t before = f->answered;
		stream_info(f->bus, "CORDER_ENQUEUE", on_state, f);
		await(f, &f->answered, before + 1);
	}
	assert_true(f->stream_done);
}

static void an_enqueued_message_comes_again_with_the_same_ids(void **state) {
	struct fixture *f = *state;
	f->silent = true;
	enqueue(f, "{\"tasks\":[{\"task_type\":\"t\"},{\"task_type\":\"t\"}]}");
	await(f, &f->admits, 1);
	char *ids = memory_copy(f->ids.bytes, f->ids.length), *header = memory_copy(f->header.bytes, f->header.length);
	assert_int_equal(strlen(ids), 2 * 27);
	await(f, &f->admits, 2);
	f->silent = false;
	await_empty_queue(f);
	assert_string_equal(f->ids.bytes, ids);
	assert_string_equal(f->header.bytes, header);
	free(ids);
	free(header);
}

static void a_refused_enqueue_is_written_down(void **state) {
	struct fixture *f = *state;
	enqueue(f, "{\"task_type\":\"coding\",\"task_id\":\"a\",\"priority\":0}");
	await(f, &f->rejects, 1);
	expect(f->rejected.bytes, "shop\x1f");
	expect(f->rejected.bytes, "\x1f"
	                          "invalid_field\x1f"
	                          "/priority\x1f");
	enqueue(f, "{\"task_type\":\"coding\",\"task_id\":\"a\",\"dependencies\":[\"a\"]}");
	await(f, &f->rejects, 2);
	expect(f->rejected.bytes, "shop\x1f"
	                          "coding\x1f"
	                          "a\x1f");
	expect(f->rejected.bytes, "\x1f"
	                          "cycle\x1f\x1f");
	expect(f->rejected.bytes, "[\\\"a\\\",\\\"a\\\"]");
	await_empty_queue(f);
	assert_int_equal(f->admits, 0);
}

static void on_slice(void *context, enum status status, uint64_t sequence, struct slice body) {
	struct fixture *f = context;
	(void)sequence;
	f->answered++;
	if (status != STATUS_OK)
		return;
	f->slices_read++;
	while (body.bytes != NULL) {
		struct task_record record;
		assert_true(task_record_parse(slice_cut(&body, RECORD_RS), &record));
		f->slice_records++;
	}
}

static void read_slices(struct fixture *f, const char *token, int64_t count) {
	for (int64_t i = 0; i < count; i++) {
		char subject[128];
		size_t before = f->answered;
		snprintf(subject, sizeof(subject), "corder.v1.internal.slice.%s.%lld", token, (long long)i);
		stream_get_last(f->bus, "CORDER_SLICES", subject, on_slice, f);
		await(f, &f->answered, before + 1);
	}
	assert_int_equal(f->slices_read, count);
}

/* parts of `tasks` tasks each, in a chain across them; ids only when asked for. */
static void send_part(struct fixture *f, int part, int tasks, bool with_ids) {
	struct text body = { 0 };
	text_printf(&body, "{\"project\":\"shop\",\"batch_id\":\"large\",\"part\":%d,\"tasks\":[", part);
	for (int i = 0; i < tasks; i++) {
		int number = (part - 1) * tasks + i;
		text_add(&body, i > 0 ? "," : "");
		if (with_ids && number > 0)
			text_printf(&body, "{\"task_id\":\"t%d\",\"task_type\":\"t\",\"dependencies\":[\"t%d\"]}", number,
			            number - 1);
		else if (with_ids)
			text_add(&body, "{\"task_id\":\"t0\",\"task_type\":\"t\"}");
		else
			text_add(&body, "{\"task_type\":\"t\"}");
	}
	text_add(&body, "]}");
	char expected[64];
	snprintf(expected, sizeof(expected), "{\"ok\":true,\"part\":%d}", part);
	assert_string_equal(submit(f, body.bytes), expected);
	text_release(&body);
}

static void parts_become_slices_of_one_graph(void **state) {
	struct fixture *f = *state;
	const char *seal = "{\"project\":\"shop\",\"batch_id\":\"large\",\"seal\":3}";
	send_part(f, 3, 300, true);
	send_part(f, 1, 300, true);
	const char *reply = submit(f, seal);
	expect(reply, "\"code\":\"not_found\"");
	expect(reply, "\"path\":\"/seal\"");
	expect(reply, "are not there (any more): 2\"");
	assert_int_equal(f->admits, 0);
	send_part(f, 2, 300, true);
	send_part(f, 2, 300, true);
	assert_string_equal(submit(f, seal), "{\"ok\":true,\"batch_id\":\"large\",\"task_count\":900}");
	assert_string_equal(f->all_modes.bytes, "sliced ");
	struct slice header = { f->header.bytes, f->header.length };
	for (int i = 0; i < 5; i++)
		slice_cut(&header, RECORD_US);
	char *token = slice_copy(slice_cut(&header, RECORD_US));
	assert_string_equal(header.bytes, "4\x1f"
	                                  "900");
	read_slices(f, token, 4);
	assert_int_equal(f->slice_records, 900);
	free(token);
}

static void a_part_of_ten_thousand_tasks_is_kept(void **state) {
	struct fixture *f = *state;
	send_part(f, 1, 10000, false);
	expect(submit(f, "{\"project\":\"shop\",\"batch_id\":\"large\",\"seal\":1}"), "\"task_count\":10000");
}

static void a_dry_run_of_a_large_batch_only_checks(void **state) {
	struct fixture *f = *state;
	send_part(f, 1, 600, true);
	expect(submit(f, "{\"project\":\"shop\",\"batch_id\":\"large\",\"seal\":1,\"dry_run\":true}"),
	       "\"task_count\":600");
	assert_string_equal(f->all_modes.bytes, "check check check ");
}

static void a_server_that_comes_back_empty_gets_its_streams_again(void **state) {
	struct fixture *f = *state;
	char command[512];
	server_kill(f->nats);
	snprintf(command, sizeof(command), "rm -rf '%s'/jetstream '%s'/data/jetstream", server_folder(f->nats),
	         server_folder(f->nats));
	assert_int_equal(system(command), 0);
	server_restart(f->nats);
	int64_t limit_us = clock_mono_us() + LIMIT_US;
	while (!bus_connected(f->bus) && clock_mono_us() < limit_us)
		loop_turn(f->loop, 10000);
	await_ingest(f);
	enqueue(f, "{\"task_type\":\"coding\",\"task_id\":\"a\"}");
	await(f, &f->admits, 1);
	assert_string_equal(f->ids.bytes, "a ");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_batch_goes_in_order_and_is_answered_in_its_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_wrong_field_never_reaches_the_scheduler, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_schedulers_refusal_is_handed_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_unavailable_scheduler_is_asked_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_silent_scheduler_makes_it_unavailable_in_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_enqueued_message_comes_again_with_the_same_ids, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_refused_enqueue_is_written_down, set_up, tear_down),
		cmocka_unit_test_setup_teardown(parts_become_slices_of_one_graph, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_part_of_ten_thousand_tasks_is_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_dry_run_of_a_large_batch_only_checks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_server_that_comes_back_empty_gets_its_streams_again, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
