/* shared/bus/stream.h in memory: streams with compare-and-append, read by sequence, and one kind of consumer. Each call
 * goes over the bus connection of its process and may be lost on either way, late, or executed twice. */
#include "shared/bus/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "servers.h"
#include "shared/base/memory.h"
#include "shared/base/teeth.h"

enum { API_TIMEOUT_MS = 5000, REMEMBERED_US = 10000000 };

static const char EXPECTED_SEQUENCE[] = "Nats-Expected-Last-Sequence", EXPECTED_ID[] = "Nats-Expected-Last-Msg-Id",
				  MESSAGE_ID[] = "Nats-Msg-Id";

static struct stream *streams;

struct stream *streams_first(void) {
	return streams;
}

struct stream *stream_named(const char *name) {
	for (struct stream *stream = streams; stream; stream = stream->next)
		if (strcmp(stream->name, name) == 0)
			return stream;
	return NULL;
}

/* ---- what is stored ---- */

static void stored_free(struct stored *message) {
	free(message->subject);
	free_copy(message->body);
}

static void stream_put(struct stream *stream, const char *subject, struct slice body) {
	struct arena *arena = arena_use(NULL);
	if (stream->count == stream->capacity) {
		stream->capacity = stream->capacity ? stream->capacity * 2 : 64;
		stream->messages = memory_resize(stream->messages, stream->capacity, sizeof(*stream->messages));
	}
	stream->messages[stream->count++] = (struct stored){
		++stream->last_sequence, memory_copy(subject, strlen(subject)), copy_for_world(body), world_wall_us(), 0, ""
	};
	arena_use(arena);
	const char *log = strstr(stream->name, "_LOG_");
	if (log)
		ledger_appended(strtoll(log + 5, NULL, 10), body, stream->last_sequence);
}

static void stream_drop(struct stream *stream, size_t place) {
	stored_free(&stream->messages[place]);
	memmove(stream->messages + place, stream->messages + place + 1,
	        (--stream->count - place) * sizeof(*stream->messages));
}

static struct stream *stream_for(const char *subject) {
	for (struct stream *stream = streams; stream; stream = stream->next)
		for (size_t i = 0; i < stream->subject_count; i++)
			if (subject_matches(stream->subjects[i], subject))
				return stream;
	return NULL;
}

struct stream *streams_capture(const char *subject, struct slice body) {
	struct stream *stream = stream_for(subject);
	if (stream)
		stream_put(stream, subject, body);
	return stream;
}

void stream_lose_tail(struct stream *stream, size_t messages) {
	const char *log = strstr(stream->name, "_LOG_");
	for (; messages > 0 && stream->count > 0; messages--) {
		stored_free(&stream->messages[--stream->count]);
		stream->last_sequence--;
	}
	if (log)
		ledger_truncated(strtoll(log + 5, NULL, 10), stream->last_sequence);
}

static void make_stream(const struct stream_config *config) {
	if (stream_named(config->name))
		return;
	struct stream *stream = memory_new(sizeof(*stream));
	stream->name = memory_copy(config->name, strlen(config->name));
	for (size_t i = 0; i < config->subject_count; i++)
		stream->subjects[i] = memory_copy(config->subjects[i], strlen(config->subjects[i]));
	stream->subject_count = config->subject_count;
	stream->work_queue = config->work_queue;
	stream->next = streams;
	streams = stream;
}

static const struct stored *message_at(const struct stream *stream, uint64_t sequence) {
	for (size_t i = stream->count; i > 0 && stream->messages[i - 1].sequence >= sequence; i--)
		if (stream->messages[i - 1].sequence == sequence)
			return &stream->messages[i - 1];
	return NULL;
}

static const struct stored *last_on(const struct stream *stream, const char *subject) {
	for (size_t i = stream->count; i > 0; i--)
		if (strcmp(stream->messages[i - 1].subject, subject) == 0)
			return &stream->messages[i - 1];
	return NULL;
}

