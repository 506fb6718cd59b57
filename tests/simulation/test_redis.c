/* The Redis in memory is held to the real one: the same random calls of every script on both, with the same clock, must
 * get the same answers and leave the same state. CORDER_TEST_SEED repeats a run. */
#include "redis.h"

#include <assert.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/state/admit_record.h"
#include "shared/state/packed.h"
#include "shared/state/state.h"
#include "shared/task/record.h"
#include "tests/support/scripts.h"
#include "tests/support/test.h"

enum { CALLS = 3000, LOOK_EVERY = 50, WORDS_MOST = 512, HELD_MOST = 32, TASKS_MOST = 900, KEPT_US = 20000000 };

static struct kv_script *const scripts[] = {
	&state_script_admit,   &state_script_work,  &state_script_sweep, &state_script_command, &state_script_mark,
	&state_script_confirm, &state_script_evict, &state_script_audit, &state_script_read,    &state_script_load,
};
enum { SCRIPT_COUNT = sizeof(scripts) / sizeof(scripts[0]) };
static_assert(SCRIPT_COUNT == SCRIPT_FILES, "a script of shared/state/lua is missing here");

struct world {
	struct server *server;
	redisContext *real;
	struct redis *memory;
	uint64_t random, entries;
	int64_t now_us;
	struct text words[WORDS_MOST];
	size_t count;
	int tasks;
	char held[HELD_MOST][2][160]; /* name, lease */
	int held_count;
	int load_steps;
	char last_id[STATE_ENTRY_ID_BYTES], marked_id[STATE_ENTRY_ID_BYTES];
	int64_t last_seq, marked_seq;
	int64_t calls[SCRIPT_COUNT];
};

static uint32_t draw(struct world *w, uint32_t below) {
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (uint32_t)((w->random >> 11) % below);
}

