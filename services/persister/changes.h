/* What a run of events does to the rows: the fold (record.c) and its form as SQL (write.c). Pure; everything borrows the
 * bytes of the blocks, which must stay until the SQL is written. */
#ifndef CORDER_PERSISTER_CHANGES_H
#define CORDER_PERSISTER_CHANGES_H

#include "shared/task/record.h"

/* One row of task_events. event_id is <entry id>-<place in the entry>. */
struct event_change {
	struct record record;
	struct slice entry_id;
	int64_t place;
};

/* One row of tasks: as of its last event here. */
struct task_change {
	int64_t number;
	size_t first;           /* index of its first event ever, when that is here: the task is new; else NO_EVENT */
	size_t last;            /* index of its last event here */
	size_t attempt;         /* index of its last attempt here, or NO_EVENT */
	int64_t started_at_us;  /* 0: no try began here */
	int64_t lease_until_us; /* 0: not told here */
	struct slice worker;    /* bytes NULL: not told here */
	struct slice error_code, error_message; /* bytes NULL: no error here */
	signed char cancel_requested;           /* 1, 0, or -1: not told here */
};

/* One row of task_attempts. */
struct attempt_change {
	int64_t number, attempt;
	struct slice worker;
	int64_t started_at_us;  /* 0: it began before */
	int64_t finished_at_us; /* 0: it runs */
	const char *outcome;    /* NULL while it runs */
	struct slice error_code, error_message;
};

/* An event that cannot be written. */
struct poison_change {
	int64_t seq;
	struct slice entry_id;
	int64_t place;
	struct slice raw;
	const char *reason; /* borrowed */
};

#define NO_EVENT SIZE_MAX

struct changes {
	int64_t partition_id;
	struct event_change *events;
	size_t event_count, event_capacity;
	struct task_change *tasks; /* in order of their first event here */
	size_t task_count, task_capacity, new_count;
	struct attempt_change *attempts;
	size_t attempt_count, attempt_capacity;
	struct poison_change *poisons;
	size_t poison_count, poison_capacity;
	uint32_t *places; /* hash by number: index into tasks, plus one */
	size_t place_count;
	uint64_t bytes; /* of the records */
};

/* Whether a record is one that the tables know, and the one that has this seq. */
bool changes_takes(const struct record *record, int64_t seq);
void changes_clear(struct changes *changes, int64_t partition_id);
void changes_release(struct changes *changes);
/* Events come in the order of their seq. place counts from 0 within the entry. */
void changes_add(struct changes *changes, const struct record *record, struct slice entry_id, int64_t place);
void changes_add_poison(struct changes *changes, const struct poison_change *poison);
/* Sorts tasks and attempts by their keys: rows are written in key order, which is what InnoDB likes, and which makes two
 * writers lock in the same order. Nothing may be added afterwards. */
void changes_sort(struct changes *changes);

/* The place in the log that the rows stand for. */
struct position {
	int64_t seq;
	char entry_id[72];
	uint64_t stream_seq;
};

enum chain { CHAIN_NEXT, CHAIN_OLD, CHAIN_GAP, CHAIN_OTHER };
/* How an entry stands to a position: it is the next, it is known already (or only says where the log goes on), events are
 * missing before it, or it belongs to another history. */
enum chain chain_check(const struct position *position, const struct record_entry *entry);

/* The tables that get many rows: one statement each, in this order. */
enum sheet { SHEET_EVENTS, SHEET_NEW_TASKS, SHEET_KNOWN_TASKS, SHEET_DEPENDENCIES, SHEET_ATTEMPTS, SHEET_COUNT };

struct rows;
void write_sheet(struct rows *rows, enum sheet sheet, const struct changes *changes);
/* The same statement for one row of question marks. */
void write_bulk_statement(struct text *sql, enum sheet sheet);
/* Appends the statements for what is in no sheet. */
void write_others(struct text *sql, const struct changes *changes);
/* Appends all statements between BEGIN and COMMIT, without both. */
void write_rows(struct text *sql, const struct changes *changes);
/* Appends the statements for an event that comes late: `changes` are that event and then, in order, what the tables have of
 * the later ones about the same. The state stays that of the last one; what only the late one tells is filled in. */
void write_late(struct text *sql, const struct changes *changes);
/* Appends the compare-and-set of the position: fails with error 1242 (a subquery of two rows) when `from` is not what the
 * database has, which ends a packet of several statements before the rows. */
void write_position(struct text *sql, int64_t partition_id, const struct position *from, const struct position *to,
                    int64_t now_us);

#endif
