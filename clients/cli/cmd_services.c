/* `corder services`: what runs, by the NATS services protocol (ADR-32): every service answers STATS to the inbox that asks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/id.h"
#include "../../shared/base/memory.h"
#include "commands.h"
#include "fields.h"
#include "grid.h"

struct services_options {
	const char *name;
	bool endpoints, counters, check;
	double wait_s;
};

enum { ANSWERS_MOST = 1000, TURN_US = 20000, QUIET_US = 250000 };

struct one {
	char *body;
	struct json *json;
	struct json_value root;
	struct slice name, id;
};

struct services {
	struct cli *cli;
	struct one answers[ANSWERS_MOST];
	size_t count;
	int64_t last_us;
};

static bool is_ours(const struct services *services, struct json_value root) {
	struct slice name = json_text(json_member(root, "name"));
	struct slice prefix = json_text(json_member(json_member(root, "metadata"), "prefix"));
	return name.length > 7 && memcmp(name.bytes, "corder-", 7) == 0 && slice_is(prefix, services->cli->prefix);
}

static void on_answer(void *context, const struct bus_message *message) {
	struct services *services = context;
	if (services->count == ANSWERS_MOST)
		return;
	struct one *one = &services->answers[services->count];
	one->body = slice_copy(message->body);
	one->json = json_read(slice_of(one->body), NULL);
	if (one->json == NULL || !is_ours(services, json_root(one->json))) {
		json_close(&one->json);
		free(one->body);
		return;
	}
	one->root = json_root(one->json);
	one->name = json_text(json_member(one->root, "name"));
	one->id = json_text(json_member(one->root, "id"));
	services->count++;
	services->last_us = clock_mono_us();
}

static int compare(struct slice a, struct slice b) {
	size_t shorter = a.length < b.length ? a.length : b.length;
	int order = memcmp(a.bytes, b.bytes, shorter);
	return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

static int by_name(const void *a, const void *b) {
	const struct one *first = a, *second = b;
	int order = compare(first->name, second->name);
	return order != 0 ? order : compare(first->id, second->id);
}

/* Asks once and gathers until it has been quiet for a moment. */
static int gather(struct services *services, const struct services_options *options) {
	struct cli *cli = services->cli;
	struct error err = { 0 };
	char id[ID_BYTES], inbox[BUS_INBOX_BYTES + 64], subject[96];
	id_make(id);
	snprintf(inbox, sizeof inbox, "%scorder-services.%s", bus_inbox(cli->bus), id);
	snprintf(subject, sizeof subject, "$SRV.STATS%s%s", options->name != NULL ? ".corder-" : "",
	         options->name != NULL ? options->name : "");
	enum status status = bus_subscribe(cli->bus, inbox, NULL, on_answer, services, &err);
	if (status == STATUS_OK)
		status = bus_publish_with(cli->bus, subject, inbox, NULL, 0, (struct slice){ 0 });
	if (status != STATUS_OK) {
		fprintf(stderr, "corder: cannot ask at %s: %s\n", cli->url, err.message);
		return EXIT_UNREACHABLE;
	}
	int64_t now_us = services->last_us = clock_mono_us();
	int64_t end_us = now_us + (int64_t)(options->wait_s * 1e6);
	while ((now_us = clock_mono_us()) < end_us && (services->count == 0 || now_us - services->last_us < QUIET_US))
		if (!client_turn(cli, TURN_US))
			return EXIT_INTERRUPTED;
	qsort(services->answers, services->count, sizeof services->answers[0], by_name);
	return EXIT_DONE;
}

static bool is_healthy(const struct one *one) {
	return json_bool(json_member(json_member(json_member(one->root, "data"), "health"), "ok"), false);
}

/* The services' own messages are no requests of anybody; --endpoints shows them. */
static bool is_internal(struct slice subject) {
	return memmem(subject.bytes, subject.length, ".internal.", 10) != NULL;
}

