/* The life of a service: options, settings, servers, signals, a stop that finishes what is under way. */
#include "service.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../base/memory.h"
#include "../base/version.h"
#include "service_inside.h"

enum { EXIT_USAGE = 64, EXIT_NO_SERVER = 69, EXIT_SETTINGS = 78, IDLE_CHECK_US = 20000 };

struct loop *service_loop(struct service *service) {
	return service->loop;
}

struct bus *service_bus(struct service *service) {
	return service->bus;
}

struct kv *service_kv(struct service *service, int64_t partition) {
	must(service->kv_count > 0 && partition >= 0);
	return service->kvs[(size_t)partition % service->kv_count];
}

struct db *service_db(struct service *service) {
	return service->db;
}

const void *service_settings(struct service *service) {
	return service->settings;
}

const char *service_id(struct service *service) {
	return service->id;
}

void service_context(struct service *service, void *context) {
	service->own = context;
}

void *service_own(struct service *service) {
	return service->own;
}

const char *service_full_subject(struct service *service, const char *format, ...) {
	static char buffers[4][512];
	static unsigned next;
	char *buffer = buffers[next++ % 4];
	int prefix = snprintf(buffer, sizeof(buffers[0]), "%s.v1.", service->common->prefix);
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(buffer + prefix, sizeof(buffers[0]) - (size_t)prefix, format, arguments);
	va_end(arguments);
	must(length >= 0 && (size_t)(prefix + length) < sizeof(buffers[0]));
	return buffer;
}

static struct counter *find_counter(struct service *service, const char *name) {
	for (size_t i = 0; i < service->counter_count; i++)
		if (strcmp(service->counters[i]->name, name) == 0)
			return service->counters[i];
	struct counter *counter = memory_new(sizeof(*counter));
	counter->name = slice_copy(slice_of(name));
	service->counters = memory_resize(service->counters, service->counter_count + 1, sizeof(counter));
	service->counters[service->counter_count++] = counter;
	return counter;
}

uint64_t *service_counter(struct service *service, const char *name) {
	return &find_counter(service, name)->value;
}

uint64_t *service_gauge(struct service *service, const char *name) {
	struct counter *counter = find_counter(service, name);
	counter->is_gauge = true;
	return &counter->value;
}

/* Servers */

static enum status open_kvs(struct service *service, struct error *err) {
	struct slice rest = slice_of(service->common->redis_url);
	do {
		char *url = slice_copy(slice_cut(&rest, ','));
		struct kv *kv = NULL;
		enum status status = kv_open(service->loop, url, service->program, &kv, err);
		free(url);
		if (status != STATUS_OK)
			return status;
		service->kvs = memory_resize(service->kvs, service->kv_count + 1, sizeof(kv));
		service->kvs[service->kv_count++] = kv;
	} while (rest.bytes);
	return STATUS_OK;
}

enum status service_open_servers(struct service *service, struct error *err) {
	struct bus_options options = { service->common->nats_url, service->program };
	service->loop = loop_open();
	loop_busy_poll(service->loop, service->common->busy_poll_us);
	enum status status = bus_open(service->loop, &options, &service->bus, err);
	if (status == STATUS_OK && (service->definition->needs & SERVICE_NEEDS_REDIS))
		status = open_kvs(service, err);
	if (status == STATUS_OK && (service->definition->needs & SERVICE_NEEDS_DATABASE))
		status = db_open(service->loop, service->common->database_url, &service->db, err);
	return status;
}

/* Redis is left to the end of the process, and so is a database with a query under way: closing them would answer calls
 * whose makers are gone by now. */
static void close_servers(struct service *service) {
	if (service->db && db_waiting(service->db) == 0)
		db_close(&service->db);
	bus_close(&service->bus);
}

/* Stopping */

static void out_of_time(void *context) {
	struct service *service = context;
	service->stop_timer = NULL;
	log_warn("stopped before everything under way was finished: raise CORDER_STOP_TIMEOUT_MS if that matters",
	         "open_requests", log_int((long long)service->open_requests), NULL);
	loop_stop(service->loop);
}

static bool is_idle(struct service *service) {
	const struct service_definition *definition = service->definition;
	return service->open_requests == 0 && bus_drained(service->bus) && (!definition->idle || definition->idle(service));
}

