/* shared/bus/bus.h in memory: subjects, queue groups, requests and replies, between processes that may die and whose
 * connections may break. Messages of one sender to one receiver stay in order, unless one of them is late. */
#include "shared/bus/bus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "servers.h"
#include "shared/base/memory.h"

enum { SUBSCRIPTIONS_MOST = 32, LISTENERS_MOST = 4, HEADERS_MOST = 4, MAX_PAYLOAD = 1 << 20 };

struct subscription {
	char *subject, *queue;
	bus_handler *handler;
	void *context;
	bool inner;
};

struct request {
	struct request *next;
	uint64_t serial;
	bus_reply_handler *handler;
	void *context;
	struct bus *bus;
	struct event *timer;
};

struct bus {
	struct line line;
	struct subscription subscriptions[SUBSCRIPTIONS_MOST];
	size_t subscription_count;
	struct request *requests;
	uint64_t serial;
	struct {
		void (*changed)(void *context, bool connected);
		void *context;
	} listeners[LISTENERS_MOST];
	size_t listener_count;
};

/* Of the world; shared by its deliveries. */
struct parcel {
	int references;
	char *subject, *reply;
	struct slice body;
	char *names[HEADERS_MOST], *values[HEADERS_MOST];
	size_t header_count;
};

struct delivery {
	struct parcel *parcel;
	struct process *process;
	uint64_t life, number;
	struct bus *bus;
	bus_handler *handler; /* NULL: of the subscription, or of a request */
	void *context;
	size_t subscription; /* SIZE_MAX: a reply */
	uint64_t serial;     /* of the request */
};

static struct bus *buses[PROCESSES_MOST]; /* of living processes */

/* ---- parcels ---- */

static void release(struct parcel *parcel) {
	if (--parcel->references > 0)
		return;
	for (size_t i = 0; i < parcel->header_count; i++) {
		free(parcel->names[i]);
		free(parcel->values[i]);
	}
	free(parcel->subject);
	free(parcel->reply);
	free_copy(parcel->body);
	free(parcel);
}

static struct parcel *parcel_new(const char *subject, const char *reply, const struct bus_header *headers, size_t count,
                                 struct slice body) {
	struct arena *arena = arena_use(NULL);
	struct parcel *parcel = memory_new(sizeof(*parcel));
	parcel->references = 1;
	parcel->subject = memory_copy(subject, strlen(subject));
	parcel->reply = memory_copy(reply, strlen(reply));
	parcel->body = copy_for_world(body);
	/* Those that somebody reads. */
	for (size_t i = 0; i < count && parcel->header_count < HEADERS_MOST; i++) {
		if (strncmp(headers[i].name, "ce-", 3) == 0)
			continue;
		parcel->names[parcel->header_count] = memory_copy(headers[i].name, strlen(headers[i].name));
		parcel->values[parcel->header_count++] = memory_copy(headers[i].value, strlen(headers[i].value));
	}
	arena_use(arena);
	return parcel;
}

const char *bus_header(const struct bus_message *message, const char *name) {
	const struct parcel *parcel = message->native;
	for (size_t i = 0; parcel && i < parcel->header_count; i++)
		if (strcasecmp(parcel->names[i], name) == 0)
			return parcel->values[i];
	return NULL;
}

/* A process that dies with what it keeps leaves its parcels behind: they are few, and given back with the program. */
struct bus_kept *bus_keep(const struct bus_message *message) {
	struct parcel *parcel = message->native;
	parcel->references++;
	return (struct bus_kept *)(void *)parcel;
}

void bus_kept_free(struct bus_kept **kept) {
	release((struct parcel *)(void *)*kept);
	*kept = NULL;
}

/* ---- arriving at a process ---- */

static struct request *take_request(struct bus *bus, uint64_t serial) {
	for (struct request **at = &bus->requests; *at; at = &(*at)->next) {
		struct request *request = *at;
		if (request->serial != serial)
			continue;
		*at = request->next;
		return request;
	}
	return NULL;
}

static void end_request(struct request *request, enum status status, const struct bus_message *message) {
	bus_reply_handler *handler = request->handler;
	void *context = request->context;
	world_cancel(&request->timer);
	free(request);
	handler(context, status, message);
}

static void delivery_free(void *context) {
	struct delivery *delivery = context;
	release(delivery->parcel);
	free(delivery);
}

