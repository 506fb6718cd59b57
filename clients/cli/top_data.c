/* What is so, from the monitor's answers to `status` and `task.list`, and what happens, from the events. Nothing here
 * waits: an answer that does not come leaves the last one standing, and says so. */
#include <stdlib.h>
#include <string.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/memory.h"
#include "../../shared/base/table.h"
#include "../../subjects/subjects.h"
#include "fields.h"
#include "top.h"

enum {
	ASK_TIMEOUT_MS = 3000,
	LIST_EVERY_US = 20000000,
	LIST_SOON_US = 2000000,
	GONE_KEPT_US = 60000000,
	LIST_MOST = 200,
	QUEUES_MOST = 1000
};

const char *const top_status_words[TOP_STATUSES] = { "pending",   "running", "blocked",   "retry",
	                                                 "completed", "failed",  "cancelled", "skipped" };

/* small things --------------------------------------------------------------------------------------------------- */

static void set(char **text, struct slice value) {
	free(*text);
	*text = value.bytes != NULL ? slice_copy(value) : NULL;
}

static struct top_queue *queue_of(struct top_data *data, struct slice task_type) {
	struct top_queue *queue = table_get(data->by_type, task_type);
	if (queue != NULL || data->queue_count >= QUEUES_MOST)
		return queue;
	queue = memory_new(sizeof *queue);
	queue->task_type = slice_copy(task_type);
	queue->oldest_s = -1;
	data->queues = memory_resize(data->queues, data->queue_count + 1, sizeof *data->queues);
	data->queues[data->queue_count++] = queue;
	table_put(data->by_type, task_type, queue);
	return queue;
}

/* events --------------------------------------------------------------------------------------------------------- */

static void failure_release(struct top_failure *failure) {
	free(failure->project);
	free(failure->task_id);
	free(failure->task_type);
	free(failure->code);
	free(failure->message);
	*failure = (struct top_failure){ 0 };
}

static void note_failure(struct top_data *data, struct slice project, struct json_value event, bool is_final) {
	struct top_failure *failure = &data->failures[data->failure_count++ % TOP_FAILURES];
	struct json_value error = json_member(event, "error");
	failure_release(failure);
	set(&failure->project, project);
	set(&failure->task_id, json_text(json_member(event, "task_id")));
	set(&failure->task_type, json_text(json_member(event, "task_type")));
	set(&failure->code, json_text(json_member(error, "code")));
	set(&failure->message, json_text(json_member(error, "message")));
	failure->at_us = field_time(json_member(event, "at"));
	failure->is_final = is_final;
}

static void count(struct top_data *data, struct slice task_type, enum top_rate rate) {
	struct top_queue *queue = queue_of(data, task_type);
	int64_t now_s = clock_mono_us() / 1000000;
	top_rates_add(&data->rates, now_s, rate);
	if (queue != NULL)
		top_rates_add(&queue->rates, now_s, rate);
}

static void on_event(void *context, const struct bus_message *message) {
	struct top_data *data = context;
	if (json_parse(data->json, message->body, NULL, NULL) != STATUS_OK)
		return;
	struct json_value event = json_root(data->json);
	struct slice project = json_text(json_member(event, "project")), type = json_text(json_member(event, "task_type"));
	struct slice status = json_text(json_member(event, "status")), previous = json_text(json_member(event, "previous"));
	if (data->project != NULL && !slice_is(project, data->project))
		return;
	if (json_text(json_member(event, "task_id")).length == 0 || slice_equal(status, previous))
		return;
	if (previous.length == 0 && !slice_is(status, "rejected"))
		count(data, type, TOP_IN);
	if (slice_is(status, "running"))
		count(data, type, TOP_STARTED);
	if (slice_is(status, "completed"))
		count(data, type, TOP_DONE);
	if (slice_is(status, "failed"))
		count(data, type, TOP_FAILED);
	if (slice_is(status, "failed") || slice_is(status, "retry"))
		note_failure(data, project, event, slice_is(status, "failed"));
	if (slice_is(status, "running") || slice_is(previous, "running"))
		top_running_note(data, project, event, slice_is(status, "running"));
	data->changes++;
}

