/* Waiting for tasks to end: events tell, and looks at the tasks themselves cover what no event told: what had ended before, a
 * stream that was cut, replaced, or is switched off. */
#include <stdlib.h>
#include <string.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/memory.h"
#include "../../subjects/subjects.h"
#include "inside.h"

enum { FIRST_LOOK_MS = 1000, LAST_LOOK_MS = 15000, AT_ONCE = 32, SINGLY = 100 };

struct wait {
	struct corder *client;
	corder_waited *handler;
	void *context;
	char *project, *batch_id; /* batch_id: NULL: none */
	struct outcomes *outcomes;
	size_t enough;
	bool may_come; /* the tasks were enqueued, and may not be there yet */
	bool whole;    /* a batch by its id: its tasks are found out by looks */
	bool listed;   /* … and two of them have found the same */
	bool first;    /* the first look */
	bool look_first;
	size_t seen_before;
	struct corder_events *events;
	struct corder_filter filter;
	struct json *json;
	struct loop_timer *timeout, *again;
	int64_t look_ms;
	char **looks; /* ids still to be looked at in this round */
	size_t look_count, look_at;
	char *after; /* page of the list */
	bool listing;
	int pending; /* requests under way */
	bool ended;
};

static void wait_free(struct wait *wait) {
	if (wait->pending > 0)
		return;
	if (wait->outcomes != NULL)
		outcomes_close(&wait->outcomes);
	for (size_t i = 0; i < wait->look_count; i++)
		free(wait->looks[i]);
	free(wait->looks);
	free(wait->after);
	free(wait->project);
	free(wait->batch_id);
	json_close(&wait->json);
	free(wait);
}

static void end(struct wait *wait, const struct corder_error *error) {
	struct corder_error said = *error;
	bool has_some = said.status == CORDER_OK || said.status == CORDER_TIMEOUT;
	corder_waited *handler = wait->handler;
	void *context = wait->context;
	if (wait->ended)
		return;
	wait->ended = true;
	corder_events_close(&wait->events);
	loop_timer_stop(wait->client->loop, &wait->timeout);
	loop_timer_stop(wait->client->loop, &wait->again);
	struct corder_outcomes *given = outcomes_give(has_some ? wait->outcomes : outcomes_open());
	if (has_some)
		wait->outcomes = NULL;
	wait_free(wait);
	handler(context, given, &said);
}

static bool is_enough(const struct wait *wait) {
	size_t open = outcomes_open_count(wait->outcomes), finished = outcomes_finished_count(wait->outcomes);
	if (wait->whole && !wait->listed)
		return false;
	return open == 0 || (wait->enough > 0 && finished >= wait->enough);
}

/* True when that was the end. */
static bool end_if_enough(struct wait *wait) {
	static const struct corder_error none = { 0 };
	if (!is_enough(wait))
		return false;
	end(wait, &none);
	return true;
}

/* ---- events */

static bool is_ours(const struct wait *wait, struct json_value event) {
	return outcomes_is_open(wait->outcomes, json_text(json_member(event, "task_id"))) ||
	       (wait->whole && slice_is(json_text(json_member(event, "batch_id")), wait->batch_id));
}

static void heed_rejection(struct wait *wait, struct json_value event) {
	struct slice task_id = json_text(json_member(event, "task_id"));
	struct slice batch_id = json_text(json_member(event, "batch_id"));
	bool ours = task_id.length > 0
	                ? outcomes_is_open(wait->outcomes, task_id)
	                : batch_id.length > 0 && wait->batch_id != NULL && slice_is(batch_id, wait->batch_id);
	struct corder_error error = { 0 };
	if (!ours)
		return;
	corder_read_refusal(event, &error);
	end(wait, &error);
}

static void heed(struct wait *wait, const struct corder_event *said) {
	if (json_parse(wait->json, (struct slice){ said->body, said->length }, NULL, NULL) != STATUS_OK)
		return;
	struct json_value event = json_root(wait->json);
	if (strcmp(said->status, "rejected") == 0) {
		heed_rejection(wait, event);
		return;
	}
	if (!is_ours(wait, event))
		return;
	if (!corder_is_final(slice_of(said->status))) {
		outcomes_expect(wait->outcomes, slice_of(said->task_id));
		return;
	}
	outcomes_note(wait->outcomes, event);
	end_if_enough(wait);
}

static void look_around(struct wait *wait);

static void listen_anew(void *context);

static void on_event(void *context, const struct corder_event *event) {
	struct wait *wait = context;
	if (event->news == CORDER_READY && wait->first) {
		wait->first = false;
		look_around(wait);
	} else if (event->news == CORDER_EVENT) {
		heed(wait, event);
	} else if (event->news == CORDER_FAILED) {
		/* The stream does not hold where we wanted to begin: from now on, and looks for what was before. */
		wait->filter.since = CORDER_SINCE_NOW;
		wait->look_first = true;
		wait->again = loop_timer_start(wait->client->loop, 0, listen_anew, wait);
	} /* what is lost is found by the looks */
}