static void purge(struct stream *stream, const char *filter, uint64_t keep_from) {
	for (size_t i = stream->count; i > 0; i--)
		if (filter ? subject_matches(filter, stream->messages[i - 1].subject)
		           : stream->messages[i - 1].sequence < keep_from)
			stream_drop(stream, i - 1);
}

void streams_end(void) {
	while (streams) {
		struct stream *gone = streams;
		streams = gone->next;
		while (gone->count > 0)
			stored_free(&gone->messages[--gone->count]);
		free(gone->messages);
		for (size_t i = 0; i < gone->subject_count; i++)
			free(gone->subjects[i]);
		free(gone->name);
		free(gone);
	}
}

/* ---- calls ---- */

enum op { OP_ENSURE, OP_INFO, OP_APPEND, OP_GET, OP_GET_LAST, OP_PURGE };

union handler {
	stream_done *done;
	stream_info_done *info;
	stream_appended *appended;
	stream_got *got;
};

/* Of the process: waits for its answer. */
struct call {
	enum op op;
	union handler handler;
	void *context;
	struct event *timer;
	bool answered;
	struct bus *bus;
};

/* Of the world. */
struct flight {
	enum op op;
	struct call *call;
	struct process *process;
	uint64_t life, number;
	char *name, *subject;
	uint64_t sequence;
	struct slice body;
	struct stream_config config;
	char id[64], after[64]; /* of an append */
	bool reply_lost;
	/* the answer */
	enum status status;
	struct stream_state state;
	uint64_t got_sequence;
	struct slice got;
};

static void flight_free(void *context) {
	struct flight *flight = context;
	for (size_t i = 0; i < flight->config.subject_count; i++)
		free((char *)(uintptr_t)flight->config.subjects[i]);
	free(flight->name);
	free(flight->subject);
	free_copy(flight->body);
	free_copy(flight->got);
	free(flight);
}

static void tell(struct call *call, enum status status, const struct flight *flight) {
	struct error err = { 0 };
	struct stream_state state = { 0 };
	struct slice nothing = { "", 0 };
	void *context = call->context;
	if (status != STATUS_OK)
		fail(&err, status, "JetStream did not answer");
	switch (call->op) {
	case OP_ENSURE:
	case OP_PURGE:
		if (call->handler.done)
			call->handler.done(context, status, &err);
		return;
	case OP_INFO: call->handler.info(context, status, flight ? &flight->state : &state); return;
	case OP_APPEND: call->handler.appended(context, status, flight ? flight->got_sequence : 0); return;
	case OP_GET:
	case OP_GET_LAST:
		call->handler.got(context, status, flight ? flight->got_sequence : 0, flight ? flight->got : nothing);
		return;
	}
}

static void on_timeout(void *context) {
	struct call *call = context;
	call->timer = NULL;
	if (!call->answered) {
		call->answered = true;
		tell(call, STATUS_RETRY, NULL);
	}
}

static void on_answer(void *context) {
	struct flight *flight = context;
	struct call *call = flight->call;
	/* A connection that broke answers at the time-out: both say nothing. The call's memory stays until the process ends. */
	if (!call->answered && bus_line(call->bus)->number == flight->number) {
		call->answered = true;
		world_cancel(&call->timer);
		tell(call, flight->status, flight);
	}
	flight_free(flight);
}

/* As nats-server 2.9 does: an id that it remembers is answered as the first time, then the expectations are looked at. */
static void append(struct stream *stream, struct flight *flight) {
	const struct stored *last = stream->count ? &stream->messages[stream->count - 1] : NULL;
	for (size_t i = stream->count; flight->id[0] != '\0' && i > 0; i--) {
		const struct stored *known = &stream->messages[i - 1];
		if (world_wall_us() - known->at_us > REMEMBERED_US)
			break;
		if (strcmp(known->id, flight->id) == 0) {
			flight->got_sequence = known->sequence;
			return;
		}
	}
	bool in_place = flight->sequence == STREAM_ANY_SEQUENCE || flight->sequence == stream->last_sequence ||
	                teeth_without("append-by-position");
	bool behind = flight->after[0] == '\0' || (last && strcmp(last->id, flight->after) == 0) ||
	              teeth_without("append-behind-own");
	if (!in_place || !behind) {
		flight->status = STATUS_STALE;
		return;
	}
	stream_put(stream, flight->subject, flight->body);
	memcpy(stream->messages[stream->count - 1].id, flight->id, sizeof(flight->id));
	flight->got_sequence = stream->last_sequence;
}