/* status --------------------------------------------------------------------------------------------------------- */

static void take_health(struct top_data *data, struct json_value health) {
	struct json_value checks = json_member(health, "checks");
	set(&data->health, json_text(json_member(health, "status")));
	data->check_count = 0;
	for (struct json_value check = json_first(checks); json_present(check) && data->check_count < TOP_CHECKS;
	     check = json_next(check)) {
		struct slice verdict = json_text(json_member(check, "status"));
		if (slice_is(verdict, "ok"))
			continue;
		struct top_check *found = &data->checks[data->check_count++];
		set(&found->name, json_text(json_member(check, "name")));
		set(&found->message, json_text(json_member(check, "message")));
		set(&found->advice, json_text(json_member(check, "advice")));
		found->is_critical = slice_is(verdict, "critical");
	}
}

static void take_queues(struct top_data *data, struct json_value queues) {
	for (size_t i = 0; i < data->queue_count; i++) {
		data->queues[i]->pending = data->queues[i]->running = 0;
		data->queues[i]->oldest_s = -1;
		data->queues[i]->paused = false;
	}
	for (struct json_value one = json_first(queues); json_present(one); one = json_next(one)) {
		struct top_queue *queue = queue_of(data, json_text(json_member(one, "task_type")));
		if (queue == NULL)
			continue;
		queue->pending = json_int(json_member(one, "pending_count"), 0);
		queue->running = json_int(json_member(one, "running_count"), 0);
		queue->oldest_s = json_double(json_member(one, "oldest_ready_s"), -1);
		queue->paused = json_bool(json_member(one, "paused"), false);
	}
}

static void take_status(struct top_data *data, struct json_value root) {
	struct slice project = json_text(json_member(root, "project"));
	if (!slice_equal(project, slice_of(data->project)))
		return; /* it was asked before another project was chosen */
	for (size_t i = 0; i < TOP_STATUSES; i++) {
		char name[32];
		snprintf(name, sizeof name, "%s_count", top_status_words[i]);
		data->counts[i] = json_int(json_member(root, name), 0);
	}
	data->average_wait_s = json_double(json_member(root, "average_wait_time"), -1);
	take_health(data, json_member(root, "queue_health"));
	take_queues(data, json_member(root, "queues"));
	data->answered_us = clock_mono_us();
}

/* Parses the answer; NULL, with what is wrong in data->trouble, when it is none. */
static struct json *read_answer(struct top_data *data, enum status status, const struct bus_message *message) {
	struct json *json = status == STATUS_OK ? json_read(message->body, NULL) : NULL;
	bool ok = json != NULL && json_bool(json_member(json_root(json), "ok"), false);
	if (ok)
		set(&data->trouble, (struct slice){ 0 });
	else if (json != NULL)
		set(&data->trouble, json_text(json_member(json_member(json_root(json), "error"), "message")));
	else
		set(&data->trouble, bus_connected(data->cli->bus) ? SLICE("no monitor answers") : SLICE("NATS is away"));
	if (!ok)
		json_close(&json);
	data->changes++;
	return json;
}

static void on_status(void *context, enum status status, const struct bus_message *message) {
	struct top_data *data = context;
	struct json *json = read_answer(data, status, message);
	data->is_asking = false;
	if (json != NULL)
		take_status(data, json_root(json));
	json_close(&json);
}

static void on_list(void *context, enum status status, const struct bus_message *message) {
	struct top_data *data = context;
	struct json *json = status == STATUS_OK ? json_read(message->body, NULL) : NULL;
	data->is_listing = false;
	if (json != NULL && json_bool(json_member(json_root(json), "ok"), false))
		top_running_take_list(data, json_root(json));
	json_close(&json);
	data->changes++;
}

