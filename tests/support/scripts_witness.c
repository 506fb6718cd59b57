/* The witness of scripts.h: what the outbox tells, folded, against what Redis says. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/memory.h"
#include "shared/base/table.h"
#include "tests/support/scripts.h"
#include "tests/support/test.h"

/* A task as its events tell it. Numbers are small in tests: an array by number. */
struct told {
	char *name;
	char type[65], key[129], waits[8], lease[65];
	char status;
	int64_t version, attempt, priority, retries, ready_us;
};

struct witness {
	struct told *tasks;
	size_t room;
	int64_t last_seq;
	char last_entry[32];
	struct table *counts; /* "project/type/letter" -> count, as intptr */
};

static const char *const moves[][2] = {
	{ "", "bps" }, { "b", "bpxs" }, { "p", "prbx" }, { "r", "rcftpbx" }, { "t", "ptbx" },
	{ "c", "" },   { "f", "pb" },   { "x", "pb" },   { "s", "pb" },
};

static bool is_move(char from, char to) {
	char word[2] = { from, '\0' };
	for (size_t i = 0; i < sizeof(moves) / sizeof(*moves); i++)
		if (strcmp(moves[i][0], word) == 0)
			return strchr(moves[i][1], to) != NULL;
	return false;
}

static void copy_text(char *out, size_t room, struct slice from) {
	assert_true(from.length < room);
	memcpy(out, from.bytes, from.length);
	out[from.length] = '\0';
}

static struct told *told_of(struct witness *w, int64_t number) {
	assert_true(number > 0 && number < 10000000);
	if ((size_t)number >= w->room) {
		size_t room = (size_t)number * 2 + 64;
		w->tasks = memory_resize(w->tasks, room, sizeof(*w->tasks));
		memset(w->tasks + w->room, 0, (room - w->room) * sizeof(*w->tasks));
		w->room = room;
	}
	return &w->tasks[number];
}

static void begin_task(struct told *task, const struct record *record) {
	struct specification specification;
	assert_null(task->name);
	assert_int_equal(record->number, record->seq);
	assert_true(record_parse_specification(record->extra, &specification));
	struct text name = { 0 };
	text_add_slice(&name, record->project);
	text_add_char(&name, '/');
	text_add_slice(&name, record->task_id);
	task->name = text_take(&name);
	copy_text(task->type, sizeof(task->type), record->task_type);
	copy_text(task->key, sizeof(task->key), specification.concurrency_key);
}

static void fold(struct witness *w, const struct record *record) {
	assert_int_equal(record->seq, ++w->last_seq);
	if (record->number == 0)
		return;
	struct told *task = told_of(w, record->number);
	if (record->previous == 0)
		begin_task(task, record);
	assert_int_equal(record->previous, task->status);
	if (!is_move(task->status, record->status))
		fail_msg("%s moved from %c to %c", task->name, task->status, record->status);
	assert_int_equal(record->version, task->version + 1);
	task->status = record->status;
	task->version = record->version;
	task->attempt = record->attempt;
	task->priority = record->priority;
	task->retries = record->retry_count;
	task->ready_us = record->ready_at_us;
	copy_text(task->waits, sizeof(task->waits), record->waits);
	copy_text(task->lease, sizeof(task->lease), record->lease);
	assert_true((record->status == 'r') == (record->lease.length > 0) || record->status != 'r');
	assert_true((record->status == 'b') == (record->waits.length > 0));
	assert_true(record->due_at_us == 0 || strchr("brt", record->status) != NULL);
	assert_true(record->status != 'r' || record->due_at_us > 0);
}

