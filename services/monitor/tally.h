/* How many tasks there are, by project, type and status, at one moment; and the reply to `status` made of it. Pure. */
#ifndef CORDER_MONITOR_TALLY_H
#define CORDER_MONITOR_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "health.h"
#include "window.h"

enum tally_status {
	TALLY_BLOCKED,
	TALLY_PENDING,
	TALLY_RUNNING,
	TALLY_RETRY,
	TALLY_COMPLETED,
	TALLY_FAILED,
	TALLY_CANCELLED,
	TALLY_SKIPPED,
	TALLY_STATUSES,
};

struct tally_counts {
	int64_t of[TALLY_STATUSES];
};

struct tally_row {
	struct slice project, task_type; /* owned by the tally */
	struct tally_counts counts;
};

struct tally_pause {
	struct slice project, task_type; /* owned by the tally; empty: any */
};

/* When the longest waiting ready task of a type became ready, over all projects. */
struct tally_oldest {
	struct slice task_type; /* owned by the tally */
	int64_t since_us;
};

struct tally {
	int64_t at_us;
	struct tally_row *rows;
	size_t row_count, row_capacity;
	struct tally_pause *pauses;
	size_t pause_count, pause_capacity;
	struct tally_oldest *oldest;
	size_t oldest_count, oldest_capacity;
};

/* The index of a status letter, TALLY_STATUSES for a letter that is none. */
enum tally_status tally_status_of(char letter);

/* Rows come with repeats (a project and type in several partitions would); equal neighbours and strangers are summed by
 * the readers below. Copies the slices. */
void tally_add(struct tally *tally, struct slice project, struct slice task_type, char status, int64_t count);
void tally_add_pause(struct tally *tally, struct slice project, struct slice task_type);
void tally_note_oldest(struct tally *tally, struct slice task_type, int64_t since_us);
void tally_clear(struct tally *tally);
void tally_release(struct tally *tally);

/* An empty project or type means all. */
struct tally_counts tally_sum(const struct tally *tally, struct slice project, struct slice task_type);
int64_t tally_type_count(const struct tally *tally, struct slice task_type, enum tally_status status);
bool tally_paused(const struct tally *tally, struct slice project, struct slice task_type);

/* One type's sums over the projects asked for; made by tally_types, in order of names; free() the list. */
struct tally_type {
	struct slice task_type; /* borrowed from the tally */
	struct tally_counts counts;
};
size_t tally_types(const struct tally *tally, struct slice project, struct tally_type **types);

struct tally_view {
	struct slice project, task_type; /* empty: all */
	int64_t now_us;
	int64_t window_s; /* as asked for */
	int64_t known_s;  /* so much of it is known, see window_sum */
	struct window_counts window;
	const struct tally *tally;
	const struct health_facts *facts;
	const struct health_limits *limits;
};
/* Appends the whole reply of `status`. */
void tally_add_json(struct text *out, const struct tally_view *view);

/* tasks completed a second; mean seconds from ready to started, -1 when none was started */
double tally_throughput(const struct window_counts *window, int64_t window_s);
double tally_average_wait_s(const struct window_counts *window);

#endif
