/* The terms that an order other than the score's own gives to the tasks of a batch; see plan_rank in plan.h. */
#include <stdlib.h>

#include "estimate.h"
#include "plan.h"
#include "shared/base/memory.h"
#include "shared/task/task.h"

enum { HUNDREDTHS = 100 };

static void read_durations(const struct plan *plan, int64_t *takes_us) {
	struct estimates *estimates = estimates_open();
	struct task_record record;
	for (uint32_t i = 0; i < plan->count; i++) {
		must(task_record_parse(plan->tasks[i].record, &record));
		takes_us[i] = estimate_us(record.specification.estimated_duration);
		if (takes_us[i] >= 0)
			estimates_add(estimates, record.task_type, takes_us[i]);
	}
	for (uint32_t i = 0; i < plan->count; i++) {
		if (takes_us[i] >= 0)
			continue;
		must(task_record_parse(plan->tasks[i].record, &record));
		takes_us[i] = estimates_missing(estimates, record.task_type);
	}
	estimates_close(&estimates);
}

/* Against the plan's order, so that all that waits for a task is known by then: path_us holds the longest way that begins
 * behind it, and from then on the one that begins with it. Returns the longest of all. */
static int64_t find_paths(const struct plan *plan, const int64_t *takes_us, int64_t *path_us) {
	int64_t longest_us = 0;
	for (uint32_t place = plan->count; place-- > 0;) {
		uint32_t task = plan->order[place];
		struct slice rest = plan->tasks[task].dependencies;
		struct record_dependency edge;
		path_us[task] += takes_us[task];
		if (path_us[task] > longest_us)
			longest_us = path_us[task];
		while (record_next_dependency(&rest, &edge)) {
			uint32_t dependency = ids_find(&plan->ids, edge.task_id);
			if (dependency != IDS_NONE && path_us[dependency] < path_us[task])
				path_us[dependency] = path_us[task];
		}
	}
	return longest_us;
}

void plan_rank(struct plan *plan, int64_t weight) {
	size_t room = (size_t)plan->count + 1;
	free(plan->points);
	plan->points = memory_array(room, sizeof(*plan->points));
	plan->record_bytes += (size_t)plan->count * PLAN_POINTS_BYTES;
	if (weight == 0)
		return;
	int64_t *takes_us = memory_array(room, sizeof(*takes_us)), *path_us = memory_array(room, sizeof(*path_us));
	read_durations(plan, takes_us);
	double longest_us = (double)find_paths(plan, takes_us, path_us);
	for (uint32_t i = 0; i < plan->count && longest_us > 0; i++)
		plan->points[i] = (int16_t)((double)(weight * HUNDREDTHS) * (double)path_us[i] / longest_us + 0.5);
	free(takes_us);
	free(path_us);
}
