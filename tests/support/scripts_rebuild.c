/* A rebuild by hand: what read.lua says of one partition's tasks, loaded into another; see scripts.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "tests/support/scripts.h"
#include "tests/support/test.h"

#define US "\x1f"

enum { PAGE = 200 };

/* What describe() in read.lua says, by its place. */
enum {
	NUMBER,
	PROJECT,
	TASK_ID,
	TYPE,
	BATCH,
	STATUS,
	PRIORITY,
	ATTEMPT,
	RETRIES,
	VERSION,
	WAITS,
	CREATED,
	READY,
	DUE,
	STARTED,
	DEGREE,
	LEFT,
	WORKER,
	LEASE,
	BECAUSE,
	FLAGS,
	KEY,
	LIMIT,
	MAX_RETRIES,
	ORDER,
	BYTES,
};

static struct answer read_page(struct scripts *s, struct state *state, int from, int to) {
	char names[PAGE][32];
	const char *arguments[PAGE + 1] = { "tasks" };
	for (int i = from; i < to; i++) {
		snprintf(names[i - from], sizeof(names[0]), "shop/t-%d", i);
		arguments[1 + i - from] = names[i - from];
	}
	return scripts_call(s, state, &state_script_read, arguments, (size_t)(1 + to - from));
}

static int steps; /* asked so far */

static void load(struct scripts *s, struct state *state, const char *step, char *const *texts, size_t count) {
	char name[32];
	snprintf(name, sizeof(name), "me %d", ++steps);
	const char *arguments[PAGE + 2] = { name, step };
	memcpy(arguments + 2, texts, count * sizeof(*texts));
	struct answer answer = scripts_call(s, state, &state_script_load, arguments, count + 2);
	assert_string_equal(said_at(&answer.reply, 1), "ok");
	answer_release(&answer);
}

static char *task_text(const struct said *t) {
	static const int fields[] = { NUMBER, PROJECT, TASK_ID, TYPE, BATCH, STATUS, PRIORITY };
	static const int more[] = { WAITS, RETRIES, VERSION, ATTEMPT, CREATED, READY, DUE, STARTED };
	static const int last[] = { WORKER, LEASE, BECAUSE };
	struct text out = { 0 };
	for (size_t i = 0; i < 7; i++)
		text_printf(&out, "%s" US, said_at(t, (size_t)fields[i]));
	text_printf(&out, "%d" US, atoi(said_at(t, FLAGS)) % 2);
	for (size_t i = 0; i < 8; i++)
		text_printf(&out, "%s" US, said_at(t, (size_t)more[i]));
	text_add(&out, "1" US);
	for (size_t i = 0; i < 3; i++)
		text_printf(&out, "%s" US, said_at(t, (size_t)last[i]));
	bool completed = *said_at(t, STATUS) == 'c'; /* then its specification has gone: "=", a hash, a result */
	text_printf(&out, "30000000" US US US "%s", completed ? "=0123456789abcdef" US "7" : said_at(t, BYTES));
	return text_take(&out);
}

/* NULL for a completed one: its specification has gone. */
static char *edges_text(const struct said *t) {
	struct specification specification;
	struct text out = { 0 };
	if (!record_parse_specification(slice_of(said_at(t, BYTES)), &specification))
		return NULL;
	text_printf(&out, "%s" US, said_at(t, NUMBER));
	text_add_slice(&out, specification.dependencies);
	return text_take(&out);
}

static void load_step(struct scripts *s, struct state *to, int count, bool edges) {
	char *texts[PAGE];
	for (int from = 0; from < count; from += PAGE) {
		int until = from + PAGE < count ? from + PAGE : count;
		size_t n = 0;
		struct answer answer = read_page(s, s->state, from, until);
		for (int i = from; i < until; i++) {
			const struct said *task = &answer.reply.items[1 + i - from];
			char *text = edges ? edges_text(task) : task_text(task);
			if (text != NULL)
				texts[n++] = text;
		}
		load(s, to, edges ? "edges" : "tasks", texts, n);
		while (n > 0)
			free(texts[--n]);
		answer_release(&answer);
	}
}

static int64_t rebuilt_us; /* what has become ready since was ready at another time on each side */

