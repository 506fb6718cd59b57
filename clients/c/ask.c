/* Requests: the same bytes again and again, until somebody has said yes or no, or the patience is at its end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/id.h"
#include "../../shared/base/memory.h"
#include "../../subjects/subjects.h"
#include "inside.h"

enum { TRY_MS = 5000, TRY_LEAST_MS = 50, TRACEPARENT_CHARS = 55 };

struct asking {
	struct corder *client; /* NULL: it has gone; the answer frees this */
	char *relative, *subject;
	struct text body;
	int64_t try_ms, began_us, until_us;
	int attempt;
	bool in_flight, said_unavailable;
	char traceparent[TRACEPARENT_CHARS + 1];
	struct loop_timer *timer;
	corder_reply_handler *handler;
	void *context;
	struct asking *next, **link;
	struct corder_error refusal; /* found before it was sent */
};

static void asking_free(struct asking *asking) {
	text_release(&asking->body);
	free(asking->relative);
	free(asking->subject);
	free(asking);
}

static void leave(struct asking *asking) {
	*asking->link = asking->next;
	if (asking->next != NULL)
		asking->next->link = asking->link;
}

static void end(struct asking *asking, const struct corder_reply *reply) {
	corder_reply_handler *handler = asking->handler;
	void *context = asking->context;
	leave(asking);
	asking_free(asking);
	handler(context, reply);
}

static void copy_field(char *out, size_t room, struct slice text) {
	snprintf(out, room, "%.*s", (int)text.length, text.bytes != NULL ? text.bytes : "");
}

void corder_read_refusal(struct json_value root, struct corder_error *error) {
	struct json_value said = json_member(root, "error");
	copy_field(error->code, sizeof error->code, json_text(json_member(said, "code")));
	copy_field(error->path, sizeof error->path, json_text(json_member(said, "path")));
	copy_field(error->message, sizeof error->message, json_text(json_member(said, "message")));
	struct slice tasks = json_raw(json_member(said, "tasks"));
	if (tasks.length < sizeof error->tasks)
		copy_field(error->tasks, sizeof error->tasks, tasks);
	error->status = strcmp(error->code, CODE_UNAVAILABLE) == 0 ? CORDER_UNAVAILABLE : CORDER_REFUSED;
}

static void send(void *context);

static void end_unanswered(struct asking *asking, int64_t now_us) {
	struct corder_reply reply = { .body = "" };
	reply.status = asking->said_unavailable ? CORDER_UNAVAILABLE : CORDER_NO_ANSWER;
	corder_fail(&reply.error, reply.status, "%s: %s for %.1f s", asking->relative,
	            asking->said_unavailable ? "unavailable" : "no answer", (double)(now_us - asking->began_us) / 1e6);
	end(asking, &reply);
}

static void repeat_later(struct asking *asking) {
	int64_t now_us = clock_mono_us();
	if (now_us >= asking->until_us) {
		end_unanswered(asking, now_us);
		return;
	}
	int64_t pause_us = corder_backoff_us(asking->attempt++), left_us = asking->until_us - now_us;
	asking->timer =
		loop_timer_start(asking->client->loop, now_us + (pause_us < left_us ? pause_us : left_us), send, asking);
}

/* NULL-terminated: the reply's bytes belong to the bus, and have no end of their own. */
static void end_with(struct asking *asking, enum corder_status status, struct slice body, struct corder_error *error) {
	struct text copied = { 0 };
	text_append(&copied, body.bytes, body.length);
	struct corder_reply reply = { .status = status, .body = copied.bytes, .length = copied.length };
	if (error != NULL)
		reply.error = *error;
	end(asking, &reply);
	text_release(&copied);
}

static void on_answer(void *context, enum status status, const struct bus_message *message) {
	static const char yes[] = "{\"ok\":true";
	struct asking *asking = context;
	asking->in_flight = false;
	if (asking->client == NULL) {
		asking_free(asking);
		return;
	}
	asking->said_unavailable = false;
	if (status != STATUS_OK) {
		repeat_later(asking);
		return;
	}
	struct slice body = message->body;
	/* Most replies are long and say yes: then there is nothing to look for in them. */
	if (body.length >= sizeof yes - 1 && memcmp(body.bytes, yes, sizeof yes - 1) == 0) {
		end_with(asking, CORDER_OK, body, NULL);
		return;
	}
	struct corder_error error = { 0 };
	struct json *json = json_read(body, NULL);
	bool ok = json != NULL && json_bool(json_member(json_root(json), "ok"), false);
	if (json != NULL && !ok)
		corder_read_refusal(json_root(json), &error);
	bool answered = json != NULL && error.status != CORDER_UNAVAILABLE;
	asking->said_unavailable = error.status == CORDER_UNAVAILABLE;
	json_close(&json);
	if (answered)
		end_with(asking, ok ? CORDER_OK : CORDER_REFUSED, body, &error);
	else
		repeat_later(asking);
}