static void word(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void word(struct world *w, const char *format, ...) {
	char bytes[4096];
	va_list list;
	va_start(list, format);
	vsnprintf(bytes, sizeof(bytes), format, list);
	va_end(list);
	must(w->count < WORDS_MOST);
	text_clear(&w->words[w->count]);
	text_add(&w->words[w->count++], bytes);
}

/* ---- both at once ---- */

/* In any order where Redis promises none. */
static int by_said(const void *a, const void *b) {
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_sorted(struct text *out, char **lines, size_t count, bool sorted) {
	if (sorted)
		qsort(lines, count, sizeof(*lines), by_said);
	for (size_t i = 0; i < count; i++) {
		text_add(out, lines[i]);
		free(lines[i]);
	}
	free(lines);
}

/* Bytes that are no text as numbers. */
static void show_bytes(struct text *out, struct slice bytes) {
	text_add_char(out, '"');
	for (size_t i = 0; i < bytes.length; i++) {
		if (bytes.bytes[i] >= ' ')
			text_add_char(out, bytes.bytes[i]);
		else
			text_printf(out, "\\%02x", (unsigned char)bytes.bytes[i]);
	}
	text_add(out, "\"\n");
}

static void show_real(struct text *out, const redisReply *reply, bool sorted) {
	switch (reply->type) {
	case REDIS_REPLY_STRING: show_bytes(out, (struct slice){ reply->str, (size_t)reply->len }); return;
	case REDIS_REPLY_STATUS: text_printf(out, "+%s\n", reply->str); return;
	case REDIS_REPLY_ERROR: text_printf(out, "-%s\n", reply->str); return;
	case REDIS_REPLY_INTEGER: text_printf(out, ":%lld\n", reply->integer); return;
	case REDIS_REPLY_ARRAY: break;
	default: text_add(out, "nil\n"); return;
	}
	text_printf(out, "*%zu\n", reply->elements);
	char **lines = memory_array(reply->elements, sizeof(*lines));
	for (size_t i = 0; i < reply->elements; i++) {
		struct text line = { 0 };
		show_real(&line, reply->element[i], false);
		lines[i] = text_take(&line);
	}
	add_sorted(out, lines, reply->elements, sorted);
}

static void show_memory(struct text *out, const struct kv_reply *reply, bool sorted) {
	switch (reply->kind) {
	case REPLY_TEXT: show_bytes(out, reply->text); return;
	case REPLY_STATUS: text_printf(out, "+%s\n", reply->text.bytes); return;
	case REPLY_ERROR: text_printf(out, "-%s\n", reply->text.bytes); return;
	case REPLY_INT: text_printf(out, ":%lld\n", (long long)reply->number); return;
	case REPLY_NIL: text_add(out, "nil\n"); return;
	case REPLY_LIST: break;
	}
	text_printf(out, "*%zu\n", reply->count);
	char **lines = memory_array(reply->count, sizeof(*lines));
	for (size_t i = 0; i < reply->count; i++) {
		struct text line = { 0 };
		show_memory(&line, &reply->items[i], false);
		lines[i] = text_take(&line);
	}
	add_sorted(out, lines, reply->count, sorted);
}

static redisReply *ask(struct world *w, const char *format, ...) {
	va_list list;
	va_start(list, format);
	redisReply *reply = redisvCommand(w->real, format, list);
	va_end(list);
	assert_non_null(reply);
	return reply;
}

static void set_clock(struct world *w) {
	char s[24], us[24];
	w->now_us += draw(w, 200000);
	snprintf(s, sizeof(s), "%" PRId64, w->now_us / 1000000);
	snprintf(us, sizeof(us), "%" PRId64, w->now_us % 1000000);
	freeReplyObject(ask(w, "HSET now s %s us %s", s, us));
	struct slice words[] = { SLICE("HSET"), SLICE("now"), SLICE("s"), slice_of(s), SLICE("us"), slice_of(us) };
	redis_command(w->memory, words, 6);
}

/* What the head of a reply says of the outbox. */
static void note_head(struct world *w, const struct kv_reply *reply) {
	struct slice rest = reply->count > 0 ? reply->items[0].text : (struct slice){ 0 };
	struct slice f[3] = { { 0 } };
	for (size_t i = 0; i < 3 && rest.bytes; i++)
		f[i] = slice_cut(&rest, RECORD_US);
	int64_t seq = f[2].bytes ? slice_int(f[2], 0) : 0;
	if (seq <= w->last_seq || f[1].length == 0)
		return;
	w->last_seq = seq;
	snprintf(w->last_id, sizeof(w->last_id), "%.*s", (int)f[1].length, f[1].bytes);
}

static const struct kv_reply *call(struct world *w, struct kv_script *script, bool sorted) {
	struct slice key = SLICE("{p0}:"), arguments[WORDS_MOST];
	char function[64];
	snprintf(function, sizeof(function), "%s_%s", state_library.name, script->name);
	const char *argv[WORDS_MOST + 4] = { "FCALL", function, "1", key.bytes };
	size_t lengths[WORDS_MOST + 4] = { 5, strlen(function), 1, key.length };
	struct text real = { 0 }, memory = { 0 };
	for (size_t i = 0; i < w->count; i++) {
		arguments[i] = (struct slice){ w->words[i].bytes ? w->words[i].bytes : "", w->words[i].length };
		argv[4 + i] = arguments[i].bytes;
		lengths[4 + i] = arguments[i].length;
	}
	for (size_t i = 0; i < SCRIPT_COUNT; i++)
		w->calls[i] += scripts[i] == script;
	redisReply *said = redisCommandArgv(w->real, (int)w->count + 4, argv, lengths);
	assert_non_null(said);
	const struct kv_reply *reply = redis_eval(w->memory, script, &key, 1, arguments, w->count);
	show_real(&real, said, sorted);
	show_memory(&memory, reply, sorted);
	freeReplyObject(said);
	if (reply->kind == REPLY_ERROR)
		fail_msg("%s", reply->text.bytes);
	assert_string_equal(memory.bytes, real.bytes);
	text_release(&real);
	text_release(&memory);
	note_head(w, reply);
	return reply;
}

static void begin(struct world *w, const char *weight) {
	w->count = 0;
	word(w, "%024" PRIu64, ++w->entries);
	word(w, "%s", weight);
}

/* ---- the state of the real one, as redis_dump() writes it ---- */

static void dump_real_key(struct world *w, struct slice key, const char *type, struct text *out) {
	const char *format = !strcmp(type, "hash")     ? "HGETALL %b"
	                     : !strcmp(type, "zset")   ? "ZRANGE %b 0 -1 WITHSCORES"
	                     : !strcmp(type, "list")   ? "LRANGE %b 0 -1"
	                     : !strcmp(type, "stream") ? "XRANGE %b - +"
	                                               : "GET %b";
	redisReply *value = ask(w, format, key.bytes, key.length);
	show_real(out, value, type[0] == 'h');
	freeReplyObject(value);
}

static void dump_memory_key(struct world *w, struct slice key, const char *type, struct text *out) {
	struct slice hash[] = { SLICE("HGETALL"), key };
	struct slice zset[] = { SLICE("ZRANGE"), key, SLICE("0"), SLICE("-1"), SLICE("WITHSCORES") };
	struct slice list[] = { SLICE("LRANGE"), key, SLICE("0"), SLICE("-1") };
	struct slice stream[] = { SLICE("XRANGE"), key, SLICE("-"), SLICE("+") };
	struct slice string[] = { SLICE("GET"), key };
	const struct kv_reply *reply = !strcmp(type, "hash")     ? redis_command(w->memory, hash, 2)
	                               : !strcmp(type, "zset")   ? redis_command(w->memory, zset, 5)
	                               : !strcmp(type, "list")   ? redis_command(w->memory, list, 4)
	                               : !strcmp(type, "stream") ? redis_command(w->memory, stream, 4)
	                                                         : redis_command(w->memory, string, 2);
	show_memory(out, reply, type[0] == 'h');
}

static void compare_states(struct world *w) {
	struct slice scan[] = { SLICE("SCAN"), SLICE("0"), SLICE("MATCH"), SLICE("*"), SLICE("COUNT"), SLICE("100000") };
	redisReply *keys = ask(w, "KEYS *");
	assert_int_equal(redis_command(w->memory, scan, 6)->items[1].count, keys->elements);
	for (size_t i = 0; i < keys->elements; i++) {
		struct slice key = { keys->element[i]->str, (size_t)keys->element[i]->len };
		struct text real = { 0 }, memory = { 0 };
		redisReply *type = ask(w, "TYPE %b", key.bytes, key.length);
		show_bytes(&real, key);
		show_bytes(&memory, key);
		dump_real_key(w, key, type->str, &real);
		dump_memory_key(w, key, type->str, &memory);
		assert_string_equal(memory.bytes, real.bytes);
		text_release(&real);
		text_release(&memory);
		freeReplyObject(type);
	}
	freeReplyObject(keys);
}

/* ---- the calls ---- */

static void bytes(struct world *w, struct slice word) {
	must(w->count < WORDS_MOST);
	text_clear(&w->words[w->count]);
	text_add_slice(&w->words[w->count++], word);
}

/* Releases them. */
static void add_words(struct world *w, struct words *words) {
	struct slice slices[WORDS_MOST];
	must(words->count <= WORDS_MOST);
	words_slices(words, slices);
	for (size_t i = 0; i < words->count; i++)
		bytes(w, slices[i]);
	words_release(words);
}

static void add_record(struct world *w, int number) {
	char id[24], type[16], needs[160] = "", flags[4], key[8];
	snprintf(id, sizeof(id), "t-%d", number);
	snprintf(type, sizeof(type), "type-%u", draw(w, 3));
	snprintf(flags, sizeof(flags), "%c%s", "sssbr"[draw(w, 5)], draw(w, 12) ? "" : "h");
	snprintf(key, sizeof(key), "k-%u", draw(w, 3));
	for (uint32_t i = draw(w, 4); i > 0 && number > 0; i--) {
		size_t at = strlen(needs);
		int other = draw(w, 15) ? number - 1 - (int)draw(w, (uint32_t)(number < 30 ? number : 30))
		                        : number + 1 + (int)draw(w, 9);
		snprintf(needs + at, sizeof(needs) - at, "%s%ct-%d", at ? "," : "",
		         (other > number ? "CFX" : "cfx")[draw(w, 5) ? 0 : draw(w, 3)], other);
	}
	struct new_task task = {
		.id = id,
		.type = type,
		.priority = 1 + (int)draw(w, 10),
		.needs = needs,
		.flags = flags,
		.retries = (int)draw(w, 4) - 1,
		.timeout_us = draw(w, 8) ? 0 : 900000,
		.not_before_us = draw(w, 8) ? 0 : w->now_us + 500000,
		.backoff = "10,2,2000",
		.key = draw(w, 4) ? NULL : key,
		.limit = 1 + key[2] - '0',
	};
	char *record = new_task_record(&task);
	struct words words = { 0 };
	struct slice batch = { w->words[3].bytes, w->words[3].length };
	assert_true(admit_record_add(&words, SLICE("shop"), batch, slice_of(record)));
	add_words(w, &words);
	free(record);
}

/* As after a look-up that found nothing, mostly. */
static void add_looked(struct world *w) {
	struct slice ask_by[] = { SLICE("HGET"), SLICE("{p0}:m"), SLICE("evictedby") };
	const struct kv_reply *by = redis_command(w->memory, ask_by, 3);
	if (by->kind == REPLY_TEXT && draw(w, 8) > 0)
		word(w, "%.*s%c%u", (int)by->text.length, by->text.bytes, RECORD_US, draw(w, 8) ? 999999999 : draw(w, 50));
	else
		word(w, "%s", "");
}

static void call_admit(struct world *w) {
	static const char *const modes[] = { "admit", "admit", "admit", "admit", "check", "reserve", "place", "unreserve" };
	const char *mode = modes[draw(w, 8)];
	int count = 1 + (int)draw(w, 8);
	int from = draw(w, 5) ? w->tasks : (int)draw(w, (uint32_t)w->tasks + 1);
	if (from + count > TASKS_MOST)
		return;
	char weight[80] = "3600000000"; /* now and then with an entry that it has to have */
	if (w->last_id[0] != '\0' && draw(w, 4) == 0)
		snprintf(weight, sizeof(weight), "3600000000 %" PRId64 " %s", w->last_seq, w->last_id);
	begin(w, weight);
	word(w, "shop");
	word(w, "batch-%u", draw(w, 9));
	word(w, "%s", mode);
	word(w, "%s", strcmp(mode, "admit") == 0 ? "" : "token-1");
	add_looked(w);
	word(w, "%d", count);
	word(w, "0");
	for (int i = 0; i < count; i++)
		add_record(w, from + i);
	struct slice verdict = call(w, &state_script_admit, false)->items[1].text;
	if (verdict.length > 2 && memcmp(verdict.bytes, "ok", 2) == 0 && mode[0] != 'c' && from + count > w->tasks)
		w->tasks = from + count;
}

static void hold(struct world *w, const struct kv_reply *list) {
	for (size_t k = 1; k + 2 < list->count; k += 3) { /* see work.lua */
		int i = w->held_count < HELD_MOST ? w->held_count++ : (int)draw(w, HELD_MOST);
		struct packed task;
		assert_true(packed_read(list->items[k].text, &task));
		snprintf(w->held[i][0], sizeof(w->held[i][0]), "shop/%.*s", (int)task.task_id.length, task.task_id.bytes);
		snprintf(w->held[i][1], sizeof(w->held[i][1]), "%.*s", (int)task.lease.length, task.lease.bytes);
	}
}

static void call_work(struct world *w) {
	static const char *const outcomes[] = { "completed", "completed", "completed", "failed", "final", "released" };
	uint32_t settles = w->held_count ? draw(w, 4) : 0, renewals = w->held_count ? draw(w, 3) : 0, wishes = draw(w, 4);
	begin(w, "3600000000");
	word(w, "%u", settles);
	word(w, "%u", renewals);
	word(w, "%u", wishes);
	word(w, "600");
	word(w, "%s", draw(w, 2) ? w->last_id : "");
	for (uint32_t i = 0; i < settles; i++) {
		uint32_t k = draw(w, (uint32_t)w->held_count);
		char said[24];
		struct words words = { 0 };
		snprintf(said, sizeof(said), "{\"n\":%u}", draw(w, 99));
		const char *lease = draw(w, 12) ? w->held[k][1] : draw(w, 2) ? "none" : w->held[0][1];
		scripts_add_settle(&words, w->held[k][0], lease, outcomes[draw(w, 6)], said);
		add_words(w, &words);
	}
	for (uint32_t i = 0; i < renewals; i++) {
		uint32_t k = draw(w, (uint32_t)w->held_count);
		word(w, "%s\037%s\037%u", w->held[k][0], w->held[k][1], 1000 + draw(w, 900000));
	}
	for (uint32_t i = 0; i < wishes; i++)
		word(w, "type-%u\037w-%u\037%u\037%u\037%s%.0u", draw(w, 3), draw(w, 5), 1 + draw(w, 5),
		     1000 + draw(w, 2000000),
		     draw(w, 2)   ? ""
		     : draw(w, 2) ? "r-1"
		                  : "r-2",
		     0u);
	const struct kv_reply *reply = call(w, &state_script_work, false);
	for (size_t i = 0; i < wishes; i++)
		hold(w, &reply->items[1 + settles + renewals + i]);
}

/* A task that the database has, and its retry: it comes back, waits for a task that is here, and has lost one worker. */
static void retry_of_one_that_left(struct world *w) {
	unsigned n = draw(w, 20);
	word(w,
	     "ended\037\0371\037%u\037shop\037old-%u\037type-1\037b\037f\0375\03716\037\0370\0373\0371\0375\0376\037"
	     "0\0377\0378\037\037\037\0370\037s\0373\037\037\037\037\0371\037hash\037\037\037\037xt-%u\037{}",
	     900000 + n, n, draw(w, (uint32_t)w->tasks + 1));
	word(w, "retry\037shop/old-%u\0370\037\0371", n);
}

static void call_command(struct world *w) {
	static const char *const verbs[] = { "cancel", "retry",  "approve", "reject", "update",     "pause",
		                                 "resume", "resume", "refused", "graph",  "graph_done", "graph_undone" };
	begin(w, "3600000000");
	if (draw(w, 8) == 0)
		retry_of_one_that_left(w);
	for (uint32_t i = 1 + draw(w, 3); i > 0; i--) {
		const char *verb = verbs[draw(w, 12)];
		if (strcmp(verb, "pause") == 0 || strcmp(verb, "resume") == 0)
			word(w, "%s\037%s\037%s", verb, draw(w, 2) ? "type-1" : "", draw(w, 2) ? "shop" : "");
		else if (strcmp(verb, "refused") == 0)
			word(w, "refused\037shop\037type-1\037t-x\037"
			        "b-1\037"
			        "cycle\037\037why");
		else if (verb[0] == 'g')
			word(w,
			     "%s\037shop\037batch\037token-%u\037"
			     "2\037"
			     "500",
			     verb, draw(w, 3));
		else
			word(w, "%s\037shop/t-%u\037%u", verb, draw(w, (uint32_t)w->tasks + 2), 1 + draw(w, 9));
	}
	call(w, &state_script_command, false);
}

static void call_mark(struct world *w) {
	begin(w, "3600000000");
	bool trims = draw(w, 2) && w->marked_seq > 0;
	word(w, "%" PRId64, w->last_seq);
	word(w, "%s", draw(w, 20) ? w->last_id : "another");
	word(w, "%s", "");
	if (trims) {
		w->count--;
		word(w, "%" PRId64, w->marked_seq);
	}
	word(w, "%s", trims ? w->marked_id : "");
	const struct kv_reply *reply = call(w, &state_script_mark, false);
	if (!slice_is(reply->items[1].text, "ok"))
		return;
	w->marked_seq = w->last_seq;
	memcpy(w->marked_id, w->last_id, sizeof(w->marked_id));
}

static void call_confirm(struct world *w) {
	begin(w, "3600000000");
	word(w, "%" PRId64, w->last_seq);
	word(w, "%s", w->last_id);
	word(w, "%" PRId64, w->marked_seq);
	word(w, "%s", "nobody");
	call(w, &state_script_confirm, false);
}

static void call_read(struct world *w) {
	begin(w, "3600000000");
	uint32_t t = draw(w, (uint32_t)w->tasks + 1);
	switch (draw(w, 8)) {
	case 0: word(w, "counts"); break;
	case 1:
		word(w, "tasks");
		word(w, "shop/t-%u", t);
		word(w, "shop/none");
		break;
	case 2:
		word(w, "ready");
		word(w, "type-%u", draw(w, 3));
		word(w, "5");
		break;
	case 3: word(w, "queues"); break;
	case 4:
		word(w, "place");
		word(w, "shop/t-%u", t);
		break;
	case 5:
		word(w, "key");
		word(w, "shop/k-%u", draw(w, 3));
		break;
	case 6:
		word(w, "edges");
		word(w, "shop/t-%u", t);
		word(w, "20");
		break;
	default: word(w, "pauses"); break;
	}
	call(w, &state_script_read, true);
}

static void call_upkeep(struct world *w) {
	begin(w, "3600000000");
	switch (draw(w, 4)) {
	case 0:
		word(w, "%d", KEPT_US);
		word(w, "50");
		call(w, &state_script_evict, false);
		break;
	case 1:
		word(w, "0");
		word(w, "100000");
		call(w, &state_script_audit, true);
		break;
	default:
		word(w, "%u", 1 + draw(w, 100));
		word(w, "%u", draw(w, 4));
		call(w, &state_script_sweep, false);
		break;
	}
}

static void begin_load(struct world *w, const char *step) {
	begin(w, "3600000000");
	w->load_steps = strcmp(step, "begin") == 0 ? 1 : w->load_steps + 1;
	word(w, "me %d", w->load_steps);
	word(w, "%s", step);
}

static void load_step(struct world *w, const char *step, const char *a, const char *b, const char *c, const char *d) {
	const char *words[] = { a, b, c, d };
	bool more = true;
	while (more) {
		begin_load(w, step);
		for (size_t i = 0; i < 4 && words[i]; i++)
			word(w, "%s", words[i]);
		more = slice_is(call(w, &state_script_load, false)->items[1].text, "more");
	}
}

/* As a rebuild does it, with tasks of its own. */
static void call_load(struct world *w) {
	char epoch[24], seq[24], number[24];
	const struct kv_reply *now;
	struct slice ask_epoch[] = { SLICE("HGET"), SLICE("{p0}:m"), SLICE("epoch") };
	now = redis_command(w->memory, ask_epoch, 3);
	snprintf(epoch, sizeof(epoch), "%s", now->kind == REPLY_TEXT ? now->text.bytes : "");
	load_step(w, "begin", "20000", epoch, NULL, NULL);
	load_step(w, "wipe", NULL, NULL, NULL, NULL);
	begin_load(w, "tasks");
	for (int i = 0; i < 6; i++)
		word(w,
		     "%d\037shop\037t-%d\037type-%d\037"
		     "b\037%c\037"
		     "5\037"
		     "0\037%s\037"
		     "0\037"
		     "2\037"
		     "1\037%" PRId64 "\037%" PRId64 "\037%" PRId64 "\037%" PRId64 "\037%d\037w\037lease-%d\037\037"
		     "30000000\037\037\037%s",
		     i + 1, i, i % 3, "cprtbb"[i], i >= 4 ? "d" : "", w->now_us, w->now_us, w->now_us + 9000, w->now_us, i + 10,
		     i,
		     i == 0 ? "=hash\037{\"n\":1}"
		            : "s\037"
		              "3\037"
		              "0\037"
		              "0\037\037\037"
		              "1\037hash\037\037\037\037"
		              "ct-0,ct-3\037{}");
	call(w, &state_script_load, false);
	load_step(w, "edges",
	          "5\037"
	          "ct-0,ct-3",
	          "6\037"
	          "ct-3,Ct-77",
	          NULL, NULL);
	load_step(w, "counts", "shop/type-1/p", "1", NULL, NULL);
	load_step(w, "pauses", "type-2/", NULL, NULL, NULL);
	load_step(w, "graphs", "token-9",
	          "shop\037"
	          "b\037"
	          "2\037"
	          "400",
	          NULL, NULL);
	snprintf(epoch, sizeof(epoch), "epoch-%u", draw(w, 1000000));
	snprintf(seq, sizeof(seq), "%" PRId64, w->last_seq + 100);
	snprintf(number, sizeof(number), "after-%u", draw(w, 1000000));
	load_step(w, "finish", epoch, seq, number, "1");
	w->last_seq = w->marked_seq = w->last_seq + 100;
	snprintf(w->last_id, sizeof(w->last_id), "%s", number);
	memcpy(w->marked_id, w->last_id, sizeof(w->marked_id));
	w->held_count = 0;
	w->tasks = 6;
}

static void step(struct world *w) {
	static void (*const kinds[])(struct world *) = { call_admit,   call_admit, call_admit,  call_work,   call_work,
		                                             call_work,    call_work,  call_upkeep, call_upkeep, call_upkeep,
		                                             call_command, call_mark,  call_read,   call_confirm };
	set_clock(w);
	if (draw(w, 200) == 0 || w->last_seq == 0 || w->tasks > TASKS_MOST - 20)
		call_load(w);
	else
		kinds[draw(w, sizeof(kinds) / sizeof(kinds[0]))](w);
}

/* Both get their time from a key, which is the only thing about them that would differ. */
static void take_clock_from_key(void) {
	static const char text[] = "call('TIME')", instead[] = "call('HMGET', 'now', 's', 'us')";
	struct slice source = state_library.source;
	const char *found = memmem(source.bytes, source.length, text, sizeof(text) - 1);
	struct text made = { 0 };
	assert_non_null(found);
	text_append(&made, source.bytes, (size_t)(found - source.bytes));
	text_add(&made, instead);
	found += sizeof(text) - 1;
	text_append(&made, found, source.length - (size_t)(found - source.bytes));
	state_library.source = (struct slice){ made.bytes, made.length };
	snprintf(state_library.name, sizeof(state_library.name), "corder_both");
}

static void load_into_real(struct world *w) {
	struct text source = { 0 };
	text_add(&source, "#!lua name=corder_both\nlocal LIBRARY = 'corder_both'\n");
	text_add_slice(&source, state_library.source);
	redisReply *reply = ask(w, "FUNCTION LOAD %b", source.bytes, source.length);
	assert_string_equal(reply->str, "corder_both");
	freeReplyObject(reply);
	text_release(&source);
}

static void every_script_answers_alike(void **state) {
	struct world w = { 0 };
	const char *seed = getenv("CORDER_TEST_SEED");
	(void)state;
	w.random = seed ? strtoull(seed, NULL, 10) : (uint64_t)clock_wall_us();
	print_message("CORDER_TEST_SEED=%" PRIu64 "\n", w.random);
	w.random |= UINT64_C(1) << 40;
	w.now_us = clock_wall_us();
	take_clock_from_key();
	w.server = server_start_redis();
	w.real = redisConnect("127.0.0.1", server_port(w.server));
	assert_true(w.real && !w.real->err);
	load_into_real(&w);
	w.memory = redis_open(clock_wall_us);
	for (int i = 0; i < CALLS; i++) {
		step(&w);
		if (i % LOOK_EVERY == 0)
			compare_states(&w);
	}
	compare_states(&w);
	for (size_t i = 0; i < SCRIPT_COUNT; i++) {
		print_message("%-8s %" PRId64 " calls\n", scripts[i]->name, w.calls[i]);
		assert_true(w.calls[i] > 10);
	}
	redis_close(&w.memory);
	redisFree(w.real);
	server_stop(&w.server);
	for (size_t i = 0; i < WORDS_MOST; i++)
		text_release(&w.words[i]);
}

int main(void) {
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_script_answers_alike) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
