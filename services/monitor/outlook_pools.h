/* Who takes which tasks: types that some worker takes both of share their workers, which makes pools; and what the other
 * projects want of them. */
#ifndef CORDER_MONITOR_OUTLOOK_POOLS_H
#define CORDER_MONITOR_OUTLOOK_POOLS_H

#include "monitor.h"
#include "outlook_load.h"

struct outlook_pools;

struct outlook_pools *outlook_pools_open(struct monitor *monitor);
void outlook_pools_close(struct outlook_pools **pools);
size_t outlook_pools_find(const struct outlook_pools *pools, struct slice task_type); /* OUTLOOK_NONE: no worker */
/* The caller frees the list. */
struct outlook_pool *outlook_pools_take(const struct outlook_pools *pools, size_t *count, size_t *slots,
                                        size_t *workers);
bool outlook_pools_paused(const struct monitor *monitor, struct slice project, struct slice task_type);

/* Tasks of other projects that run or are ready, without their durations. */
struct outlook_others {
	struct outlook_task *tasks;
	struct slice *types; /* of each */
	size_t count, capacity;
};
struct outlook_others *outlook_others_open(const struct outlook_view *view, struct monitor *monitor,
                                           const struct outlook_pools *pools, struct slice project);
void outlook_others_close(struct outlook_others **others);

#endif
