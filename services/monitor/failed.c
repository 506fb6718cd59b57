/* One statement, of an index where there is one; see failed.h. */
#include "failed.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/base/table.h"
#include "shared/db/db.h"
#include "snapshot.h"

enum { PROJECTS_MAX = 200 };

static const char columns[] = "t.project,t.task_id,t.task_type,t.error_code,t.error_message,"
							  "TIMESTAMPDIFF(MICROSECOND,'1970-01-01',t.finished_at)";

static void add_type(struct text *sql, const struct list_request *request, const char *table) {
	if (request->task_type.length == 0)
		return;
	text_printf(sql, " AND %s.task_type=", table);
	db_quote(sql, request->task_type);
}

static void ask_project(struct text *sql, const struct monitor *monitor, const struct list_request *request) {
	text_printf(sql, "%s FROM tasks t%s WHERE t.status='failed' AND t.project=", columns,
	            monitor_index_hint(monitor, request->project, SLICE("")));
	db_quote(sql, request->project);
	add_type(sql, request, "t");
	text_printf(sql, " ORDER BY t.number DESC LIMIT %d", FAILED_TASKS_MAX);
}

/* ------------------------------------------------------------------------------------------------ all projects */

struct project {
	struct slice name; /* borrowed from the tally */
	int64_t tasks, failed;
};

static int by_tasks(const void *left, const void *right) {
	const struct project *a = *(struct project *const *)left, *b = *(struct project *const *)right;
	return (a->tasks > b->tasks) - (a->tasks < b->tasks);
}

static void add_row(struct table *projects, const struct tally_row *row, struct slice task_type) {
	struct project *project = table_get(projects, row->project);
	if (project == NULL) {
		project = memory_new(sizeof(*project));
		project->name = row->project;
		table_put(projects, row->project, project);
	}
	for (size_t i = 0; i < TALLY_STATUSES; i++)
		project->tasks += row->counts.of[i];
	if (task_type.length == 0 || slice_equal(task_type, row->task_type))
		project->failed += row->counts.of[TALLY_FAILED];
}

/* Those with failed tasks, the smallest first, as many as may be looked at whole; free() the list and what it holds. */
static size_t list_projects(const struct monitor *monitor, struct slice task_type, struct project ***list) {
	const struct tally *tally = &snapshot_view(monitor->snapshot)->tally;
	struct table *projects = table_open();
	size_t at = 0, count = 0, within = 0;
	struct slice key;
	void *value;
	for (size_t i = 0; i < tally->row_count; i++)
		add_row(projects, &tally->rows[i], task_type);
	*list = memory_array(table_count(projects) + 1, sizeof(**list));
	while (table_next(projects, &at, &key, &value)) {
		struct project *project = value;
		if (project->failed > 0)
			(*list)[count++] = project;
		else
			free(project);
	}
	table_close(&projects);
	qsort(*list, count, sizeof(**list), by_tasks);
	for (int64_t tasks = 0; within < count && within < PROJECTS_MAX; within++)
		if ((tasks += (*list)[within]->tasks) > monitor->settings->failures_look_back)
			break;
	for (size_t i = within; i < count; i++)
		free((*list)[i]);
	return within;
}

static void add_names(struct text *sql, struct project *const *list, size_t count) {
	for (size_t i = 0; i < count; i++) {
		text_add_char(sql, i > 0 ? ',' : '(');
		db_quote(sql, list[i]->name);
	}
	text_add_char(sql, ')');
}

static void add_whole(struct text *sql, const struct list_request *request, struct project *const *list, size_t count) {
	text_printf(sql, "(SELECT %s FROM tasks t FORCE INDEX (task) WHERE t.status='failed' AND t.project IN ", columns);
	add_names(sql, list, count);
	add_type(sql, request, "t");
	text_printf(sql, " ORDER BY t.finished_at DESC LIMIT %d) UNION ALL ", FAILED_TASKS_MAX);
}

static void add_latest(struct text *sql, const struct list_request *request, struct project *const *list, size_t count,
                       size_t partition, int64_t events) {
	text_printf(sql,
	            "(SELECT %s FROM task_events e JOIN tasks t ON t.partition_id=e.partition_id AND"
	            " t.number=e.number AND t.version=e.version WHERE e.partition_id=%zu AND e.seq>(SELECT"
	            " COALESCE(CAST(MAX(m.seq) AS SIGNED),0)-%lld FROM task_events m WHERE m.partition_id=%zu)"
	            " AND e.status='failed'",
	            columns, partition, (long long)events, partition);
	if (count > 0) {
		text_add(sql, " AND e.project NOT IN ");
		add_names(sql, list, count);
	}
	add_type(sql, request, "e");
	text_printf(sql, " ORDER BY e.seq DESC LIMIT %d)", FAILED_TASKS_MAX);
}

static void ask_all(struct text *sql, const struct monitor *monitor, const struct list_request *request) {
	struct project **list;
	size_t count = list_projects(monitor, request->task_type, &list);
	text_add(sql, "* FROM (");
	if (count > 0)
		add_whole(sql, request, list, count);
	for (size_t i = 0; i < monitor_partitions(monitor); i++) {
		text_add(sql, i > 0 ? " UNION ALL " : "");
		add_latest(sql, request, list, count, i, monitor->settings->failures_look_back);
	}
	text_printf(sql, ") failed ORDER BY %d DESC LIMIT %d", FAILED_AT + 1, FAILED_TASKS_MAX);
	for (size_t i = 0; i < count; i++)
		free(list[i]);
	free(list);
}

void failed_ask(struct text *sql, const struct monitor *monitor, const struct list_request *request) {
	if (request->project.length > 0)
		ask_project(sql, monitor, request);
	else
		ask_all(sql, monitor, request);
}
