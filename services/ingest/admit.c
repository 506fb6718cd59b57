/* The way to the scheduler: a request to the project's partition, repeated while the client is likely to wait. A repeat is
 * harmless: what the first one admitted is a duplicate to the second. */
#include <stdio.h>
#include <string.h>

#include "ingest.h"
#include "shared/base/clock.h"
#include "shared/base/id.h"
#include "shared/state/state.h"

enum { TRY_MS = 4000, FIRST_PAUSE_MS = 50, LONGEST_PAUSE_MS = 1000 };

/* sending -------------------------------------------------------------------------------------------------------- */

static void send_now(void *context);

int64_t admit_partition(const struct submission *s) {
	return state_partition_of(slice_of(s->project), s->ingest->settings->common.partitions);
}

static int64_t left_ms(const struct submission *s) {
	return (s->deadline_us - clock_mono_us()) / 1000;
}

static void try_again(struct submission *s) {
	int64_t pause_ms = FIRST_PAUSE_MS << (s->tries < 6 ? s->tries : 6);
	pause_ms = pause_ms > LONGEST_PAUSE_MS ? LONGEST_PAUSE_MS : pause_ms;
	pause_ms += (int64_t)(id_random() % (uint64_t)(pause_ms / 2 + 1));
	s->tries++;
	if (left_ms(s) <= pause_ms) {
		submission_unavailable(s, s->why[0] != '\0' ? s->why : "the scheduler could not answer in time");
		return;
	}
	s->timer = loop_timer_start(s->ingest->loop, clock_mono_us() + pause_ms * 1000, send_now, s);
}

/* "unavailable", the reason: told when it is the last word. */
static void note_why(struct submission *s, struct slice reply) {
	slice_cut(&reply, RECORD_US);
	struct slice why = reply.bytes != NULL ? slice_cut(&reply, RECORD_US) : SLICE("");
	snprintf(s->why, sizeof(s->why), "%.*s", (int)why.length, why.bytes);
}

static void on_reply(void *context, enum status status, const struct bus_message *message) {
	struct submission *s = context;
	static const char unavailable[] = CODE_UNAVAILABLE;
	const size_t length = sizeof(unavailable) - 1;
	struct slice reply = message != NULL ? message->body : SLICE("");
	bool says_so = reply.length >= length && memcmp(reply.bytes, unavailable, length) == 0;
	if (says_so)
		note_why(s, reply);
	if (status != STATUS_OK || (says_so && !s->one_answer))
		try_again(s);
	else
		s->answered(s, reply);
}

static void send_now(void *context) {
	struct submission *s = context;
	int64_t timeout_ms = left_ms(s);
	s->timer = NULL;
	if (s->try_timeout_ms > 0 && timeout_ms > s->try_timeout_ms)
		timeout_ms = s->try_timeout_ms;
	bus_request(s->ingest->bus,
	            service_full_subject(s->ingest->service, "internal.%s.%lld", s->verb, (long long)admit_partition(s)),
	            NULL, 0, (struct slice){ s->body.bytes, s->body.length }, timeout_ms > 0 ? timeout_ms : 1, on_reply, s);
}

void admit_send(struct submission *s, const char *verb, int64_t try_timeout_ms, admit_answered *answered) {
	s->verb = verb;
	s->try_timeout_ms = try_timeout_ms;
	s->answered = answered;
	send_now(s);
}

void admit_header(struct submission *s, const char *mode) {
	text_clear(&s->body);
	text_printf(&s->body, "%s%c%s%c%s%c%s%c%s", s->project, RECORD_US, s->batch_id, RECORD_US, mode, RECORD_US,
	            s->archived ? "archived" : "", RECORD_US, s->traceparent);
}

/* verdicts ------------------------------------------------------------------------------------------------------- */

/* The ids of a refusal, as the member `tasks`. */
static void add_tasks(struct text *out, struct slice ids) {
	text_add(out, "\"tasks\":[");
	for (bool first = true; ids.bytes != NULL; first = false) {
		struct slice id = slice_cut(&ids, RECORD_RS);
		if (!first)
			text_add_char(out, ',');
		text_add_json(out, id);
	}
	text_add_char(out, ']');
}

static void refuse(struct submission *s, struct slice head, struct slice ids) {
	struct error err = { 0 };
	struct text extra = { 0 };
	struct slice code = slice_cut(&head, RECORD_US);
	struct slice message = head.bytes != NULL ? slice_cut(&head, RECORD_US) : SLICE("");
	struct slice path = head.bytes != NULL ? head : SLICE("");
	char code_text[24], path_text[160];
	snprintf(code_text, sizeof(code_text), "%.*s", (int)code.length, code.bytes);
	snprintf(path_text, sizeof(path_text), "%.*s", (int)path.length, path.length > 0 ? path.bytes : "");
	reject(&err, code.length > 0 ? code_text : CODE_INTERNAL, path_text, "%.*s", (int)message.length,
	       message.length > 0 ? message.bytes : "");
	if (ids.bytes != NULL && ids.length > 0)
		add_tasks(&extra, ids);
	submission_fail(s, &err, extra.length > 0 ? extra.bytes : "");
	text_release(&extra);
}

bool admit_take_verdict(struct submission *s, struct slice reply) {
	struct slice rest = reply;
	struct slice head = slice_cut(&rest, RECORD_GS);
	if (!slice_is(head, "ok")) {
		refuse(s, head, rest);
		return false;
	}
	while (rest.bytes != NULL && rest.length > 0) {
		struct slice item = slice_cut(&rest, RECORD_RS);
		if (item.length < 2)
			continue;
		text_add_char(&s->items, item.bytes[0]);
		text_add_char(&s->items, item.bytes[item.length - 1]);
	}
	return true;
}

/* one call's worth ----------------------------------------------------------------------------------------------- */

static void check_next(struct submission *s);

static void on_checked(struct submission *s, struct slice reply) {
	if (admit_take_verdict(s, reply))
		check_next(s);
}

/* A dry run of any size, slice by slice. */
static void check_next(struct submission *s) {
	if (s->at == s->plan.count) {
		submission_accept(s);
		return;
	}
	admit_header(s, "check");
	text_add_char(&s->body, RECORD_GS);
	plan_slice_to_check(&s->plan, &s->at, &s->body);
	s->tries = 0;
	s->deadline_us = clock_mono_us() + s->ingest->settings->admit_timeout_ms * 1000;
	admit_send(s, "admit", TRY_MS, on_checked);
}

static void on_admitted(struct submission *s, struct slice reply) {
	if (!admit_take_verdict(s, reply))
		return;
	if (s->items.length == (size_t)s->plan.count * 2) {
		submission_accept(s);
		return;
	}
	struct error err = { 0 };
	reject(&err, CODE_INTERNAL, "", "the scheduler's answer does not fit the submission");
	submission_fail(s, &err, "");
}

void admit_now(struct submission *s) {
	admit_header(s, "admit");
	text_add_char(&s->body, RECORD_GS);
	plan_slice(&s->plan, &s->at, &s->body);
	/* The database may take its time: only a lost request is repeated then, at the end of the client's patience. */
	admit_send(s, "admit", s->archived ? 0 : TRY_MS, on_admitted);
}

/* Who waits for the database does not keep others waiting for it. */
void admit(struct submission *s) {
	if (s->dry_run)
		check_next(s);
	else if (s->archived)
		admit_now(s);
	else
		lane_take(s);
}
