/* The pure cores and codecs at work, one part a run, for callgrind: the script beside it counts the instructions between a
 * part's begin and its end. What a part needs is made before. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/dispatcher/deliver.h"
#include "services/dispatcher/match.h"
#include "services/monitor/tally.h"
#include "services/persister/changes.h"
#include "shared/base/memory.h"
#include "shared/base/words.h"
#include "shared/state/admit_record.h"
#include "shared/task/order.h"
#include "shared/task/record.h"
#include "shared/task/requests.h"

enum { TASKS = 500, SETTLES = 100, WIDE = 5000, WAITERS = 64, TURNS = 20, STATES = 3 };

static struct text body, block;
static struct json *json;
static struct submit_request submission;
static struct order_graph graph;
static struct match *match;
static struct match_waiter waiters[WAITERS];

static void must_do(bool done, const char *what) {
	if (done)
		return;
	fprintf(stderr, "counts: %s\n", what);
	exit(1);
}

/* TASKS tasks as clients send them: a context of 256 bytes, three dependencies. */
static void prepare_submission(void) {
	json = json_open();
	text_add(&body, "{\"project\":\"counts\",\"tasks\":[");
	for (int i = 0; i < TASKS; i++) {
		text_printf(&body,
		            "%s{\"task_id\":\"t%d\",\"task_type\":\"coding\",\"execution_context\":{\"data\":\"%0244d\"}",
		            i > 0 ? "," : "", i, 7);
		if (i >= 3)
			text_printf(&body, ",\"dependencies\":[\"t%d\",\"t%d\",\"t%d\"]", i - 1, i - 2, i - 3);
		text_add_char(&body, '}');
	}
	text_add(&body, "]}");
}

static int64_t part_submit(void) {
	struct error err = { 0 };
	enum status status = submit_request_parse(json, (struct slice){ body.bytes, body.length },
	                                          (struct slice){ NULL, 0 }, &task_limits_default, &submission, &err);
	must_do(status == STATUS_OK, err.message);
	for (size_t i = 0; i < submission.task_count; i++) {
		text_clear(&block);
		task_add_record(&block, &submission.tasks[i], (struct slice){ NULL, 0 });
	}
	return TASKS;
}

static void prepare_settles(void) {
	json = json_open();
	text_add(&body, "{\"worker\":\"w\",\"max\":100,\"done\":[");
	for (int i = 0; i < SETTLES; i++)
		text_printf(&body,
		            "%s{\"project\":\"counts\",\"task_id\":\"t%d\",\"lease\":\"0123456789abcdef01234567-%d\","
		            "\"outcome\":\"completed\",\"result\":{\"lines\":%d}}",
		            i > 0 ? "," : "", i, i, i);
	text_add(&body, "]}");
}

static int64_t part_settle(void) {
	struct work_request request;
	struct error err = { 0 };
	enum status status =
		work_request_parse(json, (struct slice){ body.bytes, body.length }, &task_limits_default, &request, &err);
	must_do(status == STATUS_OK, err.message);
	return SETTLES;
}

static void prepare_graph(void) {
	order_open(&graph, WIDE);
	for (uint32_t i = 3; i < WIDE; i++)
		for (uint32_t k = 1; k <= 3; k++)
			order_add_edge(&graph, i, i - k);
}

static int64_t part_order(void) {
	uint32_t *order = memory_array(WIDE, sizeof(*order)), *loop = NULL;
	size_t loop_length = 0;
	struct error err = { 0 };
	must_do(order_run(&graph, order, &loop, &loop_length, &err) == STATUS_OK, err.message);
	free(order);
	return WIDE;
}

static struct text specification(void) {
	struct text out = { 0 };
	struct specification one = { .max_retries = 3,
		                         .hash = SLICE("0123456789abcdef"),
		                         .dependencies = SLICE("ct1,ct2,ct3"),
		                         .execution_context = SLICE("{\"data\":\"of a task\"}") };
	record_add_specification(&out, &one);
	return out;
}

static void prepare_admission(void) {
	struct text tail = specification();
	text_printf(&body, "t7%ccoding%c5%c%s", RECORD_US, RECORD_US, RECORD_US, tail.bytes);
	text_release(&tail);
}

/* What the scheduler hands to the script that admits. */
static int64_t part_admit(void) {
	struct words words = { 0 };
	struct slice record = { body.bytes, body.length };
	for (int i = 0; i < TASKS; i++)
		must_do(admit_record_add(&words, SLICE("counts"), SLICE("b"), record), "no record");
	words_release(&words);
	return TASKS;
}