static void read_outbox(struct scripts *s, struct witness *w) {
	char *log = scripts_outbox(s);
	struct slice rest = slice_of(*log != '\0' ? log : NULL);
	struct record_entry entry;
	struct record record;
	bool valid = true;
	snprintf(w->last_entry, sizeof(w->last_entry), "start");
	while (record_next_entry(&rest, &entry, &valid)) {
		assert_true(valid);
		assert_true(slice_is(entry.previous, w->last_entry));
		assert_int_equal(entry.first_seq, w->last_seq + 1);
		struct slice records = entry.records;
		while (record_next(&records, &record, &valid)) {
			assert_true(valid);
			fold(w, &record);
		}
		assert_int_equal(entry.last_seq, w->last_seq);
		copy_text(w->last_entry, sizeof(w->last_entry), entry.id);
	}
	free(log);
}

static void compare_task(const struct told *told, const struct said *said) {
	if (said->count == 0)
		fail_msg("%s is not in Redis", told->name);
	if (*said_at(said, 5) != told->status || atoll(said_at(said, 9)) != told->version)
		fail_msg("%s: Redis has %s version %s, its events say %c version %" PRId64, told->name, said_at(said, 5),
		         said_at(said, 9), told->status, told->version);
	assert_int_equal(atoll(said_at(said, 6)), told->priority);
	assert_int_equal(atoll(said_at(said, 7)), told->attempt);
	assert_int_equal(atoll(said_at(said, 8)), told->retries);
	assert_string_equal(said_at(said, 10), told->waits);
	assert_int_equal(atoll(said_at(said, 12)), told->ready_us);
	if (told->status == 'r')
		assert_string_equal(said_at(said, 18), told->lease);
}

static void compare_tasks(struct scripts *s, const struct witness *w) {
	const char **arguments = memory_array(w->room + 1, sizeof(*arguments));
	const struct told **tasks = memory_array(w->room + 1, sizeof(*tasks));
	size_t count = 0;
	arguments[count++] = "tasks";
	for (size_t i = 0; i < w->room; i++) {
		if (w->tasks[i].name == NULL)
			continue;
		tasks[count] = &w->tasks[i];
		arguments[count++] = w->tasks[i].name;
	}
	struct answer answer = scripts_call(s, s->state, &state_script_read, arguments, count);
	for (size_t i = 1; i < count; i++)
		compare_task(tasks[i], &answer.reply.items[i]);
	answer_release(&answer);
	free(arguments);
	free(tasks);
}

static int64_t table_number(struct table *table, const char *key) {
	return (int64_t)(intptr_t)table_get(table, slice_of(key));
}

static void add_number(struct table *table, const char *key, int64_t by) {
	table_put(table, slice_of(key), (void *)(intptr_t)(table_number(table, key) + by));
}

/* A hash of Redis that counts: everything not 0 in it was counted here, and the other way round. */
static void compare_hash(struct scripts *s, const char *key, struct table *expected) {
	struct said all = scripts_redis(s, "HGETALL {p0}:%s", key);
	for (size_t i = 0; i + 1 < all.count; i += 2) {
		if (table_number(expected, said_at(&all, i)) != atoll(said_at(&all, i + 1)))
			fail_msg("%s %s: Redis has %s, the events say %" PRId64, key, said_at(&all, i), said_at(&all, i + 1),
			         table_number(expected, said_at(&all, i)));
		table_remove(expected, slice_of(said_at(&all, i)));
	}
	size_t at = 0;
	struct slice name;
	void *value;
	while (table_next(expected, &at, &name, &value))
		if (value != NULL)
			fail_msg("%s: %.*s is missing", key, (int)name.length, name.bytes);
	said_release(&all);
}

static int64_t queued(struct scripts *s, const char *pattern) {
	struct said keys = scripts_redis(s, "KEYS {p0}:%s", pattern);
	int64_t sum = 0;
	for (size_t i = 0; i < keys.count; i++) {
		struct said count = scripts_redis(s, "ZCARD %s", keys.items[i].text);
		sum += atoll(count.text);
		said_release(&count);
	}
	said_release(&keys);
	return sum;
}

