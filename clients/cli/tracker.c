/* A table of tasks and their statuses, kept up to date by events. */
#include "tracker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/memory.h"
#include "../../shared/base/table.h"
#include "../../subjects/subjects.h"

const char *const tracked_words[TRACKED_STATUSES] = { "blocked",   "pending", "running",   "retry",
	                                                  "completed", "failed",  "cancelled", "skipped" };

enum {
	QUIET_LEAST_US = 5000000,
	QUIET_MOST_US = 60000000,
	SECOND_LOOK_US = 1000000,
	COMPLETE_US = 30000000,
	PAUSE_US = 100000,
	SINGLE_MOST = 50 /* more that are not there: the list of their batch is read */
};

struct tracker {
	struct cli *cli;
	char *project, *batch_id;
	tracker_changed *changed;
	void *context;
	struct table *tasks;
	struct table *wanted; /* what is expected, by task_id */
	char **expected;      /* the same in a row; owned */
	size_t expected_count, expected_capacity;
	size_t unsure; /* the expected from here on are known */
	struct json *json;
	size_t counts[TRACKED_STATUSES];
	bool rejected, reconnected;
	size_t dropped; /* messages that the connection had lost, when last looked at */
	int64_t last_event_us, quiet_us, loaded_us;
	size_t loads;
	char *last_id; /* of the task of the last event; NULL: no event yet */
	int64_t last_version;
	bool caught_up; /* the list, as last read, holds that event */
};

static bool status_of(struct slice word, enum tracked *status) {
	for (size_t i = 0; i < TRACKED_STATUSES; i++)
		if (slice_is(word, tracked_words[i])) {
			*status = (enum tracked)i;
			return true;
		}
	return false;
}

static void replace(char **field, struct slice value) {
	free(*field);
	*field = value.length > 0 ? slice_copy(value) : NULL;
}

/* Takes what a list or an event says of a task, unless something newer is known. */
static struct tracked_task *take(struct tracker *tracker, struct json_value about, int64_t at_us) {
	enum tracked status;
	struct slice task_id = json_text(json_member(about, "task_id"));
	if (task_id.length == 0 || !status_of(json_text(json_member(about, "status")), &status))
		return NULL;
	int64_t version = json_int(json_member(about, "version"), 0);
	struct tracked_task *task = table_get(tracker->tasks, task_id);
	if (task != NULL && version <= task->version)
		return NULL;
	if (task == NULL) {
		task = memory_new(sizeof *task);
		task->task_id = slice_copy(task_id);
		table_put(tracker->tasks, task_id, task);
	} else {
		tracker->counts[task->status]--;
	}
	tracker->counts[status]++;
	if (task->status != status || task->since_us == 0)
		task->since_us = at_us;
	task->status = status;
	task->version = version;
	task->attempt = json_int(json_member(about, "attempt"), 0);
	replace(&task->task_type, json_text(json_member(about, "task_type")));
	replace(&task->worker, json_text(json_member(about, "worker")));
	replace(&task->progress, (struct slice){ 0 });
	return task;
}

static int64_t time_of(struct json_value value) {
	struct slice text = json_text(value);
	int64_t at_us;
	return text.length > 0 && clock_parse(text.bytes, text.length, &at_us) ? at_us : 0;
}

static void on_event(void *context, const struct bus_message *message) {
	struct tracker *tracker = context;
	if (json_parse(tracker->json, message->body, NULL, NULL) != STATUS_OK)
		return;
	struct json_value event = json_root(tracker->json);
	struct slice batch_id = json_text(json_member(event, "batch_id"));
	bool known = table_get(tracker->tasks, json_text(json_member(event, "task_id"))) != NULL;
	if (tracker->batch_id != NULL && !known && !slice_is(batch_id, tracker->batch_id))
		return;
	tracker->last_event_us = clock_mono_us();
	if (slice_is(json_text(json_member(event, "status")), "rejected")) {
		tracker->rejected = true;
		if (tracker->changed != NULL)
			tracker->changed(tracker->context, NULL, event);
		return;
	}
	replace(&tracker->last_id, json_text(json_member(event, "task_id")));
	tracker->last_version = json_int(json_member(event, "version"), 0);
	struct tracked_task *task = take(tracker, event, time_of(json_member(event, "at")));
	if (task != NULL && tracker->changed != NULL)
		tracker->changed(tracker->context, task, event);
}

