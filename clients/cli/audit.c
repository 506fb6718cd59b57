/* Every task by its number: its state in Redis, its row, and the event that the row says it is of. Redis is read first, so it may
 * be ahead of the database as far as the database's position tells; anything else is a suspect, which is looked at again a few
 * times, for both move meanwhile. */
#include "audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../shared/base/memory.h"
#include "../../shared/bus/stream.h"
#include "../../shared/state/packed.h"
#include "../../shared/task/record.h"

enum { LOOKS = 8, LOOK_US = 500000 };

/* What is known of one number. */
struct sight {
	int64_t number;
	bool in_redis, in_database;
	int64_t redis_seq, redis_version, row_seq, row_version, event_version;
	char redis_status, row_status, event_status;
	char name[200];
};

struct page {
	struct audit *audit;
	struct sight sights[AUDIT_PAGE];
	size_t count;
	char cursor[24]; /* of Redis' scan */
	int64_t after;
};

static void suspect(struct audit *audit, const struct sight *sight, bool in_database, const char *what) {
	if (audit->count == audit->capacity) {
		audit->capacity = audit->capacity == 0 ? 64 : audit->capacity * 2;
		audit->suspects = memory_resize(audit->suspects, audit->capacity, sizeof *audit->suspects);
	}
	struct suspect *found = &audit->suspects[audit->count++];
	*found = (struct suspect){ .number = sight->number, .in_database = in_database };
	snprintf(found->what, sizeof found->what, "%s: %s", *sight->name != '\0' ? sight->name : "a task without a row",
	         what);
}

static void judge(struct audit *audit, const struct sight *sight) {
	char what[200];
	bool ended = sight->in_database && record_is_final(sight->row_status);
	if (!sight->in_redis && !sight->in_database)
		return;
	if (sight->in_database &&
	    (sight->event_status != sight->row_status || sight->event_version != sight->row_version)) {
		snprintf(what, sizeof what, "its row says %s, the event of the same number %s",
		         record_status_word(sight->row_status), record_status_word(sight->event_status));
		suspect(audit, sight, true, what);
	} else if (!sight->in_redis) {
		if (!ended)
			suspect(audit, sight, false, "it has not ended, and Redis does not have it");
	} else if (!sight->in_database || sight->redis_seq != sight->row_seq) {
		if (sight->redis_seq > audit->database_seq)
			return; /* on its way to the database */
		snprintf(what, sizeof what, "Redis is at event %" PRId64 ", the database at %" PRId64, sight->redis_seq,
		         sight->row_seq);
		suspect(audit, sight, false, what);
	} else if (sight->redis_status != sight->row_status || sight->redis_version != sight->row_version) {
		snprintf(what, sizeof what, "Redis says %s, version %" PRId64 ", the database %s, version %" PRId64,
		         record_status_word(sight->redis_status), sight->redis_version, record_status_word(sight->row_status),
		         sight->row_version);
		suspect(audit, sight, false, what);
	}
}

/* ---- looking ---- */

static void read_states(void *context, const struct kv_reply *reply) {
	struct page *page = context;
	for (size_t i = 0; i < page->count; i++) {
		struct sight *sight = &page->sights[i];
		struct packed packed;
		sight->in_redis = packed_read(kv_text(kv_at(reply, i)), &packed);
		if (!sight->in_redis)
			continue;
		sight->redis_seq = packed.seq;
		sight->redis_version = packed.version;
		sight->redis_status = packed.status;
		snprintf(sight->name, sizeof sight->name, "%.*s/%.*s", (int)packed.project.length, packed.project.bytes,
		         (int)packed.task_id.length, packed.task_id.bytes);
	}
}

static int look_at_redis(struct page *page) {
	static struct slice words[AUDIT_PAGE + 2];
	struct text members = { 0 };
	char key[24];
	snprintf(key, sizeof key, "{p%zu}:t", page->audit->partition);
	words[0] = SLICE("HMGET");
	words[1] = slice_of(key);
	for (size_t i = 0; i < page->count; i++)
		packed_add_member(&members, page->sights[i].number);
	for (size_t i = 0; i < page->count; i++)
		words[i + 2] = (struct slice){ members.bytes + i * PACKED_MEMBER_BYTES, PACKED_MEMBER_BYTES };
	int code = stores_redis(page->audit->stores, page->audit->partition, words, page->count + 2, read_states, page);
	text_release(&members);
	return code;
}

