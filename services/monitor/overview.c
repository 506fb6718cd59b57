/* See overview.h. The queues are in overview_queues.c. */
#include "overview.h"

#include <stdlib.h>

#include "peers.h"
#include "pulse.h"
#include "score.h"
#include "shared/base/clock.h"
#include "snapshot.h"
#include "view.h"
#include "workers.h"

enum { WORKERS_TOLD = 500, TASKS_TOLD = 50 }; /* TASKS_TOLD: of one worker */

void overview_add_counts(struct text *out, const struct tally_counts *counts) {
	static const char letters[TALLY_STATUSES] = { 'b', 'p', 'r', 't', 'c', 'f', 'x', 's' };
	for (size_t i = 0; i < TALLY_STATUSES; i++)
		text_printf(out, "%s\"%s\":%lld", i > 0 ? "," : "{", record_status_word(letters[i]), (long long)counts->of[i]);
	text_add_char(out, '}');
}

static void add_rate(struct text *out, const char *name, uint64_t count, int64_t known_s) {
	text_printf(out, "\"%s\":", name);
	score_add_number(out, (double)count / (double)known_s);
}

static void add_rates(struct text *out, const struct pulse_sum *sum, int64_t known_s) {
	text_add(out, "\"rates\":{");
	add_rate(out, "in", sum->came, known_s);
	text_add_char(out, ',');
	add_rate(out, "started", sum->started, known_s);
	text_add_char(out, ',');
	add_rate(out, "out", sum->ended, known_s);
	text_add_char(out, ',');
	add_rate(out, "completed", sum->completed, known_s);
	text_add_char(out, ',');
	add_rate(out, "failed", sum->failed, known_s);
	text_printf(out, "},\"totals\":{\"in\":%llu,\"started\":%llu,\"out\":%llu,\"completed\":%llu,\"failed\":%llu}",
	            (unsigned long long)sum->came, (unsigned long long)sum->started, (unsigned long long)sum->ended,
	            (unsigned long long)sum->completed, (unsigned long long)sum->failed);
}

static void add_error_rate(struct text *out, const struct pulse_sum *sum) {
	uint64_t tries = sum->completed + sum->failed;
	text_add(out, ",\"error_rate\":");
	if (tries > 0)
		score_add_number(out, (double)sum->failed / (double)tries);
	else
		text_add(out, "null");
}

static void add_oldest(struct text *out, const struct snapshot_view *view, struct slice project) {
	const struct snapshot_queue *oldest = NULL;
	for (size_t i = 0; project.length == 0 && i < view->queue_count; i++)
		if (oldest == NULL || view->queues[i].oldest_us < oldest->oldest_us)
			oldest = &view->queues[i];
	view_add_time(out, "oldest_ready_at", oldest != NULL ? oldest->oldest_us : 0);
	view_add_optional(out, "oldest_ready_type", slice_of(oldest != NULL ? oldest->task_type : ""));
}

static void add_health(struct text *out, const struct monitor *monitor) {
	struct health_facts facts;
	struct health_limits limits = monitor_health_limits(monitor);
	snapshot_facts(monitor->snapshot, &facts);
	text_add(out, ",\"health\":");
	health_add_json(out, &facts, &limits);
}

void overview_add(struct text *out, struct monitor *monitor, struct slice project, int64_t window_s) {
	const struct snapshot_view *view = snapshot_view(monitor->snapshot);
	struct tally_counts counts = tally_sum(&view->tally, project, SLICE(""));
	struct pulse_sum sum;
	int64_t known_s = pulse_read(monitor->pulse, project.length > 0 ? PULSE_PROJECT : PULSE_ALL, project, 0,
	                             clock_wall_us(), window_s, &sum);
	text_add(out, "\"project\":");
	if (project.length > 0)
		text_add_json(out, project);
	else
		text_add(out, "null");
	text_printf(out, ",\"window_s\":%lld,\"counts\":", (long long)window_s);
	overview_add_counts(out, &counts);
	text_add_char(out, ',');
	add_rates(out, &sum, known_s);
	text_add(out, ",\"wait\":");
	pulse_add_times_json(out, &sum.wait);
	text_add(out, ",\"run\":");
	pulse_add_times_json(out, &sum.run);
	add_oldest(out, view, project);
	add_error_rate(out, &sum);
	add_health(out, monitor);
	text_printf(out, ",\"lag\":{\"outbox_events\":%lld,\"persister_events\":%lld}", (long long)view->outbox_events,
	            (long long)view->lag_events);
}

/* ------------------------------------------------------------------------------------------------ who works */

static void add_task(struct text *out, const struct workers_task *task) {
	text_add(out, "{\"project\":");
	text_add_json(out, slice_of(task->project));
	text_add(out, ",\"task_id\":");
	text_add_json(out, slice_of(task->task_id));
	text_add(out, ",\"task_type\":");
	text_add_json(out, slice_of(task->task_type));
	text_printf(out, ",\"attempt\":%lld", (long long)task->attempt);
	view_add_time(out, "started_at", task->started_at_us);
	text_add_char(out, '}');
}

static void add_worker(struct text *out, const struct worker *worker) {
	text_add(out, "{\"worker\":");
	text_add_json(out, slice_of(worker->name));
	text_add(out, ",\"task_types\":[");
	for (size_t i = 0; i < worker->type_count; i++) {
		text_add(out, i > 0 ? "," : "");
		text_add_json(out, slice_of(worker->types[i]));
	}
	text_add(out, "],\"running\":[");
	size_t told = 0;
	for (const struct workers_task *task = worker->tasks; task != NULL && told < TASKS_TOLD; task = task->next) {
		text_add(out, told++ > 0 ? "," : "");
		add_task(out, task);
	}
	text_printf(out, "],\"running_count\":%zu,\"completed\":%llu,\"failed\":%llu", worker->running,
	            (unsigned long long)worker->completed, (unsigned long long)worker->failed);
	view_add_time(out, "last_at", worker->last_at_us);
	text_add_char(out, '}');
}

void services_add(struct text *out, struct monitor *monitor) {
	struct worker **workers;
	size_t count = workers_list(monitor->workers, clock_wall_us(), &workers);
	peers_add_services(monitor->peers, out);
	text_add(out, ",\"workers\":[");
	for (size_t i = 0; i < count && i < WORKERS_TOLD; i++) {
		text_add(out, i > 0 ? "," : "");
		add_worker(out, workers[i]);
	}
	text_printf(out, "],\"worker_count\":%zu,", count);
	peers_add_waiting(monitor->peers, out);
	free(workers);
}