/* A life is three events: pending, running, completed. */
static void add_life(int64_t number, const struct text *tail) {
	static const char states[] = "prc", before[] = "\0pr";
	for (int i = 0; i < STATES; i++) {
		struct record record = { .seq = number * STATES + i,
			                     .number = number,
			                     .status = states[i],
			                     .previous = before[i],
			                     .version = i + 1,
			                     .attempt = i > 0 ? 1 : 0,
			                     .at_us = 1700000000000000 + i,
			                     .priority = 5,
			                     .project = SLICE("counts"),
			                     .task_type = SLICE("coding"),
			                     .task_id = SLICE("t1234"),
			                     .batch_id = SLICE("b"),
			                     .worker = SLICE("w") };
		if (i == 0)
			record.extra = (struct slice){ tail->bytes, tail->length };
		if (block.length > 0 && block.bytes[block.length - 1] != RECORD_GS)
			text_add_char(&block, RECORD_RS);
		record_add(&block, &record);
	}
}

static void write_log(void) {
	struct text tail = specification();
	struct record_entry entry = { .id = SLICE("0123456789abcdef01234567"),
		                          .previous = SLICE("0123456789abcdef01234566"),
		                          .first_seq = STATES,
		                          .last_seq = TASKS * STATES + STATES - 1,
		                          .epoch = SLICE("e") };
	record_add_entry_header(&block, &entry);
	for (int64_t number = 1; number <= TASKS; number++)
		add_life(number, &tail);
	text_release(&tail);
}

static int64_t part_write_log(void) {
	write_log();
	return TASKS;
}

/* From a block of the log to the changes of rows. */
static int64_t part_fold(void) {
	struct changes changes = { 0 };
	struct slice rest = { block.bytes, block.length };
	struct record_entry entry;
	struct record record;
	bool valid = true;
	changes_clear(&changes, 0);
	for (int64_t place = 0; record_next_entry(&rest, &entry, &valid) && valid;)
		while (record_next(&entry.records, &record, &valid))
			changes_add(&changes, &record, entry.id, place++);
	must_do(valid && changes.task_count == TASKS && changes.event_count == (size_t)TASKS * STATES, "the log is broken");
	changes_sort(&changes);
	changes_release(&changes);
	return TASKS;
}

/* The events as subscribers get them, counted for the monitor on the way. */
static int64_t part_events(void) {
	struct slice rest = { block.bytes, block.length };
	struct tally tally = { 0 };
	struct record_entry entry;
	struct record record;
	bool valid = true;
	while (record_next_entry(&rest, &entry, &valid) && valid)
		while (record_next(&entry.records, &record, &valid)) {
			text_clear(&body);
			record_add_event_json(&body, &record, &entry, 0);
			tally_add(&tally, record.project, record.task_type, record.status, 1);
		}
	must_do(valid, "the log is broken");
	tally_release(&tally);
	return TASKS;
}

static void add_bytes(struct text *out, int64_t value, int bytes) {
	for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
		text_add_char(out, (char)(value >> shift));
}

/* A state as the scripts pack it (FORMAT in prelude_data.lua), of one that runs and waited for three. */
static void add_state(struct text *out, int64_t number) {
	packed_add_member(out, number);
	text_add(out, "r");
	add_bytes(out, 5, 1);  /* priority */
	add_bytes(out, 0, 5);  /* flags to special */
	add_bytes(out, 13, 1); /* of the group */
	add_bytes(out, 3, 2);  /* dependencies */
	add_bytes(out, 0, 3);  /* … left */
	add_bytes(out, 2, 3);  /* version */
	add_bytes(out, 1, 3);  /* attempt */
	for (int time = 0; time < 4; time++)
		add_bytes(out, 1700000000000000, 7);
	packed_add_member(out, number + 1); /* seq */
	text_printf(out, "counts%ccoding%ct1234%cb%c%c%c0123456789abcdef", RECORD_US, RECORD_US, RECORD_US, RECORD_US,
	            RECORD_RS, RECORD_RS);
	text_append(out,
	            "\0w\0"
	            "0123456789abcdef01234567-7\0",
	            31);
	text_append(out, "", 1);
}

enum { NEEDS = 3 };
static struct text edges_text, specification_text;

static void prepare_deliveries(void) {
	specification_text = specification();
	add_state(&block, 7);
	for (int i = 1; i <= NEEDS; i++) {
		packed_add_member(&edges_text, i);
		text_add_char(&edges_text, 'c');
	}
}

