/* The same picture for programs: one JSON object. */
#include "../../shared/base/clock.h"
#include "../../shared/base/table.h"
#include "top.h"

static void add_text(struct text *out, const char *name, const char *value) {
	text_printf(out, "%s\"%s\":", out->bytes[out->length - 1] == '{' ? "" : ",", name);
	if (value != NULL)
		text_add_json(out, slice_of(value));
	else
		text_add(out, "null");
}

static void add_number(struct text *out, const char *name, double value, bool known) {
	text_printf(out, known ? ",\"%s\":%.6g" : ",\"%s\":null", name, value);
}

static void add_rates(const struct top_data *data, struct text *out, const struct top_rates *rates) {
	text_add(out, ",\"rates\":{");
	for (size_t i = 0; i < TOP_RATES; i++)
		text_printf(out, "%s\"%s\":%.6g", i > 0 ? "," : "", top_rate_words[i],
		            top_rates_per_s(rates, clock_mono_us() / 1000000, data->since_s, (enum top_rate)i));
	text_add_char(out, '}');
}

static void add_health(const struct top_data *data, struct text *out) {
	text_add(out, ",\"health\":{");
	add_text(out, "status", data->health);
	text_add(out, ",\"failed_checks\":[");
	for (size_t i = 0; i < data->check_count; i++) {
		text_add(out, i > 0 ? ",{" : "{");
		add_text(out, "name", data->checks[i].name);
		add_text(out, "status", data->checks[i].is_critical ? "critical" : "degraded");
		add_text(out, "message", data->checks[i].message);
		add_text(out, "advice", data->checks[i].advice);
		text_add_char(out, '}');
	}
	text_add(out, "]}");
}

static void add_queues(const struct top_data *data, struct text *out) {
	text_add(out, ",\"queues\":[");
	for (size_t i = 0; i < data->queue_count; i++) {
		const struct top_queue *queue = data->queues[i];
		text_add(out, i > 0 ? ",{" : "{");
		add_text(out, "task_type", queue->task_type);
		text_printf(out, ",\"pending_count\":%lld,\"running_count\":%lld,\"paused\":%s", (long long)queue->pending,
		            (long long)queue->running, queue->paused ? "true" : "false");
		add_number(out, "oldest_ready_s", queue->oldest_s, queue->oldest_s >= 0);
		add_rates(data, out, &queue->rates);
		text_add_char(out, '}');
	}
	text_add_char(out, ']');
}

static void add_running(const struct top_data *data, struct text *out) {
	size_t at = 0;
	struct slice key;
	void *value;
	text_add(out, ",\"running\":[");
	for (bool first = true; table_next(data->running, &at, &key, &value);) {
		const struct top_running *running = value;
		if (running->gone_us > 0)
			continue;
		text_add(out, first ? "{" : ",{");
		first = false;
		add_text(out, "worker", running->worker);
		add_text(out, "project", running->project);
		add_text(out, "task_id", running->task_id);
		add_text(out, "task_type", running->task_type);
		text_add(out, ",\"started_at\":");
		text_add_json_time(out, running->since_us);
		text_add_char(out, '}');
	}
	text_add_char(out, ']');
}

static void add_failures(const struct top_data *data, struct text *out) {
	const struct top_failure *failure;
	text_add(out, ",\"failures\":[");
	for (size_t i = 0; (failure = top_data_failure(data, i)) != NULL; i++) {
		text_add(out, i > 0 ? ",{" : "{");
		add_text(out, "project", failure->project);
		add_text(out, "task_id", failure->task_id);
		add_text(out, "task_type", failure->task_type);
		add_text(out, "code", failure->code);
		add_text(out, "message", failure->message);
		text_printf(out, ",\"final\":%s,\"at\":", failure->is_final ? "true" : "false");
		text_add_json_time(out, failure->at_us);
		text_add_char(out, '}');
	}
	text_add_char(out, ']');
}

void top_json_add(const struct top_data *data, struct text *out) {
	text_add_char(out, '{');
	add_text(out, "project", data->project);
	text_add(out, ",\"at\":");
	text_add_json_time(out, clock_wall_us());
	for (size_t i = 0; i < TOP_STATUSES; i++)
		text_printf(out, ",\"%s_count\":%lld", top_status_words[i], (long long)data->counts[i]);
	add_number(out, "average_wait_time", data->average_wait_s, data->average_wait_s >= 0);
	add_rates(data, out, &data->rates);
	add_health(data, out);
	add_queues(data, out);
	add_running(data, out);
	add_failures(data, out);
	text_add(out, "}\n");
}
