/* The end of a world: the database, Redis and the stream of events against the fold of the log. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dict.h"
#include "ledger.h"
#include "scenario.h"
#include "shared/base/memory.h"
#include "shared/state/packed.h"
#include "shared/state/state.h"
#include "shared/task/record.h"

/* ---- the database ---- */

struct counted {
	int64_t tasks, events;
};

static void check_row(void *context, int columns, const char *const *values) {
	struct counted *counted = context;
	char name[256];
	(void)columns;
	counted->tasks++;
	snprintf(name, sizeof(name), "%s/%s", values[0], values[1]);
	const struct fold_task *task = ledger_task(name);
	if (!task) {
		world_violation("the database has %s, the log has not", name);
		return;
	}
	if (record_status_letter(slice_of(values[2])) != task->status || strtoll(values[3], NULL, 10) != task->version ||
	    strtoll(values[4], NULL, 10) != task->attempt || strtoll(values[5], NULL, 10) != task->last_seq)
		world_violation("the database says %s of %s (version %s, attempt %s), the log %c (%lld, %lld)", values[2], name,
		                values[3], values[4], task->status, (long long)task->version, (long long)task->attempt);
}

static void count_rows(void *context, int columns, const char *const *values) {
	(void)columns;
	*(int64_t *)context = strtoll(values[0], NULL, 10);
}

void ledger_check_database(void) {
	struct counted counted = { 0 };
	int64_t expected = 0, poison = 0, logged = 0;
	size_t at = 0;
	while (ledger_next(&at))
		expected++;
	database_rows("SELECT project,task_id,status,version,attempt,last_seq FROM tasks", check_row, &counted);
	if (counted.tasks != expected)
		world_violation("the database has %lld tasks, the log %lld", (long long)counted.tasks, (long long)expected);
	database_rows("SELECT COUNT(*) FROM poison_events", count_rows, &poison);
	if (poison)
		world_violation("%lld events were set aside", (long long)poison);
	database_rows("SELECT COUNT(*) FROM task_events", count_rows, &counted.events);
	for (int64_t p = 0; p < scenario_partitions(); p++) {
		logged += ledger_last_seq(p);
		if (database_position(p) != ledger_last_seq(p))
			world_violation("the database stands at event %lld, the log ends with %lld",
			                (long long)database_position(p), (long long)ledger_last_seq(p));
	}
	if (counted.events != logged)
		world_violation("the database has %lld events, the log %lld", (long long)counted.events, (long long)logged);
}

/* ---- Redis ---- */

static const struct kv_reply *ask_script(struct kv_script *script, int64_t partition, const char *const *words,
                                         size_t count) {
	char prefix[40];
	struct slice key, arguments[8] = { SLICE("000000000000000000000000"), SLICE("3600000000") };
	snprintf(prefix, sizeof(prefix), "{p%lld}:", (long long)partition);
	key = slice_of(prefix);
	for (size_t i = 0; i < count; i++)
		arguments[i + 2] = slice_of(words[i]);
	return redis_eval(servers.redis[0], script, &key, 1, arguments, count + 2);
}

void ledger_audit(void) {
	const char *words[] = { "0", "100000" };
	for (int64_t p = 0; p < scenario_partitions() && !servers.redis[1]; p++) {
		const struct kv_reply *reply = ask_script(&state_script_audit, p, words, 2);
		if (reply->kind == REPLY_ERROR)
			world_violation("%.*s", (int)reply->text.length, reply->text.bytes);
		else if (reply->kind == REPLY_LIST && reply->count > 3)
			world_violation("the auditor: %.*s", (int)reply->items[3].text.length, reply->items[3].text.bytes);
	}
}

static int64_t redis_count(const char *command, int64_t partition, const char *key) {
	char name[64];
	snprintf(name, sizeof(name), "{p%lld}:%s", (long long)partition, key);
	struct slice words[] = { slice_of(command), slice_of(name) };
	return redis_command(servers.redis[0], words, 2)->number;
}

static void check_nothing_left(int64_t partition) {
	static const char *const keys[][2] = { { "XLEN", "ob" }, { "ZCARD", "due" }, { "LLEN", "rel" },
		                                   { "HLEN", "rs" }, { "HLEN", "ab" },   { "HLEN", "fw" } };
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (redis_count(keys[i][0], partition, keys[i][1]) != 0)
			world_violation("Redis still has %lld in %s", (long long)redis_count(keys[i][0], partition, keys[i][1]),
			                keys[i][1]);
}