static struct sight *sight_of(struct page *page, int64_t number) {
	for (size_t i = 0; i < page->count; i++)
		if (page->sights[i].number == number)
			return &page->sights[i];
	return NULL;
}

static void read_rows(void *context, const struct db_result *result) {
	struct page *page = context;
	for (size_t row = 0; row < db_rows(result); row++) {
		struct sight *sight = sight_of(page, db_int(result, row, 0));
		if (sight == NULL)
			continue;
		struct slice project = db_value(result, row, 1), task_id = db_value(result, row, 2);
		sight->in_database = true;
		snprintf(sight->name, sizeof sight->name, "%.*s/%.*s", (int)project.length, project.bytes, (int)task_id.length,
		         task_id.bytes);
		sight->row_status = record_status_letter(db_value(result, row, 3));
		sight->row_version = db_int(result, row, 4);
		sight->row_seq = db_int(result, row, 5);
		sight->event_status = record_status_letter(db_value(result, row, 6));
		sight->event_version = db_int(result, row, 7);
	}
}

static void read_position(void *context, const struct db_result *result) {
	*(int64_t *)context = db_rows(result) > 0 ? db_int(result, 0, 0) : 0;
}

static int ask_position(struct audit *audit) {
	struct text sql = { 0 };
	text_printf(&sql, "SELECT seq FROM log_position WHERE partition_id=%zu", audit->partition);
	int code = stores_sql(audit->stores, &sql, read_position, &audit->database_seq);
	text_release(&sql);
	return code;
}

static int look_at_database(struct page *page) {
	struct text sql = { 0 };
	text_printf(
		&sql,
		"SELECT t.number,t.project,t.task_id,t.status,t.version,t.last_seq,e.status,e.version FROM tasks t LEFT "
		"JOIN task_events e ON e.partition_id=t.partition_id AND e.seq=t.last_seq WHERE t.partition_id=%zu AND "
		"t.number IN (",
		page->audit->partition);
	for (size_t i = 0; i < page->count; i++)
		text_printf(&sql, "%s%" PRId64, i > 0 ? "," : "", page->sights[i].number);
	text_add_char(&sql, ')');
	/* First how far it is: rows that come in between are newer, and so no suspects of this look. */
	int code = ask_position(page->audit);
	if (code == EXIT_DONE)
		code = stores_sql(page->audit->stores, &sql, read_rows, page);
	text_release(&sql);
	return code;
}

static int look(struct page *page) {
	if (page->count == 0)
		return EXIT_DONE;
	int code = look_at_redis(page);
	if (code == EXIT_DONE)
		code = look_at_database(page);
	for (size_t i = 0; code == EXIT_DONE && i < page->count; i++)
		judge(page->audit, &page->sights[i]);
	return code;
}

static void add_number(struct page *page, int64_t number) {
	if (page->count < AUDIT_PAGE)
		page->sights[page->count++] = (struct sight){ .number = number };
}

/* ---- all of them ---- */

static void read_live(void *context, const struct db_result *result) {
	struct page *page = context;
	for (size_t row = 0; row < db_rows(result); row++)
		add_number(page, db_int(result, row, 0));
	if (page->count > 0)
		page->after = page->sights[page->count - 1].number;
}

static int all_of_database(struct page *page) {
	int code;
	do {
		struct text sql = { 0 };
		page->count = 0;
		text_printf(&sql,
		            "SELECT number FROM tasks WHERE partition_id=%zu AND number>%" PRId64
		            " AND status IN ('blocked','pending','running','retry') ORDER BY number LIMIT %d",
		            page->audit->partition, page->after, AUDIT_PAGE);
		code = stores_sql(page->audit->stores, &sql, read_live, page);
		text_release(&sql);
		page->audit->tasks += (int64_t)page->count;
		if (code == EXIT_DONE)
			code = look(page);
	} while (code == EXIT_DONE && page->count > 0);
	return code;
}

static void read_scan(void *context, const struct kv_reply *reply) {
	struct page *page = context;
	const struct kv_reply *pairs = kv_at(reply, 1);
	struct slice cursor = kv_text(kv_at(reply, 0));
	snprintf(page->cursor, sizeof page->cursor, "%.*s", (int)cursor.length, cursor.bytes);
	for (size_t i = 0; i < kv_count(pairs); i += 2)
		if (kv_text(kv_at(pairs, i)).length == PACKED_MEMBER_BYTES)
			add_number(page, packed_member(kv_text(kv_at(pairs, i)).bytes));
}