static struct state *open_empty(struct scripts *s) {
	rebuilt_us = clock_wall_us();
	struct state *state = state_open(s->kv, 1, INT64_C(3600000000));
	steps = 0;
	load(s, state, "begin", (char *[]){ "20000", "" }, 2);
	return state;
}

static void sweep(struct scripts *s, struct state *state) {
	bool more = true;
	while (more) {
		struct answer answer = scripts_call(s, state, &state_script_sweep, (const char *[]){ "500", "3" }, 2);
		more = answer.head.more;
		answer_release(&answer);
	}
}

static bool is_moved_by_time(const struct said *t) {
	return strchr("rt", *said_at(t, STATUS)) != NULL || strchr(said_at(t, WAITS), 't') != NULL;
}

static void compare(const struct said *was, const struct said *is) {
	static const int same[] = { NUMBER,  TYPE,    BATCH, STATUS,  PRIORITY, ATTEMPT,
		                        RETRIES, VERSION, WAITS, CREATED, READY,    LEASE };
	if (is_moved_by_time(was) || is_moved_by_time(is))
		return;
	bool swept = atoll(said_at(was, READY)) >= rebuilt_us && atoll(said_at(is, READY)) >= rebuilt_us;
	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++)
		if (!(swept && same[i] == READY) && strcmp(said_at(was, (size_t)same[i]), said_at(is, (size_t)same[i])) != 0)
			fail_msg("%s, field %d: was %s, is %s after the rebuild", said_at(was, TASK_ID), same[i],
			         said_at(was, (size_t)same[i]), said_at(is, (size_t)same[i]));
	if (*said_at(was, STATUS) == 'b' && strcmp(said_at(was, LEFT), said_at(is, LEFT)) != 0)
		fail_msg("%s waits for %s dependencies, and for %s after the rebuild", said_at(was, TASK_ID),
		         said_at(was, LEFT), said_at(is, LEFT));
}

/* A task that time moved in one and not yet in the other has moved others with it: then the comparison means nothing. */
static bool is_same_moment(struct scripts *s, struct state *to) {
	struct answer a = scripts_call(s, s->state, &state_script_read, (const char *[]){ "lags" }, 1);
	struct answer b = scripts_call(s, to, &state_script_read, (const char *[]){ "lags" }, 1);
	bool same = strcmp(said_at(&a.reply, 1), said_at(&b.reply, 1)) == 0;
	answer_release(&a);
	answer_release(&b);
	return same;
}

static struct state *rebuild(struct scripts *s, int count) {
	struct said seq = scripts_redis(s, "HGET {p0}:m seq"), id = scripts_redis(s, "HGET {p0}:m id");
	struct state *to = open_empty(s);
	load_step(s, to, count, false);
	load_step(s, to, count, true);
	char *finish[] = { "epoch-2", seq.text, id.text, "0" };
	load(s, to, "finish", finish, 4);
	said_release(&seq);
	said_release(&id);
	sweep(s, to);
	sweep(s, s->state);
	return to;
}

static void forget(struct scripts *s) {
	struct said keys = scripts_redis(s, "KEYS {p1}:*");
	for (size_t i = 0; i < keys.count; i++) {
		struct said gone = scripts_redis(s, "DEL %s", keys.items[i].text);
		said_release(&gone);
	}
	said_release(&keys);
}

struct state *scripts_rebuild(struct scripts *s, int count) {
	struct state *to = NULL;
	for (int tries = 0; tries < 20; tries++) {
		if (to != NULL)
			state_close(&to);
		forget(s);
		sweep(s, s->state);
		to = rebuild(s, count);
		if (is_same_moment(s, to))
			break;
	}
	for (int from = 0; from < count; from += PAGE) {
		int until = from + PAGE < count ? from + PAGE : count;
		struct answer was = read_page(s, s->state, from, until), is = read_page(s, to, from, until);
		for (int i = 1; i <= until - from; i++)
			compare(&was.reply.items[i], &is.reply.items[i]);
		answer_release(&was);
		answer_release(&is);
	}
	struct answer audit = scripts_call(s, to, &state_script_audit, (const char *[]){ "0", "100000" }, 2);
	if (audit.reply.count > 3)
		fail_msg("the auditor after a rebuild: %s", said_at(&audit.reply, 3));
	answer_release(&audit);
	return to;
}