/* The status, version and attempt that read.lua tells. */
static void check_task(const struct fold_task *task) {
	const char *words[] = { "tasks", task->name };
	const struct kv_reply *reply = ask_script(&state_script_read, task->partition, words, 2);
	if (reply->kind != REPLY_LIST || reply->count < 2) {
		world_violation("Redis cannot be read at the end");
		return;
	}
	const struct kv_reply *said = &reply->items[1];
	if (said->kind != REPLY_LIST) {
		if (!record_is_final(task->status))
			world_violation("%s has not ended, and Redis does not know it", task->name);
		return;
	}
	if (said->items[5].text.bytes[0] != task->status || slice_int(said->items[9].text, -1) != task->version ||
	    slice_int(said->items[7].text, -1) != task->attempt)
		world_violation("Redis says %s is %.*s (version %.*s), the log %c (%lld)", task->name,
		                (int)said->items[5].text.length, said->items[5].text.bytes, (int)said->items[9].text.length,
		                said->items[9].text.bytes, task->status, (long long)task->version);
}

static int64_t take_count(struct dict *counts, struct slice name) {
	struct dict_item *item = (struct dict_item *)dict_get(counts, name);
	int64_t count = item ? atoll(item->bytes) : 0;
	if (item)
		dict_set(item, SLICE("0"));
	return count;
}

/* How many tasks have each status, by project and type. */
static void check_counts(int64_t partition) {
	struct dict counts = { 0 };
	char key[300], digits[24];
	size_t at = 0;
	for (const struct fold_task *task; (task = ledger_next(&at));) {
		bool is_new;
		if (task->partition != partition)
			continue;
		snprintf(key, sizeof(key), "%.*s/%s/%c", (int)strcspn(task->name, "/"), task->name, task->type, task->status);
		struct dict_item *item = dict_put(&counts, slice_of(key), &is_new);
		snprintf(digits, sizeof(digits), "%d", 1 + (is_new ? 0 : atoi(item->bytes)));
		dict_set(item, slice_of(digits));
	}
	snprintf(key, sizeof(key), "{p%lld}:c", (long long)partition);
	struct slice words[] = { SLICE("HGETALL"), slice_of(key) };
	const struct kv_reply *reply = redis_command(servers.redis[0], words, 2);
	for (size_t i = 0; i + 1 < reply->count; i += 2) {
		struct slice name = reply->items[i].text;
		int64_t said = slice_int(reply->items[i + 1].text, -1), expected = take_count(&counts, name);
		if (said != expected)
			world_violation("Redis counts %lld of %.*s, the log has %lld", (long long)said, (int)name.length,
			                name.bytes, (long long)expected);
	}
	at = 0;
	for (const struct dict_item *item; (item = dict_next(&counts, &at));)
		if (atoi(item->bytes) != 0)
			world_violation("Redis counts none of %s, the log has %s", item->key, item->bytes);
	dict_clear(&counts);
}

static struct slice field_of(int64_t partition, const char *hash, struct slice field) {
	char key[40];
	snprintf(key, sizeof(key), "{p%lld}:%s", (long long)partition, hash);
	struct slice words[] = { SLICE("HGET"), slice_of(key), field };
	return kv_text(redis_command(servers.redis[0], words, 3));
}

/* How the last try of each failed; not of those whose end alone is here, or their result. */
static void check_errors(int64_t partition) {
	int64_t failed = 0;
	size_t at = 0;
	for (const struct fold_task *task; (task = ledger_next(&at));) {
		struct text member = { 0 };
		if (task->partition != partition)
			continue;
		packed_add_member(&member, task->number);
		struct slice field = { member.bytes, member.length }, what = field_of(partition, "x", field);
		bool can_run = what.length > 0 && what.bytes[0] != '=';
		const char *expected = can_run ? task->error : "";
		char said[sizeof(task->error)];
		struct slice error = field_of(partition, "er", field);
		snprintf(said, sizeof(said), "%.*s", (int)error.length, error.length > 0 ? error.bytes : "");
		failed += said[0] != '\0';
		if (strcmp(said, expected) != 0)
			world_violation("Redis has \"%s\" as the last error of %s, the log \"%s\"", said, task->name, expected);
		text_release(&member);
	}
	if (redis_count("HLEN", partition, "er") != failed)
		world_violation("Redis has %lld errors, of %lld tasks", (long long)redis_count("HLEN", partition, "er"),
		                (long long)failed);
}