static void send(void *context) {
	struct asking *asking = context;
	struct bus_header header = { HEADER_TRACEPARENT, asking->traceparent };
	asking->timer = NULL;
	if (asking->refusal.status != CORDER_OK) {
		struct corder_error refusal = asking->refusal;
		end_with(asking, refusal.status, (struct slice){ "", 0 }, &refusal);
		return;
	}
	/* The first try gets all the time it wants: it may wait for its answer on purpose. */
	int64_t left_ms = (asking->until_us - clock_mono_us()) / 1000;
	int64_t try_ms = left_ms < asking->try_ms && asking->attempt > 0 ? left_ms : asking->try_ms;
	asking->in_flight = true;
	bus_request(asking->client->bus, asking->subject, &header, asking->traceparent[0] != 0,
	            (struct slice){ asking->body.bytes, asking->body.length },
	            try_ms > TRY_LEAST_MS ? try_ms : TRY_LEAST_MS, on_answer, asking);
}

static void set_traceparent(struct asking *asking, const char *given) {
	if (given != NULL && strlen(given) == TRACEPARENT_CHARS && strpbrk(given, "\r\n") == NULL)
		memcpy(asking->traceparent, given, TRACEPARENT_CHARS);
}

/* What no repeat would mend is not sent. */
static void check(struct asking *asking) {
	struct slice rest = slice_of(asking->relative);
	size_t most = corder_most_bytes(asking->client);
	while (rest.bytes != NULL)
		if (!id_is_token(slice_cut(&rest, '.')))
			corder_fail(&asking->refusal, CORDER_USAGE, "\"%.100s\" is no subject of the contract", asking->relative);
	if (asking->body.length > most) {
		corder_fail(&asking->refusal, CORDER_REFUSED, "a request of %zu bytes; a message holds %zu",
		            asking->body.length, most);
		snprintf(asking->refusal.code, sizeof asking->refusal.code, CODE_TOO_LARGE);
	}
}

void corder_ask(struct corder *client, const struct corder_request *request, corder_reply_handler *handler,
                void *context) {
	struct asking *asking = memory_new(sizeof *asking);
	const char *body = request->body != NULL ? request->body : "{}";
	int64_t patience_ms = request->patience_ms > 0 ? request->patience_ms : client->patience_ms;
	asking->client = client;
	asking->relative = slice_copy(slice_of(request->subject));
	asking->subject = corder_subject(client, request->subject);
	text_append(&asking->body, body, request->length > 0 ? request->length : strlen(body));
	asking->try_ms = request->try_ms > 0 ? request->try_ms : TRY_MS;
	asking->began_us = clock_mono_us();
	asking->until_us = asking->began_us + patience_ms * 1000;
	asking->handler = handler;
	asking->context = context;
	set_traceparent(asking, request->traceparent);
	asking->next = client->askings;
	asking->link = &client->askings;
	if (asking->next != NULL)
		asking->next->link = &asking->next;
	client->askings = asking;
	check(asking);
	if (asking->refusal.status != CORDER_OK)
		asking->timer = loop_timer_start(client->loop, 0, send, asking);
	else
		send(asking);
}

void askings_hurry(struct corder *client) {
	for (struct asking *asking = client->askings; asking != NULL; asking = asking->next) {
		if (asking->timer == NULL)
			continue;
		loop_timer_stop(client->loop, &asking->timer);
		asking->timer = loop_timer_start(client->loop, 0, send, asking);
	}
}

void askings_drop(struct corder *client) {
	while (client->askings != NULL) {
		struct asking *asking = client->askings;
		leave(asking);
		loop_timer_stop(client->loop, &asking->timer);
		asking->client = NULL;
		if (!asking->in_flight || client->owns) /* its own bus is closed: nothing answers any more */
			asking_free(asking);
	}
}