static void compare_queues(struct scripts *s, const struct witness *w) {
	struct table *counts = table_open(), *keys = table_open();
	int64_t pending = 0, for_key = 0, timed = 0;
	for (size_t i = 0; i < w->room; i++) {
		const struct told *t = &w->tasks[i];
		if (t->name == NULL)
			continue;
		char name[300];
		int project = (int)(strchr(t->name, '/') - t->name);
		snprintf(name, sizeof(name), "%.*s/%s/%c", project, t->name, t->type, t->status);
		add_number(counts, name, 1);
		snprintf(name, sizeof(name), "%.*s/%s", project, t->name, t->key);
		if (t->status == 'r' && *t->key != '\0')
			add_number(keys, name, 1);
		pending += t->status == 'p';
		for_key += t->status == 'b' && strcmp(t->waits, "k") == 0;
		timed += t->status == 'r' || t->status == 't' || (t->status == 'b' && strchr(t->waits, 't') != NULL);
	}
	compare_hash(s, "c", counts);
	compare_hash(s, "k", keys);
	assert_int_equal(queued(s, "r:*") + queued(s, "pk:*"), pending);
	assert_int_equal(queued(s, "kw:*"), for_key);
	/* Each that waits for a time has its entry, or shares one (the auditor proves it one by one). */
	struct said due = scripts_redis(s, "ZRANGE {p0}:due 0 -1"), together = scripts_redis(s, "HLEN {p0}:lg");
	int64_t shared = 0;
	for (size_t i = 0; i < due.count; i++)
		shared += said_at(&due, i)[0] == '=';
	assert_int_equal(shared, atoll(together.text));
	assert_true((int64_t)due.count - shared <= timed);
	said_release(&due);
	said_release(&together);
	table_close(&counts);
	table_close(&keys);
}

static void print_events(struct scripts *s, const char *task_id) {
	char *log = scripts_outbox(s);
	struct slice rest = slice_of(*log != '\0' ? log : NULL);
	struct record_entry entry;
	bool valid = true;
	while (record_next_entry(&rest, &entry, &valid) && valid) {
		while (entry.records.bytes != NULL) {
			struct record record;
			char *bytes = slice_copy(slice_cut(&entry.records, RECORD_RS));
			bool ours = record_parse(slice_of(bytes), &record) && slice_is(record.task_id, task_id);
			for (char *c = bytes; *c != '\0'; c++)
				*c = *c == '\x1f' ? '|' : *c;
			if (ours)
				print_message("  %s\n", bytes);
			free(bytes);
		}
	}
	free(log);
}

/* For a person: the events of a task that is stuck, and of what it depends on. The name ends at a separator. */
static void print_story(struct scripts *s, const char *violation) {
	char name[300];
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(violation, "\x1f"), violation);
	struct answer edges = scripts_call(s, s->state, &state_script_read, (const char *[]){ "edges", name, "100" }, 3);
	print_events(s, strchr(name, '/') + 1);
	for (size_t i = 1; i < edges.reply.count && *said_at(&edges.reply, i) != '\0'; i += 3) {
		print_message("%s, which is %s, should be %s\n", said_at(&edges.reply, i), said_at(&edges.reply, i + 1),
		              said_at(&edges.reply, i + 2));
		print_events(s, said_at(&edges.reply, i));
	}
	answer_release(&edges);
}

static void audit(struct scripts *s) {
	char cursor[32] = "0";
	do {
		struct answer answer = scripts_call(s, s->state, &state_script_audit, (const char *[]){ cursor, "500" }, 2);
		if (answer.reply.count > 3) {
			print_story(s, said_at(&answer.reply, 3));
			fail_msg("the auditor: %s", said_at(&answer.reply, 3));
		}
		snprintf(cursor, sizeof(cursor), "%s", said_at(&answer.reply, 1));
		answer_release(&answer);
	} while (strcmp(cursor, "0") != 0);
}

void scripts_witness(struct scripts *s) {
	struct witness w = { 0 };
	read_outbox(s, &w);
	compare_tasks(s, &w);
	compare_queues(s, &w);
	audit(s);
	for (size_t i = 0; i < w.room; i++)
		free(w.tasks[i].name);
	free(w.tasks);
}
