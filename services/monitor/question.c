/* The life of a question: opened with its limits, answered or refused exactly once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "monitor.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/state/state.h"
#include "snapshot.h"
#include "subjects/subjects.h"

struct question *question_open(struct monitor *monitor, struct slice body, size_t own_bytes,
                               const struct asker *asker) {
	struct error error = { 0 };
	if (monitor->questions >= monitor->settings->max_questions) {
		fail(&error, STATUS_RETRY, "%lld questions are under way already", (long long)monitor->questions);
		snprintf(error.code, sizeof(error.code), "%s", CODE_UNAVAILABLE);
		asker->done(asker->context, &error, (struct slice){ "", 0 });
		return NULL;
	}
	monitor->questions++;
	struct question *question = memory_new(sizeof(*question));
	*question = (struct question){ .monitor = monitor, .done = asker->done, .context = asker->context };
	question->most_bytes = asker->most_bytes;
	question->json = json_open();
	question->body = slice_copy(body);
	question->text = (struct slice){ question->body, body.length };
	question->own = own_bytes > 0 ? memory_new(own_bytes) : NULL;
	return question;
}

static void question_free(struct question *question) {
	question->monitor->questions--;
	json_close(&question->json);
	text_release(&question->out);
	free(question->body);
	free(question->own);
	free(question);
}

void question_answer(struct question *question) {
	(*question->monitor->answered)++;
	question->done(question->context, NULL, (struct slice){ question->out.bytes, question->out.length });
	question_free(question);
}

void question_fail(struct question *question, const struct error *error) {
	struct error copy = *error;
	if (copy.code[0] == '\0')
		snprintf(copy.code, sizeof(copy.code), "%s", CODE_UNAVAILABLE);
	(*question->monitor->refused)++;
	question->done(question->context, &copy, (struct slice){ "", 0 });
	question_free(question);
}

void question_fail_status(struct question *question, enum status status, const struct error *error) {
	struct error copy = error != NULL ? *error : (struct error){ .message = "no answer" };
	if (copy.code[0] == '\0' && (status == STATUS_REJECT || status == STATUS_STALE)) {
		snprintf(copy.code, sizeof(copy.code), "%s", CODE_INTERNAL);
		log_error("a question could not be answered", "error", copy.message, NULL);
	}
	question_fail(question, &copy);
}

enum { REPLY_MARGIN_BYTES = 4096, REPLY_BYTES_MAX = 8 << 20 };

size_t reply_bytes(const struct monitor *monitor) {
	size_t most = bus_max_payload(service_bus(monitor->service));
	most = most < REPLY_BYTES_MAX ? most : REPLY_BYTES_MAX;
	return most > 2 * REPLY_MARGIN_BYTES ? most - REPLY_MARGIN_BYTES : REPLY_MARGIN_BYTES;
}

struct health_limits monitor_health_limits(const struct monitor *monitor) {
	const struct monitor_settings *settings = monitor->settings;
	return (struct health_limits){
		.away_s = settings->health_away_s,
		.instances = settings->health_instances,
		.ready_s = settings->health_ready_s,
		.no_workers_s = settings->health_no_workers_s,
		.overdue_s = settings->health_overdue_s,
		.outbox_events = settings->health_outbox_events,
		.persister_lag = settings->health_lag_events,
		.stream_percent = settings->health_stream_percent,
		.redis_percent = settings->health_redis_percent,
		.poison_events = settings->health_poison_events,
		.stuck_tasks = settings->health_stuck_tasks,
		.error_percent = settings->health_error_percent,
	};
}

size_t monitor_partitions(const struct monitor *monitor) {
	return (size_t)monitor->settings->common.partitions;
}

size_t monitor_partition_of(const struct monitor *monitor, struct slice project) {
	return (size_t)state_partition_of(project, monitor->settings->common.partitions);
}

enum { SMALL_PROJECT_TASKS = 50000 };

const char *monitor_index_hint(const struct monitor *monitor, struct slice project, struct slice batch_id) {
	struct tally_counts counts = tally_sum(&snapshot_view(monitor->snapshot)->tally, project, SLICE(""));
	int64_t sum = 0;
	for (size_t i = 0; i < TALLY_STATUSES; i++)
		sum += counts.of[i];
	if (batch_id.length > 0)
		return " FORCE INDEX (batch)";
	return sum < SMALL_PROJECT_TASKS ? " FORCE INDEX (task)" : "";
}
