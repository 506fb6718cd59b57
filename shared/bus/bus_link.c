/* The life of a connection. nats.c is used without any of its threads: reads and writes are done when the loop says so,
 * its own reconnecting and its pings are off. Its reconnecting would keep a half-read message in its parser, and would hold
 * its lock, and so the loop, for the length of a handshake; its ping timer closes the socket from another thread.
 * Instead a short thread of ours makes each new connection, handshake included, and hands it to the loop. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "../base/clock.h"
#include "../base/id.h"
#include "../base/log.h"
#include "../base/memory.h"
#include "bus_inside.h"

/* Shared between the loop and the connecting thread, under `mutex`; who leaves last frees it. */
struct attempt {
	pthread_mutex_t mutex;
	pthread_cond_t finished;
	bool is_finished;
	struct loop *loop; /* NULL: abandoned by the loop */
	natsOptions *options;
	struct link *link;
	natsStatus status;
};

/* The event loop adapter. Once the loop has adopted a link, nats.c calls these in the loop's thread only, but for
 * adapter_write while a subscription drains. */

static natsStatus adapter_attach(void **data, void *loop, natsConnection *connection, natsSock fd) {
	struct link *link = loop; /* see new_options */
	link->connection = connection;
	link->fd = fd;
	*data = link;
	return NATS_OK;
}

static void link_stop_watching(struct link *link) {
	struct bus *bus = link->bus;
	if (bus && link->fd >= 0) {
		loop_watch(bus->loop, link->fd, 0, NULL, NULL);
		loop_timer_stop(bus->loop, &bus->read_timer);
		bus->watches_write = false;
		bus->connected = false;
		bus->lost = true;
		loop_again(bus->loop);
	}
	link->fd = -1;
}

static natsStatus adapter_read(void *data, bool add) {
	if (!add)
		link_stop_watching(data);
	return NATS_OK;
}

static natsStatus adapter_write(void *data, bool add) {
	struct link *link = data;
	struct bus *bus = link->bus;
	if (bus && add) {
		atomic_store(&bus->wants_write, true);
		if (!pthread_equal(pthread_self(), bus->thread))
			loop_wake(bus->loop);
	}
	return NATS_OK;
}

static natsStatus adapter_detach(void *data) {
	link_stop_watching(data);
	return NATS_OK;
}

/* The default of nats.c prints asynchronous errors on stderr; what is dropped is counted by bus_dropped. */
static void ignore_error(natsConnection *connection, natsSubscription *subscription, natsStatus status, void *context) {
	(void)connection;
	(void)subscription;
	(void)status;
	(void)context;
}

static void link_ready(void *context, int fd, int events);

static natsOptions *new_options(const char *url, const char *name, struct link *link, natsStatus *status) {
	natsOptions *o = NULL;
	must(natsOptions_Create(&o) == NATS_OK);
	*status = bus_set_servers(o, url);
	if (*status == NATS_OK)
		*status = natsOptions_SetName(o, name);
	if (*status == NATS_OK && strncmp(url, "tls://", 6) == 0)
		*status = natsOptions_SetSecure(o, true);
	must(natsOptions_SetEventLoop(o, link, adapter_attach, adapter_read, adapter_write, adapter_detach) == NATS_OK);
	must(natsOptions_SetAllowReconnect(o, false) == NATS_OK);
	must(natsOptions_SetTimeout(o, CONNECT_TIMEOUT_MS) == NATS_OK);
	must(natsOptions_SetPingInterval(o, 0) == NATS_OK);
	must(natsOptions_SetSendAsap(o, true) == NATS_OK);
	must(natsOptions_SetIOBufSize(o, IO_BUFFER_BYTES) == NATS_OK);
	must(natsOptions_SetMaxPendingMsgs(o, PENDING_MOST_MESSAGES) == NATS_OK);
	must(natsOptions_SetErrorHandler(o, ignore_error, NULL) == NATS_OK);
	return o;
}

enum status link_check(const struct bus_options *options, struct error *err) {
	enum status status = bus_check_urls(options->url, err);
	if (status != STATUS_OK)
		return status;
	struct link none = { .fd = -1 };
	natsStatus native;
	natsOptions *o = new_options(options->url, options->name, &none, &native);
	natsOptions_Destroy(o);
	if (native != NATS_OK)
		return fail(err, STATUS_REJECT, "NATS_URL is not usable: %s", natsStatus_GetText(native));
	return STATUS_OK;
}

/* Connecting */

static void link_free(struct link *link) {
	if (!link)
		return;
	natsConnection_Destroy(link->connection); /* calls adapter_detach when it is still attached */
	free(link);
}

static void attempt_free(struct attempt *attempt) {
	link_free(attempt->link);
	natsOptions_Destroy(attempt->options);
	pthread_mutex_destroy(&attempt->mutex);
	pthread_cond_destroy(&attempt->finished);
	free(attempt);
}