static void on_progress(void *context, const struct bus_message *message) {
	struct tracker *tracker = context;
	if (json_parse(tracker->json, message->body, NULL, NULL) != STATUS_OK)
		return;
	struct json_value root = json_root(tracker->json), progress = json_member(root, "progress");
	struct tracked_task *task = table_get(tracker->tasks, json_text(json_member(root, "task_id")));
	if (task == NULL || task->status != TRACKED_RUNNING)
		return;
	struct slice said = json_text(json_member(progress, "message"));
	if (said.length == 0)
		said = json_text(json_member(progress, "output"));
	replace(&task->progress, said.length > 0 ? said : json_raw(progress));
}

static void on_change(void *context, bool connected) {
	struct tracker *tracker = context;
	tracker->reconnected = tracker->reconnected || connected;
}

static int subscribe(struct tracker *tracker, const char *kind, const char *rest, bus_handler *handler) {
	struct text relative = { 0 };
	struct error err = { 0 };
	text_printf(&relative, "%s.%s.%s", kind, tracker->project, rest);
	char *subject = client_subject(tracker->cli, relative.bytes);
	enum status status = bus_subscribe(tracker->cli->bus, subject, NULL, handler, tracker, &err);
	if (status != STATUS_OK)
		fprintf(stderr, "corder: cannot subscribe to %s: %s\n", subject, err.message);
	free(subject);
	text_release(&relative);
	return status == STATUS_OK ? EXIT_DONE : EXIT_UNREACHABLE;
}

int tracker_open(struct cli *cli, const char *project, const char *batch_id, tracker_changed *changed, void *context,
                 struct tracker **tracker) {
	*tracker = NULL;
	int code = client_open(cli);
	if (code != EXIT_DONE)
		return code;
	struct tracker *new = memory_new(sizeof *new);
	new->cli = cli;
	new->project = slice_copy(slice_of(project));
	new->batch_id = batch_id != NULL ? slice_copy(slice_of(batch_id)) : NULL;
	new->changed = changed;
	new->context = context;
	new->tasks = table_open();
	new->wanted = table_open();
	new->json = json_open();
	new->last_event_us = clock_mono_us();
	new->quiet_us = QUIET_LEAST_US;
	*tracker = new;
	code = subscribe(new, "event", "*.*", on_event);
	if (code == EXIT_DONE)
		code = subscribe(new, "progress", "*", on_progress);
	bus_on_change(cli->bus, on_change, new);
	return code;
}

void tracker_close(struct tracker **tracker) {
	struct tracker *old = *tracker;
	if (old == NULL)
		return;
	bus_unsubscribe_all(old->cli->bus);
	bus_on_change(old->cli->bus, NULL, NULL);
	size_t at = 0;
	struct tracked_task *task;
	while (tracker_next(old, &at, &task)) {
		free(task->task_id);
		free(task->task_type);
		free(task->worker);
		free(task->progress);
		free(task);
	}
	for (size_t i = 0; i < old->expected_count; i++)
		free(old->expected[i]);
	free(old->expected);
	table_close(&old->wanted);
	table_close(&old->tasks);
	json_close(&old->json);
	free(old->project);
	free(old->batch_id);
	free(old->last_id);
	free(old);
	*tracker = NULL;
}

static void add_list_body(const struct tracker *tracker, const char *batch_id, struct slice after, struct text *body) {
	text_add(body, "{\"project\":");
	text_add_json(body, slice_of(tracker->project));
	if (batch_id != NULL) {
		text_add(body, ",\"batch_id\":");
		text_add_json(body, slice_of(batch_id));
	}
	if (after.length > 0) {
		text_add(body, ",\"after\":");
		text_add_json(body, after);
	}
	text_printf(body, ",\"limit\":%d}", LIMIT_LIST);
}