/* asking --------------------------------------------------------------------------------------------------------- */

static void ask(struct top_data *data, const char *relative, struct text *body, bus_reply_handler *handler) {
	char *subject = client_subject(data->cli, relative);
	body_end(body);
	bus_request(data->cli->bus, subject, NULL, 0, text_slice(body), ASK_TIMEOUT_MS, handler, data);
	text_release(body);
	free(subject);
}

void top_data_refresh(struct top_data *data) {
	int64_t now_us = clock_mono_us();
	struct text body = { 0 };
	if (!data->is_asking && (data->asked_us == 0 || now_us - data->asked_us >= data->interval_us)) {
		data->is_asking = true;
		data->asked_us = now_us;
		body_add(&body, "project", data->project);
		body_add_int(&body, "window_s", 60);
		ask(data, SUBJECT_STATUS, &body, on_status);
	}
	/* What MySQL said first may have been old: it is asked once more soon. */
	int64_t every_us = data->lists < 2 ? LIST_SOON_US : LIST_EVERY_US;
	if (!data->is_listing && (data->listed_us == 0 || now_us - data->listed_us >= every_us)) {
		data->is_listing = true;
		data->lists++;
		data->listed_us = now_us;
		body_add(&body, "project", data->project);
		body_add(&body, "status", "running");
		body_add_int(&body, "limit", LIST_MOST);
		ask(data, SUBJECT_TASK_LIST, &body, on_list);
	}
}

static void forget_queues(struct top_data *data) {
	for (size_t i = 0; i < data->queue_count; i++) {
		table_remove(data->by_type, slice_of(data->queues[i]->task_type));
		free(data->queues[i]->task_type);
		free(data->queues[i]);
	}
	data->queue_count = 0;
}

void top_data_choose(struct top_data *data, const char *project) {
	set(&data->project, project != NULL ? slice_of(project) : (struct slice){ 0 });
	top_running_forget(data);
	forget_queues(data);
	data->rates = (struct top_rates){ 0 };
	data->failure_count = 0;
	data->since_s = clock_mono_us() / 1000000;
	data->asked_us = data->listed_us = 0;
	data->lists = 0;
	data->changes++;
}

const struct top_failure *top_data_failure(const struct top_data *data, size_t i) {
	if (i >= data->failure_count || i >= TOP_FAILURES)
		return NULL;
	return &data->failures[(data->failure_count - 1 - i) % TOP_FAILURES];
}

int top_data_open(struct top_data *data, struct cli *cli, const char *project, double interval_s) {
	struct error err = { 0 };
	data->cli = cli;
	data->interval_us = (int64_t)(interval_s * 1e6);
	data->average_wait_s = -1;
	data->json = json_open();
	data->by_type = table_open();
	data->running = table_open();
	data->workers = table_open();
	top_data_choose(data, project);
	char *subject = client_subject(cli, "event.*.*.*");
	enum status status = bus_subscribe(cli->bus, subject, NULL, on_event, data, &err);
	if (status != STATUS_OK)
		fprintf(stderr, "corder: cannot subscribe to %s: %s\n", subject, err.message);
	free(subject);
	return status == STATUS_OK ? EXIT_DONE : EXIT_UNREACHABLE;
}

void top_data_close(struct top_data *data) {
	if (data->json == NULL)
		return;
	top_running_forget(data);
	forget_queues(data);
	for (size_t i = 0; i < TOP_FAILURES; i++)
		failure_release(&data->failures[i]);
	for (size_t i = 0; i < TOP_CHECKS; i++) {
		free(data->checks[i].name);
		free(data->checks[i].message);
		free(data->checks[i].advice);
	}
	table_close(&data->by_type);
	table_close(&data->running);
	table_close(&data->workers);
	json_close(&data->json);
	free(data->queues);
	free(data->project);
	free(data->health);
	free(data->trouble);
}