/* A leased task, from what the script says of it to what its worker gets: with the results of three. */
static int64_t part_deliver(void) {
	static const char *const names[NEEDS] = { "t1231", "t1232", "t1233" };
	struct delivery_result results[NEEDS];
	struct delivery_lists lists = { .results = results, .result_count = NEEDS };
	for (int i = 0; i < NEEDS; i++)
		results[i] = (struct delivery_result){ i + 1, slice_of(names[i]), SLICE("{\"lines\":7}") };
	struct slice fields[DELIVER_FIELDS] = { { block.bytes, block.length },
		                                    { specification_text.bytes, specification_text.length },
		                                    { edges_text.bytes, edges_text.length } };
	for (int i = 0; i < TASKS; i++) {
		struct delivery delivery = { .lists = &lists };
		text_clear(&body);
		must_do(delivery_read(fields, &delivery), "the state is none");
		must_do(delivery_add(&body, &delivery, SIZE_MAX, true), "it does not fit");
	}
	must_do(strstr(body.bytes, "\"inputs\":{\"t1231\":{\"lines\":7},") != NULL, body.bytes);
	return TASKS;
}

static redisReply entry_fields[2 + 2 * TASKS], *entry_places[2 + 2 * TASKS];
static redisReply entry = { .type = REDIS_REPLY_ARRAY, .elements = 2 + 2 * TASKS, .element = entry_places };

static void set_field(size_t place, struct slice text) {
	entry_fields[place] = (redisReply){ .type = REDIS_REPLY_STRING, .str = (char *)text.bytes, .len = text.length };
	entry_places[place] = &entry_fields[place];
}

/* TASKS leases of one call, as the outbox has them. */
static void prepare_outbox(void) {
	static size_t starts[TASKS + 1];
	for (int64_t i = 0; i < TASKS; i++) {
		starts[i] = block.length;
		add_state(&block, i + 1);
	}
	starts[TASKS] = block.length;
	text_printf(&body, "0123456789abcdef01234567%c0123456789abcdef01234566%c2%c%d%ce%c1700000000000000", RECORD_US,
	            RECORD_US, RECORD_US, TASKS + 1, RECORD_US, RECORD_US);
	set_field(0, SLICE("h"));
	set_field(1, (struct slice){ body.bytes, body.length });
	for (size_t i = 0; i < TASKS; i++) {
		set_field(2 + 2 * i, (struct slice){ block.bytes + starts[i], starts[i + 1] - starts[i] });
		set_field(3 + 2 * i, SLICE("p"));
	}
}

/* From the outbox to the log. */
static int64_t part_outbox(void) {
	const struct kv_reply *fields = (const struct kv_reply *)(const void *)&entry;
	struct outbox_header header;
	struct text log = { 0 };
	must_do(outbox_read_header(fields, &header), "the header is none");
	must_do(outbox_add_entry(&log, &header, fields), "the entry is none");
	text_release(&log);
	return TASKS;
}

static void prepare_match(void) {
	match = match_open(1);
}

/* Requests for work that come, are taken into a call, and are answered. */
static int64_t part_match(void) {
	int64_t taken = 0;
	for (int turn = 0; turn < TURNS; turn++) {
		for (int i = 0; i < WAITERS; i++) {
			waiters[i] = (struct match_waiter){ .max = 1, .deadline_us = turn + i };
			match_add(match, &waiters[i], SLICE("coding"));
		}
		while (match_waiting(match) > 0) {
			int64_t room = WAITERS;
			size_t count = 0;
			struct match_waiter *list[WAITERS], *waiter;
			match_wake(match, SLICE("coding"), 0);
			match_begin(match, 0);
			while ((waiter = match_take(match, 0, &room)) != NULL)
				list[count++] = waiter;
			match_end(match, 0);
			for (size_t i = 0; i < count; i++)
				match_answered(match, list[i], 0, true);
			taken += (int64_t)count;
		}
	}
	must_do(taken == WAITERS * TURNS, "somebody was not answered");
	return taken;
}

static const struct part {
	const char *name;
	void (*prepare)(void);
	int64_t (*run)(void);
} parts[] = {
	{ "submit", prepare_submission, part_submit },
	{ "settle", prepare_settles, part_settle },
	{ "order", prepare_graph, part_order },
	{ "admit", prepare_admission, part_admit },
	{ "write-log", NULL, part_write_log },
	{ "fold", write_log, part_fold },
	{ "events", write_log, part_events },
	{ "match", prepare_match, part_match },
	{ "deliver", prepare_deliveries, part_deliver },
	{ "outbox", prepare_outbox, part_outbox },
};

/* Prints how often the part did its thing. */
int main(int argc, char **argv) {
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (argc != 2 || strcmp(argv[1], parts[i].name) != 0)
			continue;
		if (parts[i].prepare != NULL)
			parts[i].prepare();
		printf("%lld\n", (long long)parts[i].run());
		return 0;
	}
	fprintf(stderr, "usage: counts PART\n");
	return 64;
}
