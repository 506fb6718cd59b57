/* The life of a submission: opened with its message, ended by exactly one answer, whichever way it came. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "forecast.h"
#include "ingest.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/task/hash.h"

enum { RETRY_DELAY_MS = 1000, SHOWN_BYTES = 1000, REJECT_TRY_MS = 4000, WORKING_MS = 5000 };
enum { DEPENDENCY_DELIVERIES = 8, DEPENDENCY_DELAY_MS = 100 }; /* each time as much longer: some 3 s in all */

/* The stream gives a message to somebody else after a while, unless it hears that we are at it. */
static void say_working(void *context) {
	struct ingest *ingest = context;
	ingest->working_timer = NULL;
	for (struct submission *s = ingest->enqueued; s != NULL; s = s->next)
		bus_publish(ingest->bus, s->ack, SLICE("+WPI"));
	if (ingest->enqueued != NULL)
		ingest->working_timer =
			loop_timer_start(ingest->loop, clock_mono_us() + WORKING_MS * 1000, say_working, ingest);
}

static void link_enqueued(struct submission *s) {
	struct ingest *ingest = s->ingest;
	s->next = ingest->enqueued;
	if (s->next != NULL)
		s->next->before = s;
	ingest->enqueued = s;
	if (ingest->working_timer == NULL)
		ingest->working_timer =
			loop_timer_start(ingest->loop, clock_mono_us() + WORKING_MS * 1000, say_working, ingest);
}

static void unlink_enqueued(struct submission *s) {
	if (s->before != NULL)
		s->before->next = s->next;
	else
		s->ingest->enqueued = s->next;
	if (s->next != NULL)
		s->next->before = s->before;
}

struct submission *submission_open(struct ingest *ingest, struct service_request *request, const char *ack) {
	struct submission *s = memory_new(sizeof(*s));
	s->ingest = ingest;
	s->request = request;
	s->deadline_us = loop_now(ingest->loop) + ingest->settings->admit_timeout_ms * 1000;
	ingest->under_way++;
	if (ack != NULL) {
		s->ack = slice_copy(slice_of(ack));
		link_enqueued(s);
	}
	return s;
}

bool submission_grow(struct submission *s, size_t bytes) {
	s->bytes += bytes;
	s->ingest->under_way_bytes += bytes;
	return (int64_t)s->ingest->under_way_bytes <= s->ingest->settings->max_under_way_bytes;
}

static void submission_close(struct submission *s) {
	lane_leave(s);
	s->ingest->under_way--;
	s->ingest->under_way_bytes -= s->bytes;
	if (s->ack != NULL)
		unlink_enqueued(s);
	loop_timer_stop(s->ingest->loop, &s->timer);
	plan_close(&s->plan);
	text_release(&s->items);
	text_release(&s->body);
	parts_release(s);
	free(s->ack);
	free(s);
}

void submission_later(struct submission *s, int64_t delay_ms) {
	if (s->ingest->consumer != NULL)
		consumer_nak(s->ingest->consumer, s->ack, delay_ms);
	submission_close(s);
}

bool submission_is_early(const struct submission *s, int64_t patience_us, int64_t deliveries) {
	return s->ack != NULL && (s->enqueued.deliveries < deliveries || clock_wall_us() - s->enqueued.at_us < patience_us);
}

static void end_enqueued(struct submission *s) {
	if (s->ingest->consumer != NULL)
		consumer_ack(s->ingest->consumer, s->ack);
	submission_close(s);
}

/* ids ------------------------------------------------------------------------------------------------------------ */

static const char id_alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* The next higher id of the same length. */
static void raise_id(char *id) {
	for (int i = ID_BYTES - 2; i >= 0; i--) {
		const char *place = strchr(id_alphabet, id[i]);
		if (place[1] != '\0') {
			id[i] = place[1];
			return;
		}
		id[i] = id_alphabet[0];
	}
}

/* An enqueued message may be delivered again: the ids follow from its place in the stream. */
static void derive_id(const struct submission *s, size_t index, char out[ID_BYTES]) {
	uint64_t place[2] = { s->enqueued.stream_sequence, (uint64_t)s->enqueued.at_us };
	uint64_t time_ms = (uint64_t)(s->enqueued.at_us / 1000);
	uint64_t high = hash_fixed((struct slice){ (const char *)place, sizeof(place) }, 1);
	uint64_t low = index;
	for (int i = 9; i >= 0; i--, time_ms >>= 5)
		out[i] = id_alphabet[time_ms & 31];
	for (int i = 20; i >= 10; i--, high >>= 5)
		out[i] = id_alphabet[high & 31];
	for (int i = 25; i >= 21; i--, low >>= 5)
		out[i] = id_alphabet[low & 31];
	out[ID_BYTES - 1] = '\0';
}

void submission_make_id(struct submission *s, size_t index, char out[ID_BYTES]) {
	if (s->request == NULL) {
		derive_id(s, index, out);
		return;
	}
	/* Within a millisecond ids would be in any order: they go on from the last one then. */
	char *last = s->ingest->last_id;
	id_make(out);
	if (strcmp(out, last) <= 0) {
		memcpy(out, last, ID_BYTES);
		raise_id(out);
	}
	memcpy(last, out, ID_BYTES);
}