static void arrive(void *context) {
	struct delivery *delivery = context;
	struct bus *bus = delivery->bus;
	struct parcel *parcel = delivery->parcel;
	struct bus_message message = { parcel->subject, parcel->reply, parcel->body, parcel, bus };
	if (bus->line.number == delivery->number) {
		struct request *request =
			!delivery->handler && delivery->subscription == SIZE_MAX ? take_request(bus, delivery->serial) : NULL;
		if (request)
			end_request(request, STATUS_OK, &message);
		else if (delivery->handler)
			delivery->handler(delivery->context, &message);
		else if (delivery->subscription < bus->subscription_count)
			bus->subscriptions[delivery->subscription].handler(bus->subscriptions[delivery->subscription].context,
			                                                   &message);
	}
	delivery_free(delivery);
}

static void deliver(struct parcel *parcel, struct bus *bus, struct delivery like) {
	struct arena *arena = arena_use(NULL);
	struct delivery *delivery = memory_new(sizeof(*delivery));
	*delivery = like;
	delivery->parcel = parcel;
	delivery->process = bus->line.process;
	delivery->life = bus->line.life;
	delivery->number = bus->line.number;
	delivery->bus = bus;
	parcel->references++;
	arena_use(arena);
	world_at(line_answer(&bus->line), bus->line.process, arrive, delivery_free, delivery);
}

void bus_deliver_to(struct process *process, uint64_t life, bus_handler *handler, void *context, const char *subject,
                    const char *reply, struct slice body) {
	if (!process_is(process, life) || !process->bus->line.up)
		return;
	struct parcel *parcel = parcel_new(subject, reply, NULL, 0, body);
	deliver(parcel, process->bus, (struct delivery){ .handler = handler, .context = context });
	release(parcel);
}

/* ---- at the server ---- */

bool subject_matches(const char *pattern, const char *subject) {
	while (*pattern && *subject) {
		if (*pattern == '>')
			return true;
		if (*pattern == '*') {
			pattern++;
			subject += strcspn(subject, ".");
		} else if (*pattern++ != *subject++) {
			return false;
		}
	}
	return *pattern == *subject;
}

static void route_reply(struct parcel *parcel) {
	int id = 0;
	unsigned long long life = 0, serial = 0;
	sscanf(parcel->subject, "_INBOX.%d.%llu.%llu", &id, &life, &serial);
	struct process *process = &world.processes[id];
	if (process_is(process, life) && process->bus && process->bus->line.up)
		deliver(parcel, process->bus, (struct delivery){ .subscription = SIZE_MAX, .serial = serial });
}

struct member {
	struct bus *bus;
	size_t subscription;
};

/* To all who listen alone, and to one of each queue group. Returns how many got it. */
static size_t route_subject(struct parcel *parcel) {
	struct member groups[8][PROCESSES_MOST];
	const char *names[8];
	size_t group_count = 0, sizes[8] = { 0 }, told = 0;
	for (int p = 0; p < world.process_count; p++) {
		struct bus *bus = buses[p];
		for (size_t i = 0; bus && bus->line.up && i < bus->subscription_count; i++) {
			struct subscription *subscription = &bus->subscriptions[i];
			if (!subject_matches(subscription->subject, parcel->subject))
				continue;
			if (!subscription->queue) {
				deliver(parcel, bus, (struct delivery){ .subscription = i });
				told++;
				continue;
			}
			size_t g = 0;
			while (g < group_count && strcmp(names[g], subscription->queue) != 0)
				g++;
			must(g < 8);
			names[g] = subscription->queue;
			group_count += g == group_count;
			groups[g][sizes[g]++] = (struct member){ bus, i };
		}
	}
	for (size_t g = 0; g < group_count; g++, told++) {
		struct member chosen = groups[g][world_draw((uint32_t)sizes[g])];
		deliver(parcel, chosen.bus, (struct delivery){ .subscription = chosen.subscription });
	}
	return told;
}

struct outgoing {
	struct parcel *parcel;
	struct process *process;
	uint64_t life, number;
};

static void outgoing_free(void *context) {
	struct outgoing *outgoing = context;
	release(outgoing->parcel);
	free(outgoing);
}

/* Nobody serves it: the asker hears so. */
static void tell_nobody(const struct outgoing *outgoing);

/* To a log, with expectations: the answer is routed as any message. False: it is something else. */
static bool append(struct parcel *parcel) {
	struct bus_message message = { parcel->subject, parcel->reply, parcel->body, parcel, NULL };
	struct text answer = { 0 };
	bool is_append = *parcel->reply && parcel->header_count > 0 && streams_publish(&message, &answer);
	if (answer.length > 0) {
		struct parcel *told = parcel_new(parcel->reply, "", NULL, 0, (struct slice){ answer.bytes, answer.length });
		route_subject(told);
		release(told);
	}
	text_release(&answer);
	return is_append;
}

