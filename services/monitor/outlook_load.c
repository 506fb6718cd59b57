/* Rows, edges, durations, pools; see outlook_load.h. */
#include "outlook_load.h"

#include <stdlib.h>
#include <string.h>

#include "outlook_pools.h"
#include "pulse.h"
#include "score.h"
#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/base/table.h"

#define AT(column) "TIMESTAMPDIFF(MICROSECOND,'1970-01-01'," column ")"

const char outlook_columns[] =
	"t.number,t.task_id,t.task_type,t.worker,t.because,t.service_name,t.batch_id,t.dependencies,t.status,t.priority,"
	"t.version,t.attempt,t.retry_count," AT("t.created_at") "," AT("t.ready_at") "," AT("t.started_at") "," AT(
		"t.finished_at") "," AT("COALESCE(t.due_at,t.not_before)") ",t.waits_for,t.estimated_duration,"
																   "t.concurrency_key,t.concurrency_limit,t.flags";

enum column {
	NUMBER,
	TASK_ID,
	TASK_TYPE,
	WORKER,
	BECAUSE,
	SERVICE_NAME,
	BATCH_ID,
	DEPENDENCIES,
	STATUS,
	PRIORITY,
	VERSION,
	ATTEMPT,
	RETRY_COUNT,
	CREATED_AT,
	READY_AT,
	STARTED_AT,
	FINISHED_AT,
	DUE_AT,
	WAITS,
	ESTIMATED,
	KEY,
	KEY_LIMIT,
	FLAGS,
};

static struct outlook_row read_row(const struct db_result *result, size_t row) {
	return (struct outlook_row){
		.number = db_int(result, row, NUMBER),
		.task_id = db_value(result, row, TASK_ID),
		.task_type = db_value(result, row, TASK_TYPE),
		.worker = db_value(result, row, WORKER),
		.because = db_value(result, row, BECAUSE),
		.service_name = db_value(result, row, SERVICE_NAME),
		.batch_id = db_value(result, row, BATCH_ID),
		.dependencies = db_value(result, row, DEPENDENCIES),
		.status = record_status_letter(db_value(result, row, STATUS)),
		.priority = db_int(result, row, PRIORITY),
		.version = db_int(result, row, VERSION),
		.attempt = db_int(result, row, ATTEMPT),
		.retry_count = db_int(result, row, RETRY_COUNT),
		.created_at_us = db_int(result, row, CREATED_AT),
		.ready_at_us = db_int(result, row, READY_AT),
		.started_at_us = db_int(result, row, STARTED_AT),
		.finished_at_us = db_int(result, row, FINISHED_AT),
		.due_at_us = db_int(result, row, DUE_AT),
		.waits = db_value(result, row, WAITS),
		.estimated_s = db_value(result, row, ESTIMATED),
		.key = db_value(result, row, KEY),
		.key_limit = db_int(result, row, KEY_LIMIT),
		.flags = db_value(result, row, FLAGS),
	};
}

/* ------------------------------------------------------------------------------------------------ edges */

static void add_edge(struct outlook_view *view, size_t *capacity, size_t from, size_t to, char condition) {
	if (view->edge_count == *capacity) {
		*capacity = *capacity > 0 ? *capacity * 2 : 256;
		view->edges = memory_resize(view->edges, *capacity, sizeof(*view->edges));
		view->conditions = memory_resize(view->conditions, *capacity, 1);
	}
	view->edges[view->edge_count] = (struct outlook_edge){ from, to };
	view->conditions[view->edge_count++] = condition;
}

static void load_edges(struct outlook_view *view) {
	struct table *by_id = table_open();
	size_t capacity = 0;
	for (size_t i = 0; i < view->row_count; i++)
		table_put(by_id, view->rows[i].task_id, &view->rows[i]);
	for (size_t i = 0; i < view->row_count; i++) {
		struct slice rest = view->rows[i].dependencies;
		struct record_dependency dependency;
		while (record_next_dependency(&rest, &dependency)) {
			const struct outlook_row *from = table_get(by_id, dependency.task_id);
			if (from != NULL)
				add_edge(view, &capacity, (size_t)(from - view->rows), i, dependency.condition);
			else
				view->outside_edges++;
		}
	}
	table_close(&by_id);
}

