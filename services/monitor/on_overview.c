/* overview, queues, services, projects over HTTP: what is so now; see overview.h. */
#include "overview.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/task/fields.h"
#include "snapshot.h"
#include "subjects/subjects.h"
#include "window.h"

struct now {
	struct status_request request;
	int64_t step_s;
};

static struct question *open_now(struct monitor *monitor, struct slice body, const struct asker *asker) {
	struct question *question = question_open(monitor, body, sizeof(struct now), asker);
	struct error error = { 0 };
	if (question == NULL)
		return NULL;
	struct now *now = question->own;
	if (status_request_parse(question->json, question->text, &task_limits_default, &now->request, &error) == STATUS_OK)
		return question;
	question_fail(question, &error);
	return NULL;
}

static bool has_live(struct question *question) {
	struct error error = { 0 };
	if (snapshot_view(question->monitor->snapshot)->has_live)
		return true;
	question_fail_status(question, fail(&error, STATUS_RETRY, "Redis does not answer, or is being rebuilt"), &error);
	return false;
}

static void begin(struct text *out) {
	text_add(out, "{\"ok\":true,\"at\":");
	text_add_json_time(out, clock_wall_us());
	text_add_char(out, ',');
}

static void end(struct question *question) {
	text_add_char(&question->out, '}');
	question_answer(question);
}

static void on_overview_fresh(void *context, struct monitor *monitor) {
	struct question *question = context;
	const struct now *now = question->own;
	if (!has_live(question))
		return;
	begin(&question->out);
	overview_add(&question->out, monitor, now->request.project, now->request.window_s);
	end(question);
}

static void on_queues_fresh(void *context, struct monitor *monitor) {
	struct question *question = context;
	const struct now *now = question->own;
	if (!has_live(question))
		return;
	begin(&question->out);
	queues_add(&question->out, monitor, now->request.project);
	end(question);
}

void on_overview(struct monitor *monitor, struct slice body, const struct asker *asker) {
	struct question *question = open_now(monitor, body, asker);
	if (question != NULL)
		snapshot_refresh(monitor->snapshot, on_overview_fresh, question);
}

void on_queues(struct monitor *monitor, struct slice body, const struct asker *asker) {
	struct question *question = open_now(monitor, body, asker);
	if (question != NULL)
		snapshot_refresh(monitor->snapshot, on_queues_fresh, question);
}

void on_services(struct monitor *monitor, struct slice body, const struct asker *asker) {
	struct question *question = open_now(monitor, body, asker);
	if (question == NULL)
		return;
	begin(&question->out);
	services_add(&question->out, monitor);
	end(question);
}

/* ------------------------------------------------------------------------------------------------ projects */

struct project {
	struct slice name;
	int64_t last_at_us;
	struct tally_counts counts;
};

static int compare_names(const void *left, const void *right) {
	const struct project *a = left, *b = right;
	size_t length = a->name.length < b->name.length ? a->name.length : b->name.length;
	int order = length > 0 ? memcmp(a->name.bytes, b->name.bytes, length) : 0;
	return order != 0 ? order : (a->name.length > b->name.length) - (a->name.length < b->name.length);
}

static int compare_ages(const void *left, const void *right) {
	const struct project *a = left, *b = right;
	if (a->last_at_us != b->last_at_us)
		return a->last_at_us > b->last_at_us ? -1 : 1;
	return compare_names(left, right);
}

static size_t gather_projects(const struct monitor *monitor, struct project **projects) {
	const struct tally *tally = &snapshot_view(monitor->snapshot)->tally;
	size_t count = 0;
	*projects = memory_array(tally->row_count + 1, sizeof(**projects));
	for (size_t i = 0; i < tally->row_count; i++)
		(*projects)[i] = (struct project){ .name = tally->rows[i].project, .counts = tally->rows[i].counts };
	qsort(*projects, tally->row_count, sizeof(**projects), compare_names);
	for (size_t i = 0; i < tally->row_count; i++) {
		struct project *last = count > 0 ? &(*projects)[count - 1] : NULL;
		if (last != NULL && slice_equal(last->name, (*projects)[i].name))
			for (size_t j = 0; j < TALLY_STATUSES; j++)
				last->counts.of[j] += (*projects)[i].counts.of[j];
		else
			(*projects)[count++] = (*projects)[i];
	}
	for (size_t i = 0; i < count; i++)
		(*projects)[i].last_at_us = window_last_at(monitor->window, (*projects)[i].name);
	qsort(*projects, count, sizeof(**projects), compare_ages);
	return count;
}