static void run(struct flight *flight) {
	struct stream *stream = flight->op == OP_APPEND ? stream_for(flight->subject) : stream_named(flight->name);
	const struct stored *message = NULL;
	if (flight->op == OP_ENSURE) {
		make_stream(&flight->config);
		return;
	}
	if (!stream) {
		flight->status = flight->op == OP_APPEND ? STATUS_RETRY : STATUS_REJECT;
		return;
	}
	switch (flight->op) {
	case OP_INFO:
		flight->state = (struct stream_state){ .first_sequence = stream->count ? stream->messages[0].sequence
			                                                                   : stream->last_sequence + 1,
			                                   .last_sequence = stream->last_sequence,
			                                   .messages = stream->count,
			                                   .first_at_us = stream->count ? stream->messages[0].at_us : 0 };
		return;
	case OP_APPEND: append(stream, flight); return;
	case OP_GET: message = message_at(stream, flight->sequence); break;
	case OP_GET_LAST: message = last_on(stream, flight->subject); break;
	case OP_PURGE: purge(stream, flight->subject, flight->sequence); return;
	case OP_ENSURE: return;
	}
	flight->status = message ? STATUS_OK : STATUS_REJECT;
	flight->got_sequence = message ? message->sequence : 0;
	if (message)
		flight->got = copy_for_world(message->body);
}

static void execute(void *context) {
	struct flight *flight = context;
	bool lives = process_is(flight->process, flight->life);
	if (lives && bus_line(flight->call->bus)->number != flight->number) {
		flight_free(flight);
		return;
	}
	flight->status = STATUS_OK;
	run(flight);
	if (flight->reply_lost || !lives)
		flight_free(flight);
	else
		world_at(line_answer(bus_line(flight->call->bus)), flight->process, on_answer, flight_free, flight);
}

static struct flight *flight_new(struct call *call, struct flight like) {
	struct flight *flight = memory_new(sizeof(*flight));
	*flight = like;
	flight->op = call->op;
	flight->call = call;
	flight->process = bus_process(call->bus);
	flight->life = bus_line(call->bus)->life;
	flight->number = bus_line(call->bus)->number;
	flight->name = like.name ? memory_copy(like.name, strlen(like.name)) : NULL;
	flight->subject = like.subject ? memory_copy(like.subject, strlen(like.subject)) : NULL;
	flight->body = copy_for_world(like.body);
	flight->config.name = flight->name;
	for (size_t i = 0; i < like.config.subject_count; i++)
		flight->config.subjects[i] = memory_copy(like.config.subjects[i], strlen(like.config.subjects[i]));
	return flight;
}

static void send(struct bus *bus, enum op op, struct flight like, int64_t timeout_ms, union handler handler,
                 void *context) {
	struct call *call = memory_new(sizeof(*call));
	int64_t arrives_us;
	*call = (struct call){ .op = op, .handler = handler, .context = context, .bus = bus };
	call->timer = world_at(world.now_us + (bus_connected(bus) ? timeout_ms * 1000 : 20), bus_process(bus), on_timeout,
	                       NULL, call);
	if (!bus_connected(bus))
		return;
	enum fate fate = line_send(bus_line(bus), &arrives_us);
	if (fate == FATE_REQUEST_LOST)
		return;
	struct arena *arena = arena_use(NULL);
	struct flight *flight = flight_new(call, like);
	flight->reply_lost = fate == FATE_REPLY_LOST;
	world_at(arrives_us, NULL, execute, flight_free, flight);
	if (world_fault(FAULT_DOUBLED))
		world_at(arrives_us + world_draw(world_draw(2) ? 5000 : 3000000), NULL, execute, flight_free,
		         flight_new(call, like));
	arena_use(arena);
}