/* ------------------------------------------------------------------------------------------------ tasks */

static bool waits_for(const struct outlook_row *row, const char *word) {
	struct slice rest = row->waits;
	while (row->status == RECORD_BLOCKED && rest.bytes != NULL && rest.length > 0)
		if (slice_is(slice_cut(&rest, ','), word))
			return true;
	return false;
}

enum source { DECLARED, MEASURED, GUESSED };

struct duration {
	int64_t us;
	enum source source;
};

/* A guess where nothing was measured: the mean of all types, a second if there is none. */
static struct duration measure(const struct monitor *monitor, struct slice task_type) {
	struct pulse_sum sum;
	int64_t now_us = clock_wall_us();
	pulse_read(monitor->pulse, PULSE_TYPE, task_type, 0, now_us, 3600, &sum);
	if (sum.run.count == 0)
		pulse_read(monitor->pulse, PULSE_TYPE, task_type, 0, now_us, PULSE_SECONDS_MAX, &sum);
	if (sum.run.count > 0)
		return (struct duration){ (int64_t)(sum.run.sum_us / sum.run.count), MEASURED };
	pulse_read(monitor->pulse, PULSE_ALL, SLICE(""), 0, now_us, PULSE_SECONDS_MAX, &sum);
	return (struct duration){ sum.run.count > 0 ? (int64_t)(sum.run.sum_us / sum.run.count) : 1000000, GUESSED };
}

/* Of a type, measured once. */
static const struct duration *duration_of(struct outlook_view *view, const struct monitor *monitor,
                                          struct slice task_type) {
	struct duration *known = table_get(view->durations, task_type);
	if (known == NULL) {
		known = memory_new(sizeof(*known));
		*known = measure(monitor, task_type);
		table_put(view->durations, task_type, known);
	}
	return known;
}

static void forget_durations(struct outlook_view *view) {
	size_t at = 0;
	struct slice type;
	void *duration;
	while (table_next(view->durations, &at, &type, &duration))
		free(duration);
	table_close(&view->durations);
}

static struct duration expect(struct outlook_view *view, const struct monitor *monitor, const struct outlook_row *row) {
	char number[64] = "";
	if (row->estimated_s.length == 0 || row->estimated_s.length >= sizeof(number))
		return *duration_of(view, monitor, row->task_type);
	memcpy(number, row->estimated_s.bytes, row->estimated_s.length);
	return (struct duration){ (int64_t)(strtod(number, NULL) * 1e6), DECLARED };
}

/* As shared/state orders the ready ones. */
static double rank_of(const struct monitor *monitor, const struct outlook_row *row, size_t dependencies) {
	double us_per_point = 3600e6 / (double)monitor->settings->age_weight;
	struct slice order = specification_order(&(struct specification){ .flags = row->flags });
	double term = score_order_term(order, (int64_t)dependencies);
	double retries = row->retry_count < 5 ? (double)(5 - row->retry_count) : 0;
	double ready_us = (double)(row->ready_at_us > 0 ? row->ready_at_us : clock_wall_us());
	return ready_us - ((double)row->priority * 100 + term + retries) * us_per_point;
}

static size_t count_dependencies(const struct outlook_row *row) {
	struct slice rest = row->dependencies;
	struct record_dependency dependency;
	size_t count = 0;
	while (record_next_dependency(&rest, &dependency))
		count++;
	return count;
}

/* Blocked by something that none of the open tasks will bring about. */
static bool is_stuck(const struct outlook_view *view, const size_t *open_dependencies, size_t i) {
	const struct outlook_row *row = &view->rows[i];
	return waits_for(row, "approval") || (waits_for(row, "dependency") && open_dependencies[i] == 0);
}

static size_t key_of(struct outlook_view *view, struct table *keys, const struct outlook_row *row) {
	if (row->key.length == 0)
		return OUTLOOK_NONE;
	struct outlook_key *key = table_get(keys, row->key);
	if (key == NULL) {
		key = &view->keys[view->outlook.key_count++];
		key->limit = row->key_limit > 0 ? (size_t)row->key_limit : 1;
		table_put(keys, row->key, key);
	}
	return (size_t)(key - view->keys);
}