/* refusals ------------------------------------------------------------------------------------------------------- */

static void count_refusal(struct submission *s, const char *code) {
	char name[48];
	snprintf(name, sizeof(name), "rejected_%s", code);
	++*service_counter(s->ingest->service, name);
}

static void on_logged(struct submission *s, struct slice reply) {
	if (slice_is(reply, "ok"))
		end_enqueued(s);
	else
		submission_later(s, RETRY_DELAY_MS);
}

/* Nobody waits for the answer: it becomes an event. */
static void log_refusal(struct submission *s, const struct error *err, const char *extra) {
	struct text shown = { 0 }, escaped = { 0 };
	text_add(&shown, err->message);
	if (*extra != '\0')
		text_printf(&shown, " (%.*s)", SHOWN_BYTES, extra);
	text_add_json(&escaped, (struct slice){ shown.bytes, shown.length });
	text_clear(&s->body);
	text_printf(&s->body, "%s%c%s%c%s%c%s%c", s->project, RECORD_US, s->task_type, RECORD_US, s->task_id, RECORD_US,
	            s->batch_id, RECORD_US);
	text_printf(&s->body, "%s%c%s%c", err->code, RECORD_US, err->path, RECORD_US);
	text_append(&s->body, escaped.bytes + 1, escaped.length - 2);
	text_release(&shown);
	text_release(&escaped);
	s->tries = 0;
	s->one_answer = false;
	s->deadline_us = loop_now(s->ingest->loop) + s->ingest->settings->admit_timeout_ms * 1000;
	admit_send(s, "reject", REJECT_TRY_MS, on_logged);
}

void submission_fail(struct submission *s, const struct error *err, const char *extra) {
	count_refusal(s, err->code);
	if (s->request != NULL) {
		service_fail(s->request, err, extra);
		submission_close(s);
		return;
	}
	if (strcmp(err->code, CODE_UNAVAILABLE) == 0 || strcmp(err->code, CODE_INTERNAL) == 0)
		submission_later(s, RETRY_DELAY_MS);
	else if (strcmp(err->code, CODE_UNKNOWN_DEPENDENCY) == 0 && submission_is_early(s, 0, DEPENDENCY_DELIVERIES))
		submission_later(s, s->enqueued.deliveries * DEPENDENCY_DELAY_MS);
	else
		log_refusal(s, err, extra);
}

void submission_unavailable(struct submission *s, const char *why) {
	struct error err = { 0 };
	reject(&err, CODE_UNAVAILABLE, "", "%s: repeat with the same ids", why);
	submission_fail(s, &err, "");
}

/* acceptance ----------------------------------------------------------------------------------------------------- */

static void answer(struct submission *s, const struct text *body) {
	if (s->request == NULL) {
		end_enqueued(s);
		return;
	}
	service_reply(s->request, (struct slice){ body->bytes, body->length });
	submission_close(s);
}

/* In the order of the request; items stand in the plan's. */
static void add_verdicts(struct text *out, const struct submission *s) {
	text_add(out, ",\"tasks\":[");
	for (uint32_t i = 0; i < s->plan.count; i++) {
		const char *item = s->items.bytes + (size_t)s->plan.place[i] * 2;
		text_add(out, i > 0 ? ",{\"task_id\":\"" : "{\"task_id\":\"");
		text_add_slice(out, s->plan.tasks[i].task_id);
		text_add(out, item[0] == 'd' ? "\",\"result\":\"duplicate\",\"status\":\""
		                             : "\",\"result\":\"accepted\",\"status\":\"");
		text_add(out, record_status_word(item[1]));
		text_add(out, "\"}");
	}
	text_add_char(out, ']');
}

static void count_acceptance(struct submission *s) {
	uint64_t duplicates = 0;
	for (size_t i = 0; i < s->items.length; i += 2)
		duplicates += s->items.bytes[i] == 'd';
	*s->ingest->duplicates += duplicates;
	*s->ingest->accepted += s->plan.count - duplicates;
}

void submission_accept(struct submission *s) {
	struct text body = { 0 };
	bool known = s->items.length == (size_t)s->plan.count * 2;
	if (!s->dry_run)
		count_acceptance(s);
	text_printf(&body, "{\"ok\":true,\"batch_id\":\"%s\"", s->batch_id);
	if (s->dry_run && s->request != NULL && s->plan.count > 0) {
		text_add(&body, ",\"forecast\":");
		forecast_add(&s->plan, (struct slice){ s->items.bytes, s->items.length }, s->workers, &body);
	}
	size_t head = body.length;
	if (known && !s->plan.in_parts && s->request != NULL)
		add_verdicts(&body, s);
	/* What does not fit into a message is left out; the reply is no less true without it. */
	if (body.length == head || body.length + 1 > bus_max_payload(s->ingest->bus)) {
		body.length = head;
		text_printf(&body, ",\"task_count\":%u", s->plan.count);
	}
	text_add_char(&body, '}');
	answer(s, &body);
	text_release(&body);
}

void submission_part_kept(struct submission *s, int64_t part) {
	struct text body = { 0 };
	++*s->ingest->parts;
	text_printf(&body, "{\"ok\":true,\"part\":%lld}", (long long)part);
	answer(s, &body);
	text_release(&body);
}