static void route(void *context) {
	struct outgoing *outgoing = context;
	struct parcel *parcel = outgoing->parcel;
	const struct bus *sender = buses[outgoing->process->id];
	bool cut = process_is(outgoing->process, outgoing->life) && sender && sender->line.number != outgoing->number;
	if (!cut && strncmp(parcel->subject, "_INBOX.", 7) == 0)
		route_reply(parcel);
	else if (!cut && strncmp(parcel->subject, "$JS.ACK.", 8) == 0)
		jetstream_ack(parcel->subject, parcel->body);
	else if (!cut && !append(parcel)) {
		bool kept = streams_capture(parcel->subject, parcel->body) != NULL;
		if (route_subject(parcel) == 0 && *parcel->reply && !kept)
			tell_nobody(outgoing);
	}
	outgoing_free(outgoing);
}

/* ---- sending ---- */

/* What is told to everybody, once and in order: lost only with its connection. */
static bool is_event(const char *subject) {
	return strstr(subject, ".event.") != NULL;
}

static void send(struct bus *bus, struct parcel *parcel, int64_t at_us) {
	struct arena *arena = arena_use(NULL);
	struct outgoing *outgoing = memory_new(sizeof(*outgoing));
	*outgoing = (struct outgoing){ parcel, bus->line.process, bus->line.life, bus->line.number };
	parcel->references++;
	arena_use(arena);
	world_at(at_us, NULL, route, outgoing_free, outgoing);
}

void bus_send_now(struct bus *bus) {
	(void)bus;
}

enum status bus_publish_with(struct bus *bus, const char *subject, const char *reply, const struct bus_header *headers,
                             size_t header_count, struct slice body) {
	if (!bus->line.up)
		return STATUS_RETRY;
	int64_t at_us;
	if (is_event(subject)) {
		if (bus->line.process->dying)
			return STATUS_OK;
		at_us = bus->line.out_us = bus->line.out_us > world.now_us ? bus->line.out_us + 1 : world.now_us + 50;
	} else if (line_send(&bus->line, &at_us) != FATE_ARRIVES) {
		return STATUS_OK;
	}
	struct parcel *parcel = parcel_new(subject, reply ? reply : "", headers, header_count, body);
	send(bus, parcel, at_us);
	if (!is_event(subject) && world_fault(FAULT_DOUBLED))
		send(bus, parcel, at_us + world_draw(world_draw(2) ? 10000 : 2000000));
	release(parcel);
	return STATUS_OK;
}

enum status bus_publish(struct bus *bus, const char *subject, struct slice body) {
	return bus_publish_with(bus, subject, NULL, NULL, 0, body);
}

static void on_timeout(void *context) {
	struct request *request = context;
	request->timer = NULL;
	struct request *taken = take_request(request->bus, request->serial);
	must(taken == request);
	end_request(request, STATUS_RETRY, NULL);
}

struct nobody {
	struct bus *bus;
	uint64_t serial;
};

static void on_nobody(void *context) {
	struct nobody *nobody = context;
	struct request *request = take_request(nobody->bus, nobody->serial);
	free(nobody);
	if (request)
		end_request(request, STATUS_RETRY, NULL);
}

static void tell_nobody(const struct outgoing *outgoing) {
	int id = 0;
	unsigned long long life = 0, serial = 0;
	if (!process_is(outgoing->process, outgoing->life) ||
	    sscanf(outgoing->parcel->reply, "_INBOX.%d.%llu.%llu", &id, &life, &serial) != 3)
		return;
	struct nobody *nobody = memory_new(sizeof(*nobody));
	*nobody = (struct nobody){ outgoing->process->bus, serial };
	world_at(line_answer(&nobody->bus->line), outgoing->process, on_nobody, free, nobody);
}

void bus_request(struct bus *bus, const char *subject, const struct bus_header *headers, size_t header_count,
                 struct slice body, int64_t timeout_ms, bus_reply_handler *handler, void *context) {
	struct request *request = memory_new(sizeof(*request));
	char reply[80];
	*request = (struct request){ bus->requests, ++bus->serial, handler, context, bus, NULL };
	bus->requests = request;
	snprintf(reply, sizeof(reply), "_INBOX.%d.%llu.%llu", bus->line.process->id, (unsigned long long)bus->line.life,
	         (unsigned long long)request->serial);
	enum status status = bus_publish_with(bus, subject, reply, headers, header_count, body);
	int64_t wait_us = status == STATUS_OK ? timeout_ms * 1000 : 20;
	request->timer = world_at(world.now_us + wait_us, bus->line.process, on_timeout, NULL, request);
}