static void take_listed(struct tracker *tracker, struct json_value about, bool apart) {
	struct slice task_id = json_text(json_member(about, "task_id"));
	struct json_value since = json_member(about, "started_at");
	if (tracker->last_id != NULL && slice_is(task_id, tracker->last_id))
		tracker->caught_up = json_int(json_member(about, "version"), 0) >= tracker->last_version;
	take(tracker, about, time_of(json_given(since) ? since : json_member(about, "updated_at")));
	struct tracked_task *task = table_get(tracker->tasks, task_id);
	if (task != NULL) {
		task->load = tracker->loads;
		task->apart = apart;
	}
}

/* Reads the list of a batch, page by page; of another than the tracker's, what is expected. */
static int read_list(struct tracker *tracker, const char *batch_id, bool apart) {
	char *after = NULL;
	int code;
	do {
		struct text body = { 0 };
		struct answer answer;
		add_list_body(tracker, batch_id, slice_of(after), &body);
		code = client_ask(tracker->cli, SUBJECT_TASK_LIST, (struct slice){ body.bytes, body.length }, 0, &answer);
		struct json_value tasks = json_member(answer.root, "tasks");
		for (struct json_value task = json_first(tasks); json_present(task); task = json_next(task))
			if (!apart || table_get(tracker->wanted, json_text(json_member(task, "task_id"))) != NULL)
				take_listed(tracker, task, apart);
		replace(&after, json_text(json_member(answer.root, "next")));
		answer_release(&answer);
		text_release(&body);
	} while (code == EXIT_DONE && after != NULL);
	free(after);
	return code;
}

int tracker_load(struct tracker *tracker) {
	tracker->reconnected = tracker->caught_up = false;
	tracker->loads++;
	int code = read_list(tracker, tracker->batch_id, false);
	tracker->last_event_us = tracker->loaded_us = clock_mono_us();
	return code;
}

/* what is expected, and may have another batch ------------------------------------------------------------------- */

void tracker_expect(struct tracker *tracker, struct slice task_id) {
	if (tracker->expected_count == tracker->expected_capacity) {
		tracker->expected_capacity = tracker->expected_capacity == 0 ? 256 : tracker->expected_capacity * 2;
		tracker->expected = memory_resize(tracker->expected, tracker->expected_capacity, sizeof *tracker->expected);
	}
	char *copy = slice_copy(task_id);
	tracker->expected[tracker->expected_count++] = copy;
	tracker->unsure = tracker->expected_count;
	table_put(tracker->wanted, task_id, copy);
}

bool tracker_misses(struct tracker *tracker) {
	while (tracker->unsure > 0 && table_get(tracker->tasks, slice_of(tracker->expected[tracker->unsure - 1])) != NULL)
		tracker->unsure--; /* what is known stays known */
	return tracker->unsure > 0;
}

static bool has_ended(const struct tracked_task *task) {
	return task->status >= TRACKED_COMPLETED;
}

/* One task, whatever its batch, which *batch_id becomes: NULL when it has none. */
static int look_up(struct tracker *tracker, const char *task_id, bool *found, char **batch_id) {
	struct text body = { 0 };
	struct answer answer;
	text_add(&body, "{\"project\":");
	text_add_json(&body, slice_of(tracker->project));
	text_add(&body, ",\"task_id\":");
	text_add_json(&body, slice_of(task_id));
	text_add_char(&body, '}');
	int code = client_ask_quiet(tracker->cli, SUBJECT_TASK_GET, (struct slice){ body.bytes, body.length }, 0, &answer);
	struct json_value about = json_member(answer.root, "task");
	struct slice batch = json_text(json_member(about, "batch_id"));
	*found = code == EXIT_DONE;
	replace(batch_id, batch);
	if (code == EXIT_DONE) {
		take_listed(tracker, about, tracker->batch_id != NULL && !slice_is(batch, tracker->batch_id));
	} else if (code == EXIT_REFUSED) {
		bool absent = slice_is(json_text(json_member(json_member(answer.root, "error"), "code")), CODE_NOT_FOUND);
		code = absent ? EXIT_DONE : client_tell_refusal(tracker->cli, answer.root);
	}
	answer_release(&answer);
	text_release(&body);
	return code;
}