static void add_row(const struct one *one, struct grid *grid) {
	int64_t requests = 0, errors = 0;
	struct json_value endpoints = json_member(one->root, "endpoints");
	for (struct json_value endpoint = json_first(endpoints); json_present(endpoint); endpoint = json_next(endpoint)) {
		if (is_internal(json_text(json_member(endpoint, "subject"))))
			continue;
		requests += json_int(json_member(endpoint, "num_requests"), 0);
		errors += json_int(json_member(endpoint, "num_errors"), 0);
	}
	struct text cell = { 0 };
	grid_cell(grid, SHADE_BOLD, one->name);
	grid_cell(grid, SHADE_DIM, one->id);
	grid_cell(grid, SHADE_PLAIN, json_text(json_member(one->root, "version")));
	text_add_duration(&cell, (double)(clock_wall_us() - field_time(json_member(one->root, "started"))) / 1e6);
	grid_cell(grid, SHADE_PLAIN, text_slice(&cell));
	text_clear(&cell);
	grid_printf(grid, SHADE_PLAIN, "%lld", (long long)requests);
	grid_printf(grid, errors > 0 ? SHADE_YELLOW : SHADE_PLAIN, "%lld", (long long)errors);
	if (is_healthy(one))
		grid_cell(grid, SHADE_GREEN, SLICE("ok"));
	else
		grid_cell(grid, SHADE_RED,
		          json_text(json_member(json_member(json_member(one->root, "data"), "health"), "reason")));
	text_release(&cell);
}

static void add_endpoints(const struct services *services, struct text *out) {
	static const struct grid_column columns[] = { { "SERVICE", false, false },  { "ID", false, true },
		                                          { "SUBJECT", false, true },   { "REQUESTS", true, false },
		                                          { "ERRORS", true, false },    { "AVERAGE", true, false },
		                                          { "LAST ERROR", false, true } };
	struct grid *grid = grid_open(columns, COUNT(columns));
	for (size_t i = 0; i < services->count; i++) {
		struct json_value endpoints = json_member(services->answers[i].root, "endpoints");
		for (struct json_value endpoint = json_first(endpoints); json_present(endpoint);
		     endpoint = json_next(endpoint)) {
			grid_cell(grid, SHADE_PLAIN, services->answers[i].name);
			grid_cell(grid, SHADE_DIM, services->answers[i].id);
			grid_cell(grid, SHADE_PLAIN, json_text(json_member(endpoint, "subject")));
			grid_printf(grid, SHADE_PLAIN, "%lld", (long long)json_int(json_member(endpoint, "num_requests"), 0));
			grid_printf(grid, SHADE_PLAIN, "%lld", (long long)json_int(json_member(endpoint, "num_errors"), 0));
			grid_printf(grid, SHADE_PLAIN, "%.2fms",
			            json_double(json_member(endpoint, "average_processing_time"), 0) / 1e6);
			grid_cell(grid, SHADE_DIM, json_text(json_member(endpoint, "last_error")));
		}
	}
	text_add_char(out, '\n');
	grid_add(grid, &services->cli->out, out);
	grid_close(&grid);
}

static void add_counters(const struct services *services, struct text *out) {
	static const struct grid_column columns[] = {
		{ "SERVICE", false, false }, { "ID", false, true }, { "COUNTER", false, true }, { "VALUE", true, false }
	};
	struct grid *grid = grid_open(columns, COUNT(columns));
	for (size_t i = 0; i < services->count; i++) {
		struct json_value counters = json_member(json_member(services->answers[i].root, "data"), "counters");
		for (struct json_value counter = json_first(counters); json_present(counter); counter = json_next(counter)) {
			grid_cell(grid, SHADE_PLAIN, services->answers[i].name);
			grid_cell(grid, SHADE_DIM, services->answers[i].id);
			grid_cell(grid, SHADE_PLAIN, json_name(counter));
			grid_cell(grid, SHADE_PLAIN, json_raw(counter));
		}
	}
	text_add_char(out, '\n');
	grid_add(grid, &services->cli->out, out);
	grid_close(&grid);
}

static void print_json(const struct services *services) {
	printf("{\"services\":[");
	for (size_t i = 0; i < services->count; i++)
		printf("%s%s", i > 0 ? "," : "", services->answers[i].body);
	printf("]}\n");
}