static void *attempt_run(void *context) {
	struct attempt *attempt = context;
	natsConnection *connection = NULL;
	natsStatus status = natsConnection_Connect(&connection, attempt->options);
	/* A connection that failed after it was attached is gone again, and must not be touched through the link. */
	attempt->link->connection = status == NATS_OK ? connection : NULL;
	nats_ReleaseThreadMemory();
	pthread_mutex_lock(&attempt->mutex);
	attempt->status = status;
	attempt->is_finished = true;
	bool is_abandoned = !attempt->loop;
	if (!is_abandoned)
		loop_wake(attempt->loop);
	pthread_cond_signal(&attempt->finished);
	pthread_mutex_unlock(&attempt->mutex);
	if (is_abandoned)
		attempt_free(attempt);
	return NULL;
}

void link_start(struct bus *bus) {
	struct attempt *attempt = memory_new(sizeof(*attempt));
	natsStatus status;
	pthread_attr_t attributes;
	pthread_t thread;
	must(pthread_mutex_init(&attempt->mutex, NULL) == 0 && pthread_cond_init(&attempt->finished, NULL) == 0);
	attempt->loop = bus->loop;
	attempt->link = memory_new(sizeof(struct link));
	attempt->link->fd = -1;
	attempt->options = new_options(bus->url, bus->name, attempt->link, &status);
	bus->attempt = attempt;
	must(pthread_attr_init(&attributes) == 0);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	int failed = pthread_create(&thread, &attributes, attempt_run, attempt);
	pthread_attr_destroy(&attributes);
	if (failed) { /* no thread to be had at the moment: as good as a server that is away */
		attempt->status = NATS_NO_SERVER;
		attempt->is_finished = true;
		loop_again(bus->loop);
	}
}

void link_wait(struct bus *bus, int64_t wait_ms) {
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += wait_ms / 1000;
	until.tv_nsec += wait_ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&bus->attempt->mutex);
	int result = 0;
	while (!bus->attempt->is_finished && result == 0)
		result = pthread_cond_timedwait(&bus->attempt->finished, &bus->attempt->mutex, &until);
	pthread_mutex_unlock(&bus->attempt->mutex);
}

static void retry(void *context) {
	struct bus *bus = context;
	bus->retry_timer = NULL;
	link_start(bus);
}

static void plan_retry(struct bus *bus, int64_t least_ms, int64_t most_ms) {
	int64_t wait_us = least_ms * 1000 + (int64_t)(id_random() % (uint64_t)((most_ms - least_ms) * 1000));
	bus->retry_timer = loop_timer_start(bus->loop, clock_mono_us() + wait_us, retry, bus);
}

static void check_alive(void *context) {
	struct bus *bus = context;
	int64_t now_us = clock_mono_us();
	bus->alive_timer = loop_timer_start(bus->loop, now_us + ALIVE_INTERVAL_MS * 1000, check_alive, bus);
	if (now_us - bus->last_read_us > ALIVE_LIMIT_MS * 1000) {
		log_warn("NATS has been silent for too long: the connection is made anew", NULL);
		link_declare_lost(bus);
		return;
	}
	/* Comes back to ourselves: then the server and both directions are alive. */
	bus_publish(bus, bus->alive_subject, (struct slice){ "", 0 });
}

static void watch(struct bus *bus) {
	int events = (bus->read_timer == NULL ? LOOP_READ : 0) | (bus->watches_write ? LOOP_WRITE : 0);
	loop_watch(bus->loop, bus->link->fd, events, link_ready, bus);
}

static void adopt(struct bus *bus, struct link *link) {
	bus->link = link;
	link->bus = bus;
	bus->connected = true;
	bus->lost = false;
	bus->told_failure = false;
	bus->dirty = false;
	link_dirty(bus);
	bus->unflushed_bytes = 0;
	bus->send_before_us = 0;
	bus->last_read_us = clock_mono_us();
	bus->max_payload = (size_t)natsConnection_GetMaxPayload(link->connection);
	watch(bus);
	bus_subscribe_natives(bus);
	bus->alive_timer = loop_timer_start(bus->loop, bus->last_read_us + ALIVE_INTERVAL_MS * 1000, check_alive, bus);
	log_info("connected to NATS", NULL);
	bus_tell_listeners(bus, true);
}

void link_adopt_finished(struct bus *bus) {
	struct attempt *attempt = bus->attempt;
	if (!attempt)
		return;
	pthread_mutex_lock(&attempt->mutex);
	bool is_finished = attempt->is_finished;
	pthread_mutex_unlock(&attempt->mutex);
	if (!is_finished)
		return;
	struct link *link = attempt->status == NATS_OK ? attempt->link : NULL;
	natsStatus status = attempt->status;
	if (link)
		attempt->link = NULL;
	attempt_free(attempt);
	bus->attempt = NULL;
	if (link) {
		adopt(bus, link);
		return;
	}
	if (!bus->told_failure)
		log_warn("cannot connect to NATS: trying again until it is there", "reason", natsStatus_GetText(status), NULL);
	bus->told_failure = true;
	plan_retry(bus, RECONNECT_LEAST_MS, RECONNECT_MOST_MS);
}

