/* The metrics of the queue itself, then those of this process, as every service has them. */
#include "metrics.h"

#include <stdlib.h>

#include "feed.h"
#include "history.h"
#include "http.h"
#include "metrics_times.h"
#include "peers.h"
#include "score.h"
#include "shared/base/clock.h"
#include "shared/service/metrics_text.h"
#include "snapshot.h"

static const char status_letters[TALLY_STATUSES] = { 'b', 'p', 'r', 't', 'c', 'f', 'x', 's' };

enum { TYPES_MAX = 1000 }; /* the first ones by name get series of their own */

static void add_tasks(struct text *out, const struct snapshot_view *view) {
	struct tally_type *types;
	size_t count = tally_types(&view->tally, SLICE(""), &types);
	metrics_head(out, "corder_tasks", "gauge",
	             "Tasks by type and status; the final statuses count all that ever ended so.");
	for (size_t i = 0; i < count && i < TYPES_MAX; i++)
		for (size_t j = 0; j < TALLY_STATUSES; j++) {
			text_add(out, "corder_tasks{");
			metrics_label(out, "task_type", types[i].task_type);
			text_add_char(out, ',');
			metrics_label(out, "status", slice_of(record_status_word(status_letters[j])));
			text_printf(out, "} %lld\n", (long long)types[i].counts.of[j]);
		}
	free(types);
}

static void add_queues(struct text *out, const struct snapshot_view *view) {
	metrics_head(out, "corder_ready_tasks", "gauge", "Tasks in the ready queue of a type.");
	for (size_t i = 0; i < view->queue_count && i < TYPES_MAX; i++) {
		text_add(out, "corder_ready_tasks{");
		metrics_label(out, "task_type", slice_of(view->queues[i].task_type));
		text_printf(out, "} %lld\n", (long long)view->queues[i].depth);
	}
	metrics_head(out, "corder_oldest_ready_seconds", "gauge",
	             "How long the longest waiting ready task of a type waits.");
	for (size_t i = 0; i < view->queue_count && i < TYPES_MAX; i++) {
		double age_s = (double)(view->now_us - view->queues[i].oldest_us) / 1e6;
		text_add(out, "corder_oldest_ready_seconds{");
		metrics_label(out, "task_type", slice_of(view->queues[i].task_type));
		text_printf(out, "} %.6f\n", age_s > 0 ? age_s : 0);
	}
}

static void add_waiting_workers(struct text *out, const struct monitor *monitor, const struct snapshot_view *view) {
	struct tally_type *types;
	size_t count = tally_types(&view->tally, SLICE(""), &types);
	int64_t workers;
	metrics_head(out, "corder_waiting_work_requests", "gauge", "Requests of workers that wait for a task of a type.");
	for (size_t i = 0; i < count && i < TYPES_MAX; i++) {
		if (!peers_workers(monitor->peers, types[i].task_type, &workers))
			continue;
		text_add(out, "corder_waiting_work_requests{");
		metrics_label(out, "task_type", types[i].task_type);
		text_printf(out, "} %lld\n", (long long)workers);
	}
	free(types);
}

static void add_events(struct text *out, const struct feed *feed) {
	metrics_head(out, "corder_events_total", "counter", "Events in the log since this monitor started, by new status.");
	for (size_t i = 0; i < TALLY_STATUSES; i++) {
		text_add(out, "corder_events_total{");
		metrics_label(out, "status", slice_of(record_status_word(status_letters[i])));
		text_printf(out, "} %llu\n", (unsigned long long)feed_events(feed, status_letters[i]));
	}
}

static void add_live(struct text *out, const struct snapshot_view *view) {
	metrics_number(out, "corder_outbox_events", "gauge", "Events in Redis that are not yet in the log.",
	               (double)view->outbox_events);
	metrics_number(out, "corder_overdue_tasks", "gauge", "Tasks whose time has passed by more than a second.",
	               (double)view->overdue);
	metrics_number(out, "corder_overdue_seconds", "gauge", "By how much the most overdue of them is late.",
	               (double)view->overdue_us / 1e6);
	metrics_number(out, "corder_releasing_tasks", "gauge", "Ended tasks whose dependents have not all been told yet.",
	               (double)view->releasing);
	metrics_number(out, "corder_redis_memory_bytes", "gauge", "Memory that Redis uses.", (double)view->redis_bytes);
	metrics_number(out, "corder_log_events_total", "counter", "Events in the log, since ever.",
	               (double)view->logged_seq);
}

