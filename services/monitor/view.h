/* A task as people see it, whether it was read from Redis or from MySQL, and its JSON. Pure; borrows all its texts. */
#ifndef CORDER_MONITOR_VIEW_H
#define CORDER_MONITOR_VIEW_H

#include <stdbool.h>

#include "shared/task/record.h"

struct view {
	struct slice project, task_id, task_type, batch_id;
	char status;        /* a letter of enum record_status */
	struct slice waits; /* letters, see struct record */
	int64_t number, version, attempt, priority, retry_count;
	int64_t degree; /* how many dependencies it has */
	int64_t created_at_us, updated_at_us, ready_at_us, due_at_us, started_at_us, finished_at_us, lease_until_us;
	struct slice worker, because;
	struct slice error_code, error_message;
	bool message_is_plain; /* else error_message is the body of a JSON string, without its quotes, as records hold it */
	struct slice result;   /* JSON; empty: null */
	bool cancel_requested;
	struct specification specification;
};

/* An edge from this task's side or from the other's. status 0: no such task. */
struct view_edge {
	struct slice task_id;
	char condition;
	bool future;
	char status;
};

struct view_attempt {
	int64_t attempt, started_at_us, finished_at_us;
	struct slice worker, outcome; /* outcome empty: it runs */
	struct slice error_code, error_message;
	bool message_is_plain; /* as in struct view */
};

/* Members without braces: all that a list shows, and what only `task.get` shows beside it. */
void view_add_core(struct text *out, const struct view *view);
void view_add_payload(struct text *out, const struct view *view); /* begins with a comma */
/* A list item: the core in braces. */
void view_add_item(struct text *out, const struct view *view);

void view_add_dependency(struct text *out, const struct view_edge *edge, bool with_status);
void view_add_dependent(struct text *out, const struct view_edge *edge);
void view_add_attempt(struct text *out, const struct view_attempt *attempt);

/* "null", or an error object. */
void view_add_error(struct text *out, struct slice code, struct slice message, bool message_is_plain);
/* `,"name":` and a JSON string, null when empty. */
void view_add_optional(struct text *out, const char *name, struct slice value);
void view_add_time(struct text *out, const char *name, int64_t at_us);
/* A length of time as people read it: "2.5 s", "1m 05s", "3h 20m", "1d 16h". */
void view_add_length(struct text *out, int64_t length_us);
/* The letters of "dependency,time" and so on. */
void view_waits_letters(struct text *out, struct slice words);
int64_t view_dependency_count(struct slice dependencies);

#endif