/* Reading and writing */

static void on_read_timer(void *context) {
	struct bus *bus = context;
	bus->read_timer = NULL;
	if (bus->connected)
		watch(bus);
}

static void link_ready(void *context, int fd, int events) {
	struct bus *bus = context;
	(void)fd;
	if (events & LOOP_WRITE)
		bus->dirty = true;
	if (!(events & LOOP_READ) || !bus->connected)
		return;
	bus->last_read_us = loop_now(bus->loop);
	natsConnection_ProcessReadEvent(bus->link->connection);
	bus->dirty = true; /* a PING was perhaps answered */
	bus_poll(bus);
	if (bus->read_every_us == 0 || !bus->connected)
		return;
	loop_timer_stop(bus->loop, &bus->read_timer); /* an error is told while nothing is read, too */
	bus->read_timer = loop_timer_start(bus->loop, bus->last_read_us + bus->read_every_us, on_read_timer, bus);
	watch(bus);
}

void link_dirty(struct bus *bus) {
	if (bus->dirty)
		return;
	bus->dirty = true;
	loop_need_end(bus->loop);
}

bool link_is_late(const struct bus *bus) {
	return bus->connected && bus->send_before_us > 0 && clock_mono_us() >= bus->send_before_us;
}

void link_flush(struct bus *bus) {
	if (!bus->connected || (!bus->dirty && !atomic_load(&bus->wants_write)))
		return;
	bus->dirty = false;
	atomic_store(&bus->wants_write, false);
	natsConnection *connection = bus->link->connection;
	int left = natsConnection_Buffered(connection);
	if (left > 0) { /* writing nothing would be taken for the end of the connection */
		natsConnection_ProcessWriteEvent(connection);
		left = bus->connected ? natsConnection_Buffered(connection) : 0;
	}
	bus->unflushed_bytes = left > 0 ? (size_t)left : 0;
	if (left == 0)
		bus->send_before_us = 0;
	bool must_watch = bus->connected && left > 0;
	if (bus->connected && must_watch != bus->watches_write) {
		bus->watches_write = must_watch;
		watch(bus);
	}
}

void link_declare_lost(struct bus *bus) {
	if (!bus->connected)
		return;
	/* nats.c closes a connection without a flush only when it reads its end. */
	shutdown(bus->link->fd, SHUT_RDWR);
	natsConnection_ProcessReadEvent(bus->link->connection);
	bus_poll(bus);
}

static void drop_link(struct bus *bus) {
	struct link *link = bus->link;
	/* First the connection: destroying a live subscription writes to it, and nats.c would wait for an answer. */
	link->bus = NULL;
	natsConnection_Close(link->connection);
	bus_drop_natives(bus);
	bus->link = NULL;
	bus->connected = false;
	bus->lost = false;
	bus->unflushed_bytes = 0;
	loop_timer_stop(bus->loop, &bus->alive_timer);
	loop_timer_stop(bus->loop, &bus->read_timer);
	link_free(link);
}

void link_take_down(struct bus *bus) {
	if (!bus->lost)
		return;
	drop_link(bus);
	log_warn("the connection to NATS is lost: trying again until it is back", NULL);
	bus->told_failure = true;
	plan_retry(bus, 0, RECONNECT_LEAST_MS);
	bus_tell_listeners(bus, false);
	requests_fail_all(bus);
	loop_again(bus->loop);
}

static void flush_for_close(struct bus *bus) {
	int64_t until_us = clock_mono_us() + CLOSE_FLUSH_MS * 1000;
	while (bus->connected && natsConnection_Buffered(bus->link->connection) > 0) {
		natsConnection_ProcessWriteEvent(bus->link->connection);
		int64_t left_ms = (until_us - clock_mono_us()) / 1000;
		if (!bus->connected || left_ms <= 0)
			break;
		struct pollfd writable = { .fd = bus->link->fd, .events = POLLOUT };
		poll(&writable, 1, (int)left_ms);
	}
	/* What cannot be written in time is given up: nats.c would wait once more. */
	if (bus->connected && natsConnection_Buffered(bus->link->connection) > 0)
		link_declare_lost(bus);
}

void link_close(struct bus *bus) {
	loop_timer_stop(bus->loop, &bus->retry_timer);
	flush_for_close(bus);
	if (bus->link) {
		link_stop_watching(bus->link);
		drop_link(bus);
	}
	struct attempt *attempt = bus->attempt;
	if (!attempt)
		return;
	pthread_mutex_lock(&attempt->mutex);
	attempt->loop = NULL;
	bool is_finished = attempt->is_finished;
	pthread_mutex_unlock(&attempt->mutex);
	if (is_finished)
		attempt_free(attempt);
	bus->attempt = NULL;
}
