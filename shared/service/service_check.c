/* --check: is each server that this service needs there, and does it answer? One line each on stdout. */
#include <stdio.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "service_inside.h"

enum { CHECK_DEADLINE_MS = 5000, CHECK_STEP_US = 20000 };

struct jetstream_check {
	bool asked, answered;
};

static void on_jetstream(void *context, enum status status, const struct bus_message *message) {
	struct jetstream_check *check = context;
	(void)message;
	check->asked = status == STATUS_OK; /* else asked again */
	check->answered = status == STATUS_OK;
}

static bool jetstream_answers(struct service *service, struct jetstream_check *check) {
	if (bus_connected(service->bus) && !check->asked) {
		check->asked = true;
		bus_request(service->bus, "$JS.API.INFO", NULL, 0, (struct slice){ "", 0 }, 1000, on_jetstream, check);
	}
	return check->answered;
}

static size_t connected_kvs(const struct service *service) {
	size_t count = 0;
	for (size_t i = 0; i < service->kv_count; i++)
		count += kv_connected(service->kvs[i]);
	return count;
}

static bool all_answer(struct service *service, struct jetstream_check *check) {
	bool bus = jetstream_answers(service, check);
	return bus && connected_kvs(service) == service->kv_count && (!service->db || db_connected(service->db));
}

static bool print_line(const char *what, bool good, const char *setting, const char *hint) {
	if (good)
		printf("%-10s ok\n", what);
	else
		printf("%-10s not there within %d s: %s (%s)\n", what, CHECK_DEADLINE_MS / 1000, hint, setting);
	return good;
}

int service_check(struct service *service) {
	struct error err = { 0 };
	struct jetstream_check check = { 0 };
	log_open(service->program, LOG_LEVEL_ERROR);
	if (service_open_servers(service, &err) != STATUS_OK) {
		fprintf(stderr, "%s: %s\n", service->program, err.message);
		return 78;
	}
	int64_t until_us = clock_mono_us() + CHECK_DEADLINE_MS * 1000;
	while (!all_answer(service, &check) && clock_mono_us() < until_us)
		loop_turn(service->loop, CHECK_STEP_US);
	puts("settings   ok");
	bool good = print_line("nats", bus_connected(service->bus), "NATS_URL", "is nats-server running?");
	if (good)
		good = print_line("jetstream", check.answered, "NATS_URL", "start nats-server with JetStream on, -js");
	for (size_t i = 0; i < service->kv_count; i++)
		good =
			print_line("redis", kv_connected(service->kvs[i]), "REDIS_URL", "is it running, and the password right?") &&
			good;
	if (service->db)
		good = print_line("database", db_connected(service->db), "DATABASE_URL",
		                  "is it running, does the database exist, and may this user use it?") &&
		       good;
	return good ? 0 : 69;
}