static void add_history(struct text *out, const struct snapshot_view *view) {
	metrics_number(out, "corder_persisted_events_total", "counter", "Events in MySQL, since ever.",
	               (double)view->persisted_seq);
	metrics_number(out, "corder_persister_lag_events", "gauge", "Events in the log that are not yet in MySQL.",
	               (double)view->lag_events);
	metrics_number(out, "corder_poison_events", "gauge", "Events that MySQL would not take and that were set aside.",
	               (double)view->poison_events);
}

static void add_rates(struct text *out, const struct monitor *monitor) {
	struct window_counts sum;
	int64_t known_s = window_sum(monitor->window, SLICE(""), clock_wall_us(), 60, &sum);
	metrics_number(out, "corder_throughput_tasks_per_second", "gauge",
	               "Tasks completed a second, over the last minute.", tally_throughput(&sum, known_s));
}

static void add_check(void *context, const char *name, enum health health) {
	struct text *out = context;
	text_printf(out, "corder_health_check{check=\"%s\"} %d\n", name, (int)health);
}

/* Nothing while it is not known. */
static void add_ratio(struct text *out, const char *name, const char *help, int64_t percent) {
	if (percent >= 0)
		metrics_number(out, name, "gauge", help, (double)percent / 100);
}

static void add_health(struct text *out, const struct monitor *monitor) {
	struct health_facts facts;
	struct health_limits limits = monitor_health_limits(monitor);
	snapshot_facts(monitor->snapshot, &facts);
	metrics_head(out, "corder_service_instances", "gauge", "Processes that answer, by service.");
	for (size_t i = 0; i < HEALTH_SERVICES; i++)
		text_printf(out, "corder_service_instances{service=\"%s\"} %lld\n", health_service_names[i],
		            (long long)facts.instances[i]);
	metrics_head(out, "corder_service_unwell_instances", "gauge",
	             "Processes that say that they are not well, by service.");
	for (size_t i = 0; i < HEALTH_SERVICES; i++)
		text_printf(out, "corder_service_unwell_instances{service=\"%s\"} %lld\n", health_service_names[i],
		            (long long)facts.unwell[i]);
	metrics_number(out, "corder_queue_health", "gauge", "0 ok, 1 degraded, 2 critical.",
	               (double)health_judge(&facts, &limits));
	metrics_head(out, "corder_health_check", "gauge", "Each check of the health: 0 ok, 1 degraded, 2 critical.");
	health_each(&facts, &limits, add_check, out);
	add_ratio(out, "corder_redis_memory_ratio", "What Redis uses of the memory that it may.", facts.redis_percent);
	add_ratio(out, "corder_stream_fill_ratio", "What the fullest stream has used of its limit.", facts.stream_percent);
	metrics_number(out, "corder_auditor_violations", "gauge",
	               "Tasks that nothing would ever move, as the auditor finds them.", (double)facts.violations);
}

void metrics_add(struct text *out, struct monitor *monitor) {
	const struct snapshot_view *view = snapshot_view(monitor->snapshot);
	add_health(out, monitor);
	add_events(out, monitor->feed);
	add_rates(out, monitor);
	if (view->has_live) {
		add_tasks(out, view);
		add_queues(out, view);
		add_waiting_workers(out, monitor, view);
		add_live(out, view);
	}
	if (view->has_history)
		add_history(out, view);
	times_add_metrics(monitor->times, out);
	metrics_number(out, "corder_monitor_http_requests_total", "counter", "HTTP requests to this monitor.",
	               (double)http_requests(monitor->http));
	metrics_number(out, "corder_monitor_query_timeouts_total", "counter", "Questions to MySQL that took too long.",
	               (double)history_timeouts(monitor->history));
	service_metrics_add(monitor->service, out);
}
