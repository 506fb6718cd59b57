/* Sums and the status reply; see tally.h. */
#include "tally.h"

#include <stdlib.h>
#include <string.h>

#include "score.h"
#include "shared/base/memory.h"
#include "view.h"

static const char letters[] = "bprtcfxs"; /* in the order of enum tally_status */

enum tally_status tally_status_of(char letter) {
	const char *at = letter != '\0' ? strchr(letters, letter) : NULL;
	return at != NULL ? (enum tally_status)(at - letters) : TALLY_STATUSES;
}

static struct slice keep(struct slice text) {
	return (struct slice){ slice_copy(text), text.length };
}

static void *grow(void *items, size_t count, size_t *capacity, size_t item_bytes) {
	if (count < *capacity)
		return items;
	*capacity = *capacity > 0 ? *capacity * 2 : 16;
	return memory_resize(items, *capacity, item_bytes);
}

void tally_add(struct tally *tally, struct slice project, struct slice task_type, char status, int64_t count) {
	enum tally_status index = tally_status_of(status);
	if (index == TALLY_STATUSES)
		return;
	struct tally_row *last = tally->row_count > 0 ? &tally->rows[tally->row_count - 1] : NULL;
	if (last == NULL || !slice_equal(last->project, project) || !slice_equal(last->task_type, task_type)) {
		tally->rows = grow(tally->rows, tally->row_count, &tally->row_capacity, sizeof(*tally->rows));
		last = &tally->rows[tally->row_count++];
		*last = (struct tally_row){ .project = keep(project), .task_type = keep(task_type) };
	}
	last->counts.of[index] += count > 0 ? count : 0;
}

void tally_add_pause(struct tally *tally, struct slice project, struct slice task_type) {
	tally->pauses = grow(tally->pauses, tally->pause_count, &tally->pause_capacity, sizeof(*tally->pauses));
	tally->pauses[tally->pause_count++] = (struct tally_pause){ keep(project), keep(task_type) };
}

void tally_note_oldest(struct tally *tally, struct slice task_type, int64_t since_us) {
	for (size_t i = 0; i < tally->oldest_count; i++) {
		struct tally_oldest *oldest = &tally->oldest[i];
		if (!slice_equal(oldest->task_type, task_type))
			continue;
		oldest->since_us = since_us < oldest->since_us ? since_us : oldest->since_us;
		return;
	}
	tally->oldest = grow(tally->oldest, tally->oldest_count, &tally->oldest_capacity, sizeof(*tally->oldest));
	tally->oldest[tally->oldest_count++] = (struct tally_oldest){ keep(task_type), since_us };
}

static void free_slice(struct slice slice) {
	free((char *)(uintptr_t)slice.bytes);
}

void tally_clear(struct tally *tally) {
	for (size_t i = 0; i < tally->row_count; i++) {
		free_slice(tally->rows[i].project);
		free_slice(tally->rows[i].task_type);
	}
	for (size_t i = 0; i < tally->pause_count; i++) {
		free_slice(tally->pauses[i].project);
		free_slice(tally->pauses[i].task_type);
	}
	for (size_t i = 0; i < tally->oldest_count; i++)
		free_slice(tally->oldest[i].task_type);
	tally->row_count = tally->pause_count = tally->oldest_count = 0;
}

void tally_release(struct tally *tally) {
	tally_clear(tally);
	free(tally->rows);
	free(tally->pauses);
	free(tally->oldest);
	*tally = (struct tally){ 0 };
}

static void add_counts(struct tally_counts *sum, const struct tally_counts *more) {
	for (size_t i = 0; i < TALLY_STATUSES; i++)
		sum->of[i] += more->of[i];
}

static bool is_in(const struct tally_row *row, struct slice project, struct slice task_type) {
	return (project.length == 0 || slice_equal(project, row->project)) &&
	       (task_type.length == 0 || slice_equal(task_type, row->task_type));
}

struct tally_counts tally_sum(const struct tally *tally, struct slice project, struct slice task_type) {
	struct tally_counts sum = { 0 };
	for (size_t i = 0; i < tally->row_count; i++)
		if (is_in(&tally->rows[i], project, task_type))
			add_counts(&sum, &tally->rows[i].counts);
	return sum;
}

int64_t tally_type_count(const struct tally *tally, struct slice task_type, enum tally_status status) {
	int64_t sum = 0;
	for (size_t i = 0; i < tally->row_count; i++)
		if (slice_equal(task_type, tally->rows[i].task_type))
			sum += tally->rows[i].counts.of[status];
	return sum;
}

bool tally_paused(const struct tally *tally, struct slice project, struct slice task_type) {
	for (size_t i = 0; i < tally->pause_count; i++) {
		const struct tally_pause *pause = &tally->pauses[i];
		bool project_fits = pause->project.length == 0 || slice_equal(pause->project, project);
		bool type_fits = pause->task_type.length == 0 || slice_equal(pause->task_type, task_type);
		if (project_fits && type_fits)
			return true;
	}
	return false;
}