/* ---- opening, and the connection ---- */

static void tell_listeners(struct bus *bus, bool connected) {
	for (size_t i = 0; i < bus->listener_count; i++)
		bus->listeners[i].changed(bus->listeners[i].context, connected);
}

static void reconnect(void *context) {
	struct bus *bus = context;
	bus->line.up = true;
	bus->line.out_us = bus->line.in_us = world.now_us;
	tell_listeners(bus, true);
}

static void cut(void *context) {
	struct bus *bus = context;
	if (!bus->line.up)
		return;
	bus->line.up = false;
	bus->line.number++;
	uint64_t last = bus->serial;
	tell_listeners(bus, false);
	for (struct request *request = bus->requests; request;) {
		if (request->serial > last) {
			request = request->next;
			continue;
		}
		end_request(take_request(bus, request->serial), STATUS_RETRY, NULL);
		request = bus->requests; /* the list may have changed */
	}
	world_at(world.now_us + 50000 + world_draw(600000), bus->line.process, reconnect, NULL, bus);
}

void bus_cut(struct process *process) {
	if (process->alive && process->bus)
		world_at(world.now_us, process, cut, NULL, process->bus);
}

enum status bus_open(struct loop *loop, const struct bus_options *options, struct bus **bus, struct error *err) {
	struct bus *made = memory_new(sizeof(*made));
	(void)loop;
	(void)options;
	(void)err;
	made->line = (struct line){ .process = world.current, .life = world.current->life, .number = 1, .up = true };
	buses[world.current->id] = made;
	*bus = world.current->bus = made;
	return STATUS_OK;
}

void bus_forget(struct process *process) {
	buses[process->id] = NULL;
}

void bus_begin(void) {
	memset(buses, 0, sizeof(buses));
}

void bus_end(void) {
	memset(buses, 0, sizeof(buses));
}

void bus_fail_requests(struct bus *bus) {
	(void)bus; /* nobody stops here, all of them die */
}

void bus_close(struct bus **bus) {
	*bus = NULL;
}

bool bus_connected(const struct bus *bus) {
	return bus->line.up;
}

/* Nobody sleeps within a turn here. */
void bus_send_before(struct bus *bus, int64_t at_us) {
	(void)bus;
	(void)at_us;
}

size_t bus_max_payload(const struct bus *bus) {
	(void)bus;
	return MAX_PAYLOAD;
}

void bus_on_change(struct bus *bus, void (*changed)(void *context, bool connected), void *context) {
	must(bus->listener_count < LISTENERS_MOST);
	bus->listeners[bus->listener_count].changed = changed;
	bus->listeners[bus->listener_count++].context = context;
}

enum status bus_subscribe(struct bus *bus, const char *subject, const char *queue, bus_handler *handler, void *context,
                          struct error *err) {
	(void)err;
	must(bus->subscription_count < SUBSCRIPTIONS_MOST);
	struct subscription *subscription = &bus->subscriptions[bus->subscription_count++];
	subscription->subject = memory_copy(subject, strlen(subject));
	subscription->queue = queue ? memory_copy(queue, strlen(queue)) : NULL;
	subscription->handler = handler;
	subscription->context = context;
	return STATUS_OK;
}

/* Nobody here ends one of these. */
struct bus_subscription *bus_subscribe_inner(struct bus *bus, const char *subject, bus_handler *handler,
                                             void *context) {
	must(bus_subscribe(bus, subject, NULL, handler, context, NULL) == STATUS_OK);
	bus->subscriptions[bus->subscription_count - 1].inner = true;
	return NULL;
}

void bus_unsubscribe_all(struct bus *bus) {
	size_t kept = 0;
	for (size_t i = 0; i < bus->subscription_count; i++)
		if (bus->subscriptions[i].inner)
			bus->subscriptions[kept++] = bus->subscriptions[i];
	bus->subscription_count = kept;
}

bool bus_drained(const struct bus *bus) {
	(void)bus;
	return true;
}

size_t bus_dropped(const struct bus *bus) {
	(void)bus;
	return 0;
}

struct line *bus_line(struct bus *bus) {
	return &bus->line;
}

struct process *bus_process(struct bus *bus) {
	return bus->line.process;
}