void stream_ensure(struct bus *bus, const struct stream_config *config, stream_done *done, void *context) {
	struct flight like = { .name = (char *)(uintptr_t)config->name, .config = *config };
	send(bus, OP_ENSURE, like, API_TIMEOUT_MS, (union handler){ .done = done }, context);
}

void stream_info(struct bus *bus, const char *name, stream_info_done *done, void *context) {
	send(bus, OP_INFO, (struct flight){ .name = (char *)(uintptr_t)name }, API_TIMEOUT_MS,
	     (union handler){ .info = done }, context);
}

void stream_append_after(struct bus *bus, const char *subject, uint64_t expected_last, const char *id,
                         const char *after, struct slice body, int64_t timeout_ms, stream_appended *done,
                         void *context) {
	struct flight like = { .subject = (char *)(uintptr_t)subject, .sequence = expected_last, .body = body };
	snprintf(like.id, sizeof(like.id), "%s", id);
	snprintf(like.after, sizeof(like.after), "%s", after);
	send(bus, OP_APPEND, like, timeout_ms, (union handler){ .appended = done }, context);
}

/* As a message of the bus: it comes to streams_publish(), and so does the answer to whoever listens. */
enum status stream_append_heard(struct bus *bus, const char *subject, uint64_t expected_last, const char *id,
                                const char *after, const char *answer, struct slice body) {
	char expected[24];
	snprintf(expected, sizeof(expected), "%llu", (unsigned long long)expected_last);
	struct bus_header headers[] = { { EXPECTED_SEQUENCE, expected }, { MESSAGE_ID, id }, { EXPECTED_ID, after } };
	return bus_publish_with(bus, subject, answer, headers, 3, body);
}

/* An append with expectations, that came as a message; answer: what is said of it. False: it is none. */
bool streams_publish(const struct bus_message *message, struct text *answer) {
	struct stream *stream = stream_for(message->subject);
	const char *expected = bus_header(message, EXPECTED_SEQUENCE);
	if (!expected)
		return false;
	struct flight flight = { .subject = (char *)(uintptr_t)message->subject, .body = message->body };
	flight.sequence = strtoull(expected, NULL, 10);
	snprintf(flight.id, sizeof(flight.id), "%s", bus_header(message, MESSAGE_ID));
	snprintf(flight.after, sizeof(flight.after), "%s", bus_header(message, EXPECTED_ID));
	flight.status = STATUS_OK;
	if (stream)
		append(stream, &flight);
	if (stream && flight.status == STATUS_OK)
		text_printf(answer, "{\"stream\":\"%s\",\"seq\":%llu}", stream->name, (unsigned long long)flight.got_sequence);
	else if (stream)
		text_add(answer, "{\"error\":{\"code\":400,\"err_code\":10071,\"description\":\"wrong last sequence\"}}");
	return true;
}

void stream_append(struct bus *bus, const char *subject, uint64_t expected_last, struct slice body, int64_t timeout_ms,
                   stream_appended *done, void *context) {
	stream_append_after(bus, subject, expected_last, "", "", body, timeout_ms, done, context);
}

void stream_get(struct bus *bus, const char *name, uint64_t sequence, stream_got *done, void *context) {
	struct flight like = { .name = (char *)(uintptr_t)name, .sequence = sequence };
	send(bus, OP_GET, like, API_TIMEOUT_MS, (union handler){ .got = done }, context);
}

void stream_get_last(struct bus *bus, const char *name, const char *subject, stream_got *done, void *context) {
	struct flight like = { .name = (char *)(uintptr_t)name, .subject = (char *)(uintptr_t)subject };
	send(bus, OP_GET_LAST, like, API_TIMEOUT_MS, (union handler){ .got = done }, context);
}

void stream_purge(struct bus *bus, const char *name, const char *subject, uint64_t keep_from, stream_done *done,
                  void *context) {
	struct flight like = { .name = (char *)(uintptr_t)name,
		                   .subject = (char *)(uintptr_t)subject,
		                   .sequence = keep_from };
	send(bus, OP_PURGE, like, API_TIMEOUT_MS, (union handler){ .done = done }, context);
}