/* For who looks into a seed: all that Redis holds at the end. */
void ledger_show_redis(void) {
	struct text out = { 0 };
	if (!world.verbose)
		return;
	redis_dump(servers.redis[0], &out);
	printf("---- Redis at the end\n");
	for (size_t i = 0; i < out.length; i++)
		printf((unsigned char)out.bytes[i] < ' ' && out.bytes[i] != '\n' ? "\\%02x" : "%c",
		       (unsigned char)out.bytes[i]);
	text_release(&out);
}

void ledger_check_redis(void) {
	ledger_show_redis();
	size_t at = 0;
	for (struct fold_task *task; (task = ledger_next(&at)) && !world.failed;)
		check_task(task);
	for (int64_t p = 0; p < scenario_partitions(); p++)
		check_nothing_left(p);
	for (int64_t p = 0; p < scenario_partitions() && !world.failed; p++) {
		check_counts(p);
		check_errors(p);
	}
	ledger_audit();
}

/* ---- the stream of events ---- */

static int64_t member(struct slice body, const char *name) {
	const char *found = memmem(body.bytes, body.length, name, strlen(name));
	return found ? strtoll(found + strlen(name), NULL, 10) : -1;
}

static void text_member(struct slice body, const char *name, char *out, size_t room) {
	const char *found = memmem(body.bytes, body.length, name, strlen(name));
	size_t length = found ? strcspn(found + strlen(name), "\"") : 0;
	snprintf(out, room, "%.*s", (int)length, found ? found + strlen(name) : "");
}

bool ledger_events_are_behind(void) {
	const struct stream *stream = stream_named("CORDER_EVENTS");
	size_t at = 0;
	bool behind = false;
	for (struct fold_task *task; !behind && (task = ledger_next(&at));) {
		char event[400], version[40];
		int project = (int)strcspn(task->name, "/");
		snprintf(event, sizeof(event), "\"project\":\"%.*s\",\"task_id\":\"%s\"", project, task->name,
		         task->name + project + 1);
		snprintf(version, sizeof(version), "\"version\":%lld,", (long long)task->version);
		behind = true;
		for (size_t i = stream ? stream->count : 0; behind && i > 0; i--) {
			struct slice body = stream->messages[i - 1].body;
			behind = !memmem(body.bytes, body.length, event, strlen(event)) ||
			         !memmem(body.bytes, body.length, version, strlen(version));
		}
	}
	for (int64_t p = 0; p < scenario_partitions(); p++)
		behind = behind && ledger_hole(p) == 0;
	return behind;
}

/* Events may come twice, but for one task never before those in front of them. */
void ledger_check_events(void) {
	const struct stream *stream = stream_named("CORDER_EVENTS");
	struct dict seen = { 0 };
	/* What the log lost for good is in the database alone, and cannot be published from the log. */
	for (int64_t p = 0; p < scenario_partitions(); p++)
		if (ledger_hole(p) > 0)
			return;
	for (size_t i = 0; stream && i < stream->count && !world.failed; i++) {
		struct slice body = stream->messages[i].body;
		char project[80], task_id[140], name[256], digits[24];
		bool is_new;
		text_member(body, "\"project\":\"", project, sizeof(project));
		text_member(body, "\"task_id\":\"", task_id, sizeof(task_id));
		int64_t version = member(body, "\"version\":");
		snprintf(name, sizeof(name), "%s/%s", project, task_id);
		if (version < 0)
			continue;
		struct dict_item *item = dict_put(&seen, slice_of(name), &is_new);
		int64_t before = is_new ? 0 : atoll(item->bytes);
		if (version > before + 1)
			world_violation("the stream of events has version %lld of %s after %lld", (long long)version, name,
			                (long long)before);
		snprintf(digits, sizeof(digits), "%lld", (long long)(version > before ? version : before));
		dict_set(item, slice_of(digits));
	}
	size_t at = 0;
	for (struct fold_task *task; (task = ledger_next(&at)) && !world.failed;) {
		const struct dict_item *item = dict_get(&seen, slice_of(task->name));
		if (!item || atoll(item->bytes) != task->version)
			world_violation("the stream of events ends with version %s of %s, the log with %lld",
			                item ? item->bytes : "0", task->name, (long long)task->version);
	}
	dict_clear(&seen);
}
