/* Looking up the ends of edges; see edges.h. */
#include "edges.h"

#include <stdlib.h>

#include "history.h"
#include "live.h"
#include "rows.h"
#include "shared/base/memory.h"
#include "shared/base/table.h"

struct lookup {
	struct monitor *monitor;
	char *project, *dependencies; /* copies; the edges borrow the latter */
	struct slice project_slice;
	struct edges edges;
	struct table *by_id; /* task_id -> struct view_edge */
	edges_handler *handler;
	void *context;
};

static void finish(struct lookup *lookup, enum status status, const struct error *err) {
	lookup->handler(lookup->context, status, status == STATUS_OK ? &lookup->edges : NULL, err);
	table_close(&lookup->by_id);
	free(lookup->edges.list);
	free(lookup->project);
	free(lookup->dependencies);
	free(lookup);
}

static void set_status(struct lookup *lookup, struct slice task_id, char status) {
	struct view_edge *edge = table_get(lookup->by_id, task_id);
	if (edge != NULL)
		edge->status = status;
}

static void on_statuses(void *context, enum status status, unsigned error_number, const struct error *err,
                        const struct db_result *result) {
	struct lookup *lookup = context;
	(void)error_number;
	for (size_t row = 0; status == STATUS_OK && row < db_rows(result); row++) {
		struct view_edge found = rows_read_status(result, row);
		set_status(lookup, found.task_id, found.status);
	}
	finish(lookup, status, err);
}

/* What Redis does not hold has ended long ago, or was never submitted. */
static void ask_history(struct lookup *lookup) {
	struct slice *missing = memory_array(lookup->edges.count, sizeof(*missing));
	size_t count = 0;
	for (size_t i = 0; i < lookup->edges.count; i++)
		if (lookup->edges.list[i].status == 0)
			missing[count++] = lookup->edges.list[i].task_id;
	if (count == 0) {
		finish(lookup, STATUS_OK, NULL);
	} else {
		struct text sql = { 0 };
		rows_ask_statuses(&sql, lookup->project_slice, missing, count);
		history_select(lookup->monitor->history, &sql, on_statuses, lookup);
		text_release(&sql);
	}
	free(missing);
}

/* Threes of task_id, status, condition, up to an empty one. Without Redis MySQL knows nearly as much. */
static void on_live(void *context, enum status status, struct live_reply *reply, const struct error *err) {
	struct lookup *lookup = context;
	(void)err;
	for (size_t i = 0; status == STATUS_OK && i + 2 < reply->count && live_text(reply, i).length > 0; i += 3) {
		struct slice letter = live_text(reply, i + 1);
		set_status(lookup, live_text(reply, i), letter.length > 0 ? letter.bytes[0] : 0);
	}
	live_free(&reply);
	ask_history(lookup);
}

static void parse(struct lookup *lookup, struct slice dependencies) {
	struct slice rest = dependencies;
	struct record_dependency item;
	size_t i = 0;
	lookup->edges.count = (size_t)view_dependency_count(dependencies);
	lookup->edges.list = memory_array(lookup->edges.count + 1, sizeof(*lookup->edges.list));
	while (record_next_dependency(&rest, &item)) {
		struct view_edge *edge = &lookup->edges.list[i++];
		*edge = (struct view_edge){ item.task_id, item.condition, item.future, 0 };
		table_put(lookup->by_id, item.task_id, edge);
	}
}

void edges_look_up(struct monitor *monitor, struct slice project, struct slice task_id, struct slice dependencies,
                   edges_handler *handler, void *context) {
	struct lookup *lookup = memory_new(sizeof(*lookup));
	*lookup = (struct lookup){ .monitor = monitor, .handler = handler, .context = context, .by_id = table_open() };
	lookup->project = slice_copy(project);
	lookup->project_slice = (struct slice){ lookup->project, project.length };
	lookup->dependencies = slice_copy(dependencies);
	parse(lookup, (struct slice){ lookup->dependencies, dependencies.length });
	if (lookup->edges.count == 0) {
		finish(lookup, STATUS_OK, NULL);
		return;
	}
	struct text name = { 0 };
	text_add_slice(&name, project);
	text_add_char(&name, '/');
	text_add_slice(&name, task_id);
	struct slice words[] = { SLICE("edges"), { name.bytes, name.length }, SLICE("1") };
	live_read(monitor->live, monitor_partition_of(monitor, project), LIVE_LOGGED, words, 3, on_live, lookup);
	text_release(&name);
}
