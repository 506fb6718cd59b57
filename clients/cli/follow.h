/* Waits until everything a tracker follows has ended, with a progress bar on a terminal. */
#ifndef CORDER_CLI_FOLLOW_H
#define CORDER_CLI_FOLLOW_H

#include "tracker.h"

/* "12 completed  1 failed  3 running"; statuses without tasks are left out. */
void follow_add_counts(const struct term *term, struct text *out, const size_t *counts);
/* A bar of all tasks: completed, failed and the other ends, running. */
void follow_add_bar(const struct term *term, struct text *out, const size_t *counts, size_t width);
/* EXIT_DONE when all completed, EXIT_FAILED when not; EXIT_INTERRUPTED. All that is expected must be known. */
int follow_until_done(struct cli *cli, struct tracker *tracker);
void follow_print_result(struct cli *cli, const struct tracker *tracker, const char *project, const char *batch_id);

#endif