static void listen_anew(void *context) {
	struct wait *wait = context;
	wait->again = NULL;
	corder_events_close(&wait->events);
	wait->events = corder_events_open(wait->client, &wait->filter, on_event, wait, NULL);
}

/* ---- looks */

static void look_on(struct wait *wait);

static void look_again(void *context) {
	struct wait *wait = context;
	wait->again = NULL;
	look_around(wait);
}

static void end_round(struct wait *wait) {
	if (end_if_enough(wait))
		return;
	wait->look_ms = wait->look_ms == 0 ? FIRST_LOOK_MS : wait->look_ms * 2;
	wait->look_ms = wait->look_ms < LAST_LOOK_MS ? wait->look_ms : LAST_LOOK_MS;
	wait->look_first = true; /* from now on all looks are at everything */
	loop_timer_stop(wait->client->loop, &wait->again);
	wait->again = loop_timer_start(wait->client->loop, clock_mono_us() + wait->look_ms * 1000, look_again, wait);
}

/* True when the wait is over, or was before. */
static bool is_over(struct wait *wait, const struct corder_reply *reply, bool may_miss) {
	wait->pending--;
	if (wait->ended) {
		wait_free(wait);
		return true;
	}
	bool missing = strcmp(reply->error.code, CODE_NOT_FOUND) == 0;
	if (reply->status == CORDER_REFUSED && !(missing && may_miss)) {
		end(wait, &reply->error);
		return true;
	}
	return false;
}

static void on_task(void *context, const struct corder_reply *reply) {
	struct wait *wait = context;
	if (is_over(wait, reply, wait->may_come))
		return;
	struct json *json =
		reply->status == CORDER_OK ? json_read((struct slice){ reply->body, reply->length }, NULL) : NULL;
	struct json_value task = json != NULL ? json_member(json_root(json), "task") : (struct json_value){ 0 };
	if (corder_is_final(json_text(json_member(task, "status"))))
		outcomes_note(wait->outcomes, task);
	json_close(&json);
	if (!end_if_enough(wait))
		look_on(wait);
}

static void ask_task(struct wait *wait, const char *task_id) {
	struct text body = { 0 };
	text_add(&body, "{\"project\":");
	text_add_json(&body, slice_of(wait->project));
	text_add(&body, ",\"task_id\":");
	text_add_json(&body, slice_of(task_id));
	text_add_char(&body, '}');
	wait->pending++;
	corder_ask(wait->client, &(struct corder_request){ .subject = SUBJECT_TASK_GET, .body = body.bytes }, on_task,
	           wait);
	text_release(&body);
}

/* So many at a time, until all of the round are done. */
static void look_on(struct wait *wait) {
	while (wait->look_at < wait->look_count && wait->pending < AT_ONCE) {
		const char *task_id = wait->looks[wait->look_at++];
		if (outcomes_is_open(wait->outcomes, slice_of(task_id)))
			ask_task(wait, task_id);
	}
	if (wait->pending == 0 && !wait->listing)
		end_round(wait);
}

static void look_later(struct wait *wait, struct slice task_id) {
	wait->looks = memory_resize(wait->looks, wait->look_count + 1, sizeof *wait->looks);
	wait->looks[wait->look_count++] = slice_copy(task_id);
}

static void list(struct wait *wait);

/* A list is read from MySQL, which may be behind: a batch that is known by its id alone is taken as whole when two looks
 * have found the same. */
static void end_list(struct wait *wait) {
	size_t found = outcomes_open_count(wait->outcomes) + outcomes_finished_count(wait->outcomes);
	wait->listing = false;
	if (wait->whole && found > 0) {
		wait->listed = wait->listed || wait->seen_before == found;
		wait->seen_before = found;
	}
	look_on(wait);
}

static void on_list(void *context, const struct corder_reply *reply) {
	struct wait *wait = context;
	if (is_over(wait, reply, true))
		return;
	struct json *json =
		reply->status == CORDER_OK ? json_read((struct slice){ reply->body, reply->length }, NULL) : NULL;
	struct json_value root = json != NULL ? json_root(json) : (struct json_value){ 0 };
	struct json_value task = json_first(json_member(root, "tasks"));
	for (; json_present(task); task = json_next(task)) {
		struct slice task_id = json_text(json_member(task, "task_id"));
		if (wait->whole)
			outcomes_expect(wait->outcomes, task_id);
		/* Lists have no results. */
		if (corder_is_final(json_text(json_member(task, "status"))) && outcomes_is_open(wait->outcomes, task_id))
			look_later(wait, task_id);
	}
	free(wait->after);
	struct slice next = json_text(json_member(root, "next"));
	wait->after = next.length > 0 ? slice_copy(next) : NULL;
	json_close(&json);
	if (wait->after != NULL)
		list(wait);
	else
		end_list(wait);
}