static void print_tables(const struct services *services, const struct services_options *options) {
	static const struct grid_column columns[] = { { "SERVICE", false, false }, { "ID", false, true },
		                                          { "VERSION", false, false }, { "UP", true, false },
		                                          { "REQUESTS", true, false }, { "ERRORS", true, false },
		                                          { "HEALTH", false, true } };
	struct text out = { 0 };
	struct grid *grid = grid_open(columns, COUNT(columns));
	for (size_t i = 0; i < services->count; i++)
		add_row(&services->answers[i], grid);
	grid_add(grid, &services->cli->out, &out);
	grid_close(&grid);
	if (options->endpoints)
		add_endpoints(services, &out);
	if (options->counters)
		add_counters(services, &out);
	term_write(&services->cli->out, &out);
	text_release(&out);
}

static int verdict(const struct services *services, const struct services_options *options) {
	static const char *const needed[] = { "corder-ingest", "corder-scheduler", "corder-dispatcher", "corder-persister",
		                                  "corder-monitor" };
	int code = EXIT_DONE;
	for (size_t n = 0; n < COUNT(needed); n++) {
		bool found = options->name != NULL && strcmp(needed[n] + 7, options->name) != 0;
		for (size_t i = 0; i < services->count && !found; i++)
			found = slice_is(services->answers[i].name, needed[n]) && is_healthy(&services->answers[i]);
		if (found)
			continue;
		fprintf(stderr, "corder: no healthy %s answers\n", needed[n]);
		code = EXIT_FAILED;
	}
	return code;
}

static int services_run(struct cli *cli, const void *values) {
	const struct services_options *options = values;
	if (cli->arguments.count > 0 || (options->name != NULL && !id_is_token(slice_of(options->name))))
		return command_usage(&command_services,
		                     "--name takes a service: ingest, scheduler, dispatcher, persister or monitor");
	int code = client_connect(cli);
	if (code != EXIT_DONE)
		return code;
	struct services *services = memory_new(sizeof *services);
	services->cli = cli;
	code = gather(services, options);
	if (code == EXIT_DONE && cli->common.json)
		print_json(services);
	else if (code == EXIT_DONE && services->count > 0)
		print_tables(services, options);
	if (code == EXIT_DONE && services->count == 0) {
		fprintf(stderr, "corder: no service of prefix '%s' answers at %s; is 'corder up' running?\n", cli->prefix,
		        cli->url);
		code = EXIT_UNREACHABLE;
	} else if (code == EXIT_DONE && options->check) {
		code = verdict(services, options);
	}
	client_close(cli);
	for (size_t i = 0; i < services->count; i++) {
		json_close(&services->answers[i].json);
		free(services->answers[i].body);
	}
	free(services);
	return code;
}

static const struct option_row services_options[] = {
	{ "name", 0, OPTION_TEXT, offsetof(struct services_options, name), "SERVICE",
	  "only ingest, scheduler, dispatcher, persister or monitor", 0, 0 },
	{ "endpoints", 'e', OPTION_FLAG, offsetof(struct services_options, endpoints), NULL,
	  "requests, errors and times by subject", 0, 0 },
	{ "counters", 'c', OPTION_FLAG, offsetof(struct services_options, counters), NULL, "every counter", 0, 0 },
	{ "check", 0, OPTION_FLAG, offsetof(struct services_options, check), NULL,
	  "exit 1 unless all five are there and healthy", 0, 0 },
	{ "wait", 0, OPTION_NUMBER, offsetof(struct services_options, wait_s), "SECONDS",
	  "gather answers for at most so long (1)", 0, 60 },
};

static const struct services_options services_defaults = { .wait_s = 1 };

const struct command command_services = {
	.name = "services",
	.group = "Look at it",
	.summary = "which services run: versions, health, requests, errors",
	.usage = "[--name SERVICE] [--endpoints] [--counters] [--check]",
	.examples = "corder services\ncorder services --check && echo all is well",
	.options = services_options,
	.option_count = COUNT(services_options),
	.values_bytes = sizeof(struct services_options),
	.defaults = &services_defaults,
	.run = services_run,
};