/* ---- the consumer of a work queue: each message to one of those that have it open, again after a while ---- */

struct consumer {
	struct bus *bus;
	char stream[96];
	int64_t ack_wait_us;
	bus_handler *handler;
	void *context;
};

static struct {
	struct consumer *consumer;
	struct process *process;
	uint64_t life;
} open_consumers[PROCESSES_MOST];

enum status consumer_open(struct bus *bus, const char *stream, const char *durable, int64_t ack_wait_ms, size_t window,
                          bus_handler *handler, void *context, struct consumer **consumer, struct error *err) {
	struct consumer *made = memory_new(sizeof(*made));
	(void)durable;
	(void)window;
	(void)err;
	*made = (struct consumer){ .bus = bus, .ack_wait_us = ack_wait_ms * 1000, .handler = handler, .context = context };
	snprintf(made->stream, sizeof(made->stream), "%s", stream);
	struct process *process = bus_process(bus);
	open_consumers[process->id].consumer = made;
	open_consumers[process->id].process = process;
	open_consumers[process->id].life = process->life;
	*consumer = made;
	return STATUS_OK;
}

static void hand_out(struct stream *stream, struct stored *message) {
	int ready[PROCESSES_MOST], count = 0;
	char reply[256];
	for (int i = 0; i < PROCESSES_MOST; i++)
		if (open_consumers[i].consumer && process_is(open_consumers[i].process, open_consumers[i].life) &&
		    strcmp(open_consumers[i].consumer->stream, stream->name) == 0)
			ready[count++] = i;
	if (count == 0)
		return;
	int i = ready[world_draw((uint32_t)count)];
	const struct consumer *consumer = open_consumers[i].consumer;
	snprintf(reply, sizeof(reply), "$JS.ACK.%s.ingest.1.%llu.1.%lld.0", stream->name,
	         (unsigned long long)message->sequence, (long long)message->at_us * 1000);
	message->deliver_us = world.now_us + consumer->ack_wait_us;
	bus_deliver_to(open_consumers[i].process, open_consumers[i].life, consumer->handler, consumer->context,
	               message->subject, reply, message->body);
}

static void pump(void *context) {
	for (struct stream *stream = streams; stream; stream = stream->next)
		for (size_t i = 0; stream->work_queue && i < stream->count; i++)
			if (stream->messages[i].deliver_us <= world.now_us)
				hand_out(stream, &stream->messages[i]);
	world_at(world.now_us + 200000, NULL, pump, NULL, context);
}

void jetstream_begin(void) {
	memset(open_consumers, 0, sizeof(open_consumers));
	pump(NULL);
}

/* $JS.ACK.<stream>.ingest.1.<sequence>.… */
void jetstream_ack(const char *subject, struct slice body) {
	struct slice rest = slice_of(subject), f[6];
	char name[96];
	for (int i = 0; i < 6; i++)
		f[i] = slice_cut(&rest, '.');
	snprintf(name, sizeof(name), "%.*s", (int)f[2].length, f[2].bytes);
	struct stream *stream = stream_named(name);
	uint64_t sequence = (uint64_t)slice_int(f[5], 0);
	for (size_t i = 0; stream && i < stream->count; i++) {
		if (stream->messages[i].sequence != sequence)
			continue;
		if (body.bytes[0] == '+' && body.bytes[1] == 'A')
			stream_drop(stream, i);
		else
			stream->messages[i].deliver_us = world.now_us + (body.bytes[0] == '-' ? 500000 : 15000000);
		return;
	}
}

void consumer_ack(struct consumer *consumer, const char *ack_subject) {
	bus_publish(consumer->bus, ack_subject, SLICE("+ACK"));
}

void consumer_nak(struct consumer *consumer, const char *ack_subject, int64_t delay_ms) {
	(void)delay_ms;
	bus_publish(consumer->bus, ack_subject, SLICE("-NAK"));
}

void consumer_close(struct consumer **consumer) {
	*consumer = NULL;
}