static int all_of_redis(struct page *page) {
	char key[24];
	int code;
	snprintf(key, sizeof key, "{p%zu}:t", page->audit->partition);
	snprintf(page->cursor, sizeof page->cursor, "0");
	do {
		struct slice words[] = { SLICE("HSCAN"), slice_of(key), slice_of(page->cursor), SLICE("COUNT"), SLICE("100") };
		page->count = 0;
		code = stores_redis(page->audit->stores, page->audit->partition, words, COUNT(words), read_scan, page);
		if (code == EXIT_DONE)
			code = look(page);
	} while (code == EXIT_DONE && strcmp(page->cursor, "0") != 0);
	return code;
}

/* What still looks wrong. */
static int look_again(struct page *page) {
	struct audit *audit = page->audit;
	int code = EXIT_DONE;
	struct suspect *before = audit->suspects;
	size_t count = audit->count;
	audit->suspects = NULL;
	audit->count = audit->capacity = 0;
	for (size_t i = 0; i < count && code == EXIT_DONE;) {
		page->count = 0;
		for (; i < count && page->count < AUDIT_PAGE; i++)
			if (sight_of(page, before[i].number) == NULL)
				add_number(page, before[i].number);
		code = look(page);
	}
	free(before);
	return code;
}

/* ---- positions ---- */

struct log_end {
	bool done;
	int64_t seq;
};

static void on_last_block(void *context, enum status status, uint64_t sequence, struct slice body) {
	struct log_end *log_end = context;
	struct record_entry entry;
	(void)sequence;
	log_end->done = true;
	log_end->seq = status == STATUS_OK && record_last_entry(body, &entry) ? entry.last_seq : 0;
}

static void ask_log(struct audit *audit) {
	struct cli *cli = audit->stores->cli;
	struct log_end log_end = { 0 };
	char stream[160], relative[48];
	size_t length = (size_t)snprintf(stream, sizeof stream, "%s_LOG_%zu", cli->prefix, audit->partition);
	for (size_t i = 0; i < length; i++)
		if (stream[i] >= 'a' && stream[i] <= 'z')
			stream[i] = (char)(stream[i] - 'a' + 'A');
	snprintf(relative, sizeof relative, "internal.log.%zu", audit->partition);
	char *subject = client_subject(cli, relative);
	stream_get_last(cli->bus, stream, subject, on_last_block, &log_end);
	while (!log_end.done)
		client_turn(cli, 100000);
	free(subject);
	audit->log_seq = log_end.seq;
}

static void read_seq(void *context, const struct kv_reply *reply) {
	*(int64_t *)context = kv_int(reply);
}

static int compare_positions(struct audit *audit) {
	char key[24];
	snprintf(key, sizeof key, "{p%zu}:m", audit->partition);
	struct slice words[] = { SLICE("HGET"), slice_of(key), SLICE("seq") };
	int code = ask_position(audit);
	ask_log(audit);
	if (code == EXIT_DONE)
		code = stores_redis(audit->stores, audit->partition, words, COUNT(words), read_seq, &audit->redis_seq);
	/* Asked in this order, each may only be at or beyond the one before; an emptied log is refilled, or was never written. */
	if (audit->database_seq > audit->log_seq && audit->log_seq > 0)
		snprintf(audit->positions, sizeof audit->positions,
		         "the database is ahead of the log: one of them was put back from another day");
	else if (audit->redis_seq < audit->log_seq)
		snprintf(audit->positions, sizeof audit->positions, "Redis is behind the log");
	else
		audit->positions[0] = '\0';
	return code;
}

int audit_partition(struct audit *audit, struct stores *stores, size_t partition) {
	*audit = (struct audit){ .stores = stores, .partition = partition };
	struct page *page = memory_new(sizeof *page);
	page->audit = audit;
	int code = compare_positions(audit);
	if (code == EXIT_DONE)
		code = all_of_database(page);
	if (code == EXIT_DONE)
		code = all_of_redis(page);
	for (int i = 0; code == EXIT_DONE && i < LOOKS && (audit->count > 0 || audit->positions[0] != '\0'); i++) {
		if (!stores_pause(stores, LOOK_US))
			code = EXIT_INTERRUPTED;
		if (code == EXIT_DONE)
			code = look_again(page);
		if (code == EXIT_DONE)
			code = compare_positions(audit);
	}
	free(page);
	return code;
}

void audit_release(struct audit *audit) {
	free(audit->suspects);
	*audit = (struct audit){ 0 };
}