/* What makes a service idle may happen without a turn of the loop, so it is looked for now and then. */
static void look_whether_idle(void *context) {
	struct service *service = context;
	service->idle_timer = NULL;
	if (is_idle(service))
		loop_stop(service->loop);
	else
		service->idle_timer =
			loop_timer_start(service->loop, clock_mono_us() + IDLE_CHECK_US, look_whether_idle, service);
}

static void on_signal(void *context, int fd, int events) {
	struct service *service = context;
	struct signalfd_siginfo info;
	(void)events;
	if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (service->stopping) {
		log_warn("stopped at once by a second signal", NULL);
		loop_stop(service->loop);
		return;
	}
	log_info("stopping", "signal", info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM", NULL);
	service->stopping = true;
	bus_unsubscribe_all(service->bus);
	if (service->definition->stop)
		service->definition->stop(service);
	int64_t now_us = clock_mono_us();
	service->stop_timer =
		loop_timer_start(service->loop, now_us + service->common->stop_timeout_ms * 1000, out_of_time, service);
	service->idle_timer = loop_timer_start(service->loop, now_us, look_whether_idle, service);
}

/* Before any thread exists: threads inherit the mask, and the signals come to the descriptor alone. */
static void catch_signals(struct service *service) {
	sigset_t stop;
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	must(sigprocmask(SIG_BLOCK, &stop, NULL) == 0);
	signal(SIGPIPE, SIG_IGN);
	service->signal_fd = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
	must(service->signal_fd >= 0);
}

/* Running */

static enum status start(struct service *service, struct error *err) {
	enum status status = service_open_servers(service, err);
	if (status != STATUS_OK)
		return status;
	loop_watch(service->loop, service->signal_fd, LOOP_READ, on_signal, service);
	status = service->definition->start(service, err);
	if (status == STATUS_OK)
		status = service_protocol_open(service, err);
	if (status == STATUS_OK)
		status = service_listener_open(service, err);
	return status;
}

static void close_all(struct service *service) {
	loop_timer_stop(service->loop, &service->stop_timer);
	loop_timer_stop(service->loop, &service->idle_timer);
	bus_fail_requests(service->bus);
	service_listener_close(service);
	if (service->definition->close)
		service->definition->close(service);
	close_servers(service);
}

static int run(struct service *service) {
	struct error err = { 0 };
	catch_signals(service);
	enum status status = start(service, &err);
	if (status != STATUS_OK) {
		log_error("cannot start", "reason", err.message, NULL);
		return status == STATUS_REJECT ? EXIT_SETTINGS : EXIT_NO_SERVER;
	}
	log_info("started", "version", CORDER_VERSION, "id", service->id, NULL);
	loop_run(service->loop);
	close_all(service);
	log_info("stopped", NULL);
	return 0;
}

static int print(struct text *text) {
	fwrite(text->bytes, 1, text->length, stdout);
	text_release(text);
	return fflush(stdout) == 0 ? 0 : 1;
}

static int with_settings(struct service *service, const char *option) {
	struct error err = { 0 };
	struct text out = { 0 };
	if (service_read_settings(service, &err) != STATUS_OK) {
		fprintf(stderr, "%s: %s\n", service->program, err.message);
		return EXIT_SETTINGS;
	}
	if (!option)
		return run(service);
	if (strcmp(option, "--check") == 0)
		return service_check(service);
	service_print_settings(service, &out);
	return print(&out);
}

int service_main(int argc, char **argv, const struct service_definition *definition) {
	static struct service one; /* a process is one service, to its end */
	struct service *service = &one;
	struct text out = { 0 };
	const char *option = argc > 1 ? argv[1] : NULL;
	service->definition = definition;
	service->started_at_us = clock_wall_us();
	id_make(service->id);
	snprintf(service->program, sizeof(service->program), "corder-%s", definition->name);
	log_open(service->program, LOG_LEVEL_INFO);
	if (argc > 2 ||
	    (option && strcmp(option, "--help") != 0 && strcmp(option, "-h") != 0 && strcmp(option, "--version") != 0 &&
	     strcmp(option, "--check") != 0 && strcmp(option, "--print-config") != 0)) {
		fprintf(stderr, "%s: at most one option of --check, --print-config, --version, --help\n", service->program);
		return EXIT_USAGE;
	}
	if (option && (strcmp(option, "--help") == 0 || strcmp(option, "-h") == 0)) {
		service_print_help(service, &out);
		return print(&out);
	}
	if (option && strcmp(option, "--version") == 0) {
		text_printf(&out, "%s %s\n", service->program, CORDER_VERSION);
		return print(&out);
	}
	return with_settings(service, option);
}