static void list(struct wait *wait) {
	struct text body = { 0 };
	text_add(&body, "{\"project\":");
	text_add_json(&body, slice_of(wait->project));
	text_add(&body, ",\"batch_id\":");
	text_add_json(&body, slice_of(wait->batch_id));
	if (wait->after != NULL) {
		text_add(&body, ",\"after\":");
		text_add_json(&body, slice_of(wait->after));
	}
	text_printf(&body, ",\"limit\":%d}", LIMIT_LIST);
	wait->listing = true;
	wait->pending++;
	corder_ask(wait->client, &(struct corder_request){ .subject = SUBJECT_TASK_LIST, .body = body.bytes }, on_list,
	           wait);
	text_release(&body);
}

static void look_around(struct wait *wait) {
	for (size_t i = 0; i < wait->look_count; i++)
		free(wait->looks[i]);
	wait->look_count = wait->look_at = 0;
	bool many = wait->batch_id != NULL && outcomes_open_count(wait->outcomes) > SINGLY;
	if (wait->look_first && (wait->whole || many)) {
		list(wait);
		return;
	}
	size_t count = 0;
	char **ids = outcomes_open_ids(wait->outcomes, &count);
	for (size_t i = 0; wait->look_first && i < count; i++)
		look_later(wait, slice_of(ids[i]));
	free(ids);
	look_on(wait);
}

/* ---- beginning */

static void on_timeout(void *context) {
	struct wait *wait = context;
	struct corder_error error;
	wait->timeout = NULL;
	corder_fail(&error, CORDER_TIMEOUT, "%zu tasks have ended in time, %zu have not",
	            outcomes_finished_count(wait->outcomes), outcomes_open_count(wait->outcomes));
	end(wait, &error);
}

static void fail_soon(void *context) {
	struct wait *wait = context;
	struct corder_error error;
	wait->again = NULL;
	if (corder_project(wait->client, wait->project, false, &error) != NULL)
		corder_fail(&error, CORDER_USAGE, "what to wait for: task_ids, a submission or a batch_id");
	end(wait, &error);
}

static void end_soon(void *context) {
	struct wait *wait = context;
	wait->again = NULL;
	end_if_enough(wait);
}

static void read_submission(struct wait *wait, const struct corder_submission *submission) {
	if (submission->batch_id[0] != 0)
		wait->batch_id = slice_copy(slice_of(submission->batch_id));
	for (size_t i = 0; i < submission->count; i++)
		outcomes_expect(wait->outcomes, slice_of(submission->task_ids[i]));
	wait->may_come = submission->enqueued;
	/* Of what was new when it was submitted, the events since then tell everything. */
	wait->look_first = !submission->has_position || submission->enqueued || submission->duplicates > 0;
	if (submission->has_position) {
		wait->filter.since = CORDER_SINCE_POSITION;
		wait->filter.position = submission->position;
	}
}

static void read_target(struct wait *wait, const struct corder_wait *what) {
	wait->look_first = true;
	if (what->submission != NULL) {
		read_submission(wait, what->submission);
	} else if (what->task_ids != NULL) {
		for (size_t i = 0; i < what->task_id_count; i++)
			outcomes_expect(wait->outcomes, slice_of(what->task_ids[i]));
	} else if (what->batch_id != NULL) {
		wait->batch_id = slice_copy(slice_of(what->batch_id));
		wait->whole = true;
	}
}

void corder_wait(struct corder *client, const struct corder_wait *what, corder_waited *handler, void *context) {
	struct wait *wait = memory_new(sizeof *wait);
	const char *given = what->project == NULL && what->submission != NULL ? what->submission->project : what->project;
	const char *project = corder_project(client, given, false, NULL);
	bool has_target = what->submission != NULL || what->task_ids != NULL || what->batch_id != NULL;
	wait->client = client;
	wait->handler = handler;
	wait->context = context;
	wait->json = json_open();
	wait->outcomes = outcomes_open();
	wait->enough = what->enough;
	wait->first = true;
	wait->project = project != NULL ? slice_copy(slice_of(project)) : NULL;
	if (project == NULL || !has_target) {
		wait->again = loop_timer_start(client->loop, 0, fail_soon, wait);
		return;
	}
	read_target(wait, what);
	wait->filter.project = wait->project;
	if (is_enough(wait)) {
		wait->again = loop_timer_start(client->loop, 0, end_soon, wait);
		return;
	}
	if (what->timeout_ms > 0)
		wait->timeout = loop_timer_start(client->loop, clock_mono_us() + what->timeout_ms * 1000, on_timeout, wait);
	wait->events = corder_events_open(client, &wait->filter, on_event, wait, NULL);
}