int tracker_look_up(struct tracker *tracker) {
	char *batch_id = NULL;
	int code = EXIT_DONE;
	size_t singly = 0;
	bool found = false;
	for (size_t i = 0; i < tracker->expected_count && code == EXIT_DONE; i++) {
		struct tracked_task *task = table_get(tracker->tasks, slice_of(tracker->expected[i]));
		if (task != NULL && (!task->apart || has_ended(task) || task->load == tracker->loads))
			continue;
		code = look_up(tracker, tracker->expected[i], &found, &batch_id);
		task = table_get(tracker->tasks, slice_of(tracker->expected[i]));
		if (!found || task == NULL || !task->apart)
			break; /* not admitted yet, or not in the list yet: the others come with it */
		if (batch_id != NULL && ++singly % SINGLE_MOST == 0)
			code = read_list(tracker, batch_id, true);
	}
	free(batch_id);
	return code;
}

int tracker_complete(struct tracker *tracker) {
	int64_t until_us = clock_mono_us() + COMPLETE_US;
	int code = EXIT_DONE;
	for (size_t before = SIZE_MAX; code == EXIT_DONE && clock_mono_us() < until_us;) {
		code = tracker_load(tracker);
		bool same = tracker->last_id == NULL && tracker_total(tracker) == before;
		if (code != EXIT_DONE || same || tracker->caught_up || tracker_open_count(tracker) > 0)
			break;
		before = tracker_total(tracker);
		if (!client_turn(tracker->cli, PAUSE_US))
			code = EXIT_INTERRUPTED;
	}
	return code;
}

void tracker_add(struct tracker *tracker, struct slice task_id, struct slice status, bool apart) {
	enum tracked known;
	if (table_get(tracker->tasks, task_id) != NULL || !status_of(status, &known))
		return;
	struct tracked_task *task = memory_new(sizeof *task);
	task->task_id = slice_copy(task_id);
	task->status = known;
	task->apart = apart;
	table_put(tracker->tasks, task_id, task);
	tracker->counts[known]++;
}

int tracker_turn(struct tracker *tracker, int64_t wait_us) {
	if (!client_turn(tracker->cli, wait_us))
		return EXIT_INTERRUPTED;
	if (bus_dropped(tracker->cli->bus) != tracker->dropped) {
		tracker->dropped = bus_dropped(tracker->cli->bus);
		tracker->reconnected = true;
	}
	bool quiet = clock_mono_us() - tracker->last_event_us > tracker->quiet_us;
	if (tracker->loads == 1 && clock_mono_us() - tracker->loaded_us > SECOND_LOOK_US)
		tracker->reconnected = true; /* the first look may have come before MySQL had all of it */
	if (!quiet && !tracker->reconnected)
		return EXIT_DONE;
	int64_t longer_us = tracker->quiet_us * 2;
	tracker->quiet_us = quiet ? (longer_us < QUIET_MOST_US ? longer_us : QUIET_MOST_US) : QUIET_LEAST_US;
	int code = tracker_load(tracker);
	return code == EXIT_DONE ? tracker_look_up(tracker) : code;
}

const size_t *tracker_counts(const struct tracker *tracker) {
	return tracker->counts;
}

size_t tracker_total(const struct tracker *tracker) {
	return table_count(tracker->tasks);
}

size_t tracker_open_count(const struct tracker *tracker) {
	const size_t *counts = tracker->counts;
	return counts[TRACKED_BLOCKED] + counts[TRACKED_PENDING] + counts[TRACKED_RUNNING] + counts[TRACKED_RETRY];
}

bool tracker_rejected(const struct tracker *tracker) {
	return tracker->rejected;
}

bool tracker_next(const struct tracker *tracker, size_t *at, struct tracked_task **task) {
	struct slice key;
	void *value;
	bool more = table_next(tracker->tasks, at, &key, &value);
	*task = more ? value : NULL;
	return more;
}