static size_t *count_open_dependencies(const struct outlook_view *view) {
	size_t *counts = memory_array(view->row_count + 1, sizeof(*counts));
	for (size_t i = 0; i < view->edge_count; i++)
		if (!record_is_final(view->rows[view->edges[i].from].status))
			counts[view->edges[i].to]++;
	return counts;
}

static void load_task(struct outlook_view *view, struct monitor *monitor, const struct outlook_pools *pools,
                      struct slice project, size_t i) {
	const struct outlook_row *row = &view->rows[i];
	struct outlook_task *task = &view->outlook.tasks[i];
	*task = (struct outlook_task){
		.status = row->status,
		.pool = outlook_pools_find(pools, row->task_type),
		.key = OUTLOOK_NONE,
		.not_before_us = row->status == RECORD_RETRY || waits_for(row, "time") ? row->due_at_us : 0,
		.started_at_us = row->started_at_us,
		.finished_at_us = row->finished_at_us,
		.held = outlook_pools_paused(monitor, project, row->task_type),
	};
	if (record_is_final(row->status))
		return;
	struct duration duration = expect(view, monitor, row);
	task->duration_us = duration.us;
	task->rank = rank_of(monitor, row, count_dependencies(row));
	view->declared += duration.source == DECLARED;
	view->measured += duration.source == MEASURED;
	view->guessed += duration.source == GUESSED;
}

static void load_tasks(struct outlook_view *view, struct monitor *monitor, const struct outlook_pools *pools,
                       struct slice project) {
	struct table *keys = table_open();
	size_t *open_dependencies = count_open_dependencies(view);
	view->keys = memory_array(view->row_count + 1, sizeof(*view->keys));
	for (size_t i = 0; i < view->row_count; i++) {
		load_task(view, monitor, pools, project, i);
		if (record_is_final(view->rows[i].status))
			continue;
		view->outlook.tasks[i].key = key_of(view, keys, &view->rows[i]);
		view->outlook.tasks[i].held = view->outlook.tasks[i].held || is_stuck(view, open_dependencies, i);
	}
	free(open_dependencies);
	table_close(&keys);
}

void outlook_load(struct outlook_view *view, struct monitor *monitor, struct slice project,
                  const struct db_result *result, size_t most) {
	*view = (struct outlook_view){ .row_count = db_rows(result) < most ? db_rows(result) : most };
	view->durations = table_open();
	view->rows = memory_array(view->row_count + 1, sizeof(*view->rows));
	for (size_t i = 0; i < view->row_count; i++)
		view->rows[view->row_count - 1 - i] = read_row(result, i);
	load_edges(view);
	struct outlook_pools *pools = outlook_pools_open(monitor);
	struct outlook_others *others = outlook_others_open(view, monitor, pools, project);
	view->outlook.now_us = clock_wall_us();
	view->outlook.tasks = memory_array(view->row_count + others->count + 1, sizeof(*view->outlook.tasks));
	view->outlook.task_count = view->row_count + others->count;
	load_tasks(view, monitor, pools, project);
	for (size_t i = 0; i < others->count; i++) {
		struct outlook_task *task = &view->outlook.tasks[view->row_count + i];
		*task = others->tasks[i];
		task->duration_us = duration_of(view, monitor, others->types[i])->us;
	}
	outlook_others_close(&others);
	forget_durations(view);
	view->edges = memory_resize(view->edges, view->edge_count + 1, sizeof(*view->edges));
	view->outlook.edges = view->edges;
	view->outlook.edge_count = view->edge_count;
	view->outlook.keys = view->keys;
	view->pools = outlook_pools_take(pools, &view->outlook.pool_count, &view->slots, &view->workers);
	view->outlook.pools = view->pools;
	outlook_pools_close(&pools);
	outlook_play(&view->outlook);
}

void outlook_release(struct outlook_view *view) {
	free(view->outlook.tasks);
	free(view->rows);
	free(view->edges);
	free(view->conditions);
	free(view->pools);
	free(view->keys);
	*view = (struct outlook_view){ 0 };
}

void outlook_add_basis(struct text *out, const struct outlook_view *view) {
	text_printf(out, "%zu slots of %zu workers; durations: %zu declared, %zu by type, %zu guessed", view->slots,
	            view->workers, view->declared, view->measured, view->guessed);
}