static int compare_types(const void *left, const void *right) {
	const struct tally_type *a = left, *b = right;
	size_t length = a->task_type.length < b->task_type.length ? a->task_type.length : b->task_type.length;
	int order = length > 0 ? memcmp(a->task_type.bytes, b->task_type.bytes, length) : 0;
	return order != 0 ? order
	                  : (a->task_type.length > b->task_type.length) - (a->task_type.length < b->task_type.length);
}

size_t tally_types(const struct tally *tally, struct slice project, struct tally_type **types) {
	size_t count = 0;
	*types = memory_array(tally->row_count + 1, sizeof(**types));
	for (size_t i = 0; i < tally->row_count; i++)
		if (project.length == 0 || slice_equal(project, tally->rows[i].project))
			(*types)[count++] = (struct tally_type){ tally->rows[i].task_type, tally->rows[i].counts };
	qsort(*types, count, sizeof(**types), compare_types);
	size_t used = 0;
	for (size_t i = 0; i < count; i++)
		if (used > 0 && slice_equal((*types)[used - 1].task_type, (*types)[i].task_type))
			add_counts(&(*types)[used - 1].counts, &(*types)[i].counts);
		else
			(*types)[used++] = (*types)[i];
	return used;
}

double tally_throughput(const struct window_counts *window, int64_t window_s) {
	return window_s > 0 ? (double)window->completed / (double)window_s : 0;
}

double tally_average_wait_s(const struct window_counts *window) {
	return window->started > 0 ? (double)window->wait_us / 1e6 / (double)window->started : -1;
}

static void add_count_members(struct text *out, const struct tally_counts *counts) {
	static const char *const names[TALLY_STATUSES] = { "blocked",   "pending", "running",   "retry",
		                                               "completed", "failed",  "cancelled", "skipped" };
	for (size_t i = 0; i < TALLY_STATUSES; i++)
		text_printf(out, ",\"%s_count\":%lld", names[i], (long long)counts->of[i]);
}

/* A queue is one of all projects: of a single project nothing is known. */
static void add_oldest(struct text *out, const struct tally_view *view, struct slice task_type) {
	const struct tally *tally = view->tally;
	for (size_t i = 0; i < tally->oldest_count && view->project.length == 0; i++) {
		double age_s = (double)(tally->at_us - tally->oldest[i].since_us) / 1e6;
		if (!slice_equal(tally->oldest[i].task_type, task_type))
			continue;
		text_add(out, ",\"oldest_ready_s\":");
		score_add_number(out, age_s > 0 ? age_s : 0);
		return;
	}
	text_add(out, ",\"oldest_ready_s\":null");
}

static void add_queues(struct text *out, const struct tally_view *view) {
	struct tally_type *types;
	size_t count = tally_types(view->tally, view->project, &types);
	bool first = true;
	text_add(out, ",\"queues\":[");
	for (size_t i = 0; i < count; i++) {
		const struct tally_counts *counts = &types[i].counts;
		if (view->task_type.length > 0 && !slice_equal(view->task_type, types[i].task_type))
			continue;
		bool paused = tally_paused(view->tally, view->project, types[i].task_type);
		if (counts->of[TALLY_PENDING] == 0 && counts->of[TALLY_RUNNING] == 0 && !paused)
			continue;
		text_add(out, first ? "{\"task_type\":" : ",{\"task_type\":");
		first = false;
		text_add_json(out, types[i].task_type);
		text_printf(out, ",\"pending_count\":%lld,\"running_count\":%lld,\"paused\":%s",
		            (long long)counts->of[TALLY_PENDING], (long long)counts->of[TALLY_RUNNING],
		            paused ? "true" : "false");
		add_oldest(out, view, types[i].task_type);
		text_add_char(out, '}');
	}
	text_add_char(out, ']');
	free(types);
}

void tally_add_json(struct text *out, const struct tally_view *view) {
	struct tally_counts counts = tally_sum(view->tally, view->project, view->task_type);
	text_add(out, "{\"ok\":true");
	view_add_optional(out, "project", view->project);
	view_add_optional(out, "task_type", view->task_type);
	add_count_members(out, &counts);
	text_add(out, ",\"queue_health\":");
	health_add_json(out, view->facts, view->limits);
	double wait_s = tally_average_wait_s(&view->window);
	text_add(out, ",\"average_wait_time\":");
	if (wait_s < 0)
		text_add(out, "null");
	else
		score_add_number(out, wait_s);
	text_add(out, ",\"throughput\":");
	score_add_number(out, tally_throughput(&view->window, view->known_s));
	text_printf(out, ",\"window_s\":%lld,\"at\":", (long long)view->window_s);
	text_add_json_time(out, view->tally->at_us);
	add_queues(out, view);
	text_add_char(out, '}');
}
