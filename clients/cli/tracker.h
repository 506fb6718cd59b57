/* Follows the tasks of a project or a batch: what each one's status is, from events as they come and from the list
 * where they may have been missed (at the start, after a lost connection). */
#ifndef CORDER_CLI_TRACKER_H
#define CORDER_CLI_TRACKER_H

#include "client.h"

enum tracked {
	TRACKED_BLOCKED,
	TRACKED_PENDING,
	TRACKED_RUNNING,
	TRACKED_RETRY,
	TRACKED_COMPLETED,
	TRACKED_FAILED,
	TRACKED_CANCELLED,
	TRACKED_SKIPPED,
	TRACKED_STATUSES
};

extern const char *const tracked_words[TRACKED_STATUSES];

struct tracked_task {
	char *task_id, *task_type, *worker, *progress; /* owned; worker and progress may be NULL */
	enum tracked status;
	int64_t version, attempt, since_us;
	size_t load;                       /* the last that named it */
	bool apart;                        /* of another batch: the list of the tracker's does not name it */
	struct tracked_task *next_running; /* for the caller's lists */
};

struct tracker;

/* Called for each change that an event told, in order; task is NULL for a rejected submission. */
typedef void tracker_changed(void *context, const struct tracked_task *task, struct json_value event);

/* batch_id may be NULL: the whole project. Subscribes at once, so that nothing after this call is missed. */
int tracker_open(struct cli *cli, const char *project, const char *batch_id, tracker_changed *changed, void *context,
                 struct tracker **tracker);
void tracker_close(struct tracker **tracker);
/* Reads the list, page by page, and takes what is newer than what is known. An exit code. */
int tracker_load(struct tracker *tracker);
/* A task that is waited for, whatever its batch: one that was there before has kept the batch that it came with. */
void tracker_expect(struct tracker *tracker, struct slice task_id);
bool tracker_misses(struct tracker *tracker); /* one of them is not known yet */
/* Looks up those that the batch's list does not name; not yet there is no error. An exit code. */
int tracker_look_up(struct tracker *tracker);
/* Adds a task that a submit's reply named: known from now on. */
void tracker_add(struct tracker *tracker, struct slice task_id, struct slice status, bool apart);
/* Runs the loop for up to wait_us; loads again after a lost connection, and when all has been quiet for long. An exit
 * code: EXIT_DONE, or EXIT_INTERRUPTED. */
int tracker_turn(struct tracker *tracker, int64_t wait_us);

/* Call when nothing seems open any more. The list is read from MySQL, which follows the events: reads it until it holds
 * the last event seen (or, without any, until it stays the same), so that no task of the batch is missing. An exit code. */
int tracker_complete(struct tracker *tracker);

const size_t *tracker_counts(const struct tracker *tracker); /* indexed by enum tracked */
size_t tracker_total(const struct tracker *tracker);
size_t tracker_open_count(const struct tracker *tracker); /* not ended yet */
bool tracker_rejected(const struct tracker *tracker);     /* the batch was refused (enqueue) */
bool tracker_next(const struct tracker *tracker, size_t *at, struct tracked_task **task);

#endif
