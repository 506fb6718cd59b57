/* Who works on what: the tasks that run and the workers that were seen, from the log's events and, for what ran before this
 * process started or was missed, from Redis. Pure; in memory; bounded. */
#ifndef CORDER_MONITOR_WORKERS_H
#define CORDER_MONITOR_WORKERS_H

#include "shared/task/record.h"

#define WORKERS_TASKS 50000 /* running tasks that are remembered */
#define WORKERS_MAX 5000    /* workers; the one not seen for longest makes room */
#define WORKERS_TYPES 64    /* of one worker */
#define WORKERS_SEEN_S 900  /* who was not seen for so long, and runs nothing, is forgotten */

struct workers;

struct workers_task {
	size_t partition;
	int64_t number, attempt, started_at_us;
	char *project, *task_id, *task_type;
	struct worker *worker;
	struct workers_task *next, *previous; /* of the same worker */
};

struct worker {
	char *name;
	char *types[WORKERS_TYPES]; /* that it was given */
	size_t type_count;
	struct workers_task *tasks; /* it runs these, newest first */
	size_t running, most_running;
	uint64_t completed, failed;
	int64_t last_at_us;
};

struct workers *workers_open(void);
void workers_close(struct workers **workers);

/* Takes note of an event. For one that ends a try: returns how long it ran, -1 where that is not known. */
int64_t workers_note(struct workers *workers, size_t partition, const struct record *record);
/* A try that ended before this process started. Counts for workers that are known, or were seen lately. */
void workers_recall(struct workers *workers, struct slice worker, struct slice task_type, char status, int64_t at_us,
                    int64_t now_us);
/* A task that runs, as Redis tells it; does nothing when it is known, or has ended meanwhile. */
struct workers_seen {
	size_t partition;
	int64_t number, attempt, started_at_us;
	struct slice project, task_id, task_type, worker;
};
void workers_see(struct workers *workers, const struct workers_seen *seen);
void workers_all_seen(struct workers *workers); /* no more of workers_see */
/* Events were missed: nobody knows what still runs. Forgets all tasks, as if this process had just started: who works keeps
 * what he ended, and workers_see tells again what runs, until workers_all_seen. */
void workers_forget_tasks(struct workers *workers);

/* Those who run something or were seen lately, those with most to do first; free() the list. Forgets the others. */
size_t workers_list(struct workers *workers, int64_t now_us, struct worker ***list);
size_t workers_running(const struct workers *workers);
/* How many tasks of a type ran when workers_mark was called last: when the dispatchers told how many requests wait. */
void workers_mark(struct workers *workers);
size_t workers_marked(const struct workers *workers, struct slice task_type);
/* The task that runs under this number, NULL when none does. */
const struct workers_task *workers_find(const struct workers *workers, size_t partition, int64_t number);

#endif