static void on_projects_fresh(void *context, struct monitor *monitor) {
	struct question *question = context;
	struct text *out = &question->out;
	struct project *projects;
	if (!has_live(question))
		return;
	size_t count = gather_projects(monitor, &projects);
	begin(out);
	text_add(out, "\"projects\":[");
	for (size_t i = 0; i < count; i++) {
		text_add(out, i > 0 ? ",{\"project\":" : "{\"project\":");
		text_add_json(out, projects[i].name);
		text_add(out, ",\"counts\":");
		overview_add_counts(out, &projects[i].counts);
		text_add(out, ",\"last_at\":");
		text_add_json_time(out, projects[i].last_at_us);
		text_add_char(out, '}');
	}
	text_add_char(out, ']');
	free(projects);
	end(question);
}

void on_projects(struct monitor *monitor, struct slice body, const struct asker *asker) {
	struct question *question = open_now(monitor, body, asker);
	if (question != NULL)
		snapshot_refresh(monitor->snapshot, on_projects_fresh, question);
}

/* ------------------------------------------------------------------------------------------------ series */

enum { POINTS_MAX = 1000 };

static enum status read_series(struct question *question, struct now *now, struct error *err) {
	struct json_value step = json_member(json_root(question->json), "step_s");
	now->step_s = now->request.window_s / 90 > 0 ? now->request.window_s / 90 : 1;
	enum status status = field_int(step, 1, WINDOW_SECONDS_MAX, &now->step_s, err);
	if (status == STATUS_OK && now->request.window_s / now->step_s > POINTS_MAX)
		status = reject(err, CODE_INVALID_FIELD, "/step_s", "makes more than %d points of the window", POINTS_MAX);
	return status;
}

static void add_points(struct text *out, const char *name, const struct window_counts *points, size_t count,
                       size_t offset) {
	text_printf(out, ",\"%s\":[", name);
	for (size_t i = 0; i < count; i++) {
		uint64_t value;
		memcpy(&value, (const char *)&points[i] + offset, sizeof(value));
		text_printf(out, "%s%llu", i > 0 ? "," : "", (unsigned long long)value);
	}
	text_add_char(out, ']');
}

static void add_mean_waits(struct text *out, const struct window_counts *points, size_t count) {
	text_add(out, ",\"mean_wait_s\":[");
	for (size_t i = 0; i < count; i++) {
		double wait_s = tally_average_wait_s(&points[i]);
		text_printf(out, i > 0 ? ",%.3f" : "%.3f", wait_s > 0 ? wait_s : 0);
	}
	text_add_char(out, ']');
}

void on_series(struct monitor *monitor, struct slice body, const struct asker *asker) {
	struct question *question = open_now(monitor, body, asker);
	struct error error = { 0 };
	if (question == NULL)
		return;
	struct now *now = question->own;
	if (read_series(question, now, &error) != STATUS_OK) {
		question_fail(question, &error);
		return;
	}
	size_t count = (size_t)(now->request.window_s / now->step_s);
	struct window_counts *points = memory_array(count + 1, sizeof(*points));
	int64_t from_s = window_series(monitor->window, now->request.project, clock_wall_us(), now->step_s, count, points);
	begin(&question->out);
	text_printf(&question->out, "\"from_ms\":%lld000,\"step_s\":%lld", (long long)from_s, (long long)now->step_s);
	add_points(&question->out, "in", points, count, offsetof(struct window_counts, came));
	add_points(&question->out, "started", points, count, offsetof(struct window_counts, started));
	add_points(&question->out, "completed", points, count, offsetof(struct window_counts, completed));
	add_points(&question->out, "failed", points, count, offsetof(struct window_counts, failed));
	add_mean_waits(&question->out, points, count);
	free(points);
	end(question);
}
