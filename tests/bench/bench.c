/* corder-bench: puts load on a running stack through the public contract alone, and prints what it saw. */
#include "bench.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/id.h"
#include "shared/base/memory.h"

static bool run_crowd(struct bench *bench) {
	bench_begin(bench);
	return bench_crowd(bench, true);
}

static bool run_fill(struct bench *bench) {
	bench_begin(bench);
	return bench_crowd(bench, false);
}

static const struct measure {
	const char *name, *what;
	bool (*run)(struct bench *bench);
} measures[] = {
	{ "crowd", "submit and work a graph at the same time, as fast as it goes", run_crowd },
	{ "fill", "submit a graph, and leave it waiting", run_fill },
	{ "chain", "a chain, one worker, one task at a time: end of a task to start of the next", bench_chain },
	{ "open", "tasks at the times of a schedule, as latencies under load want it", bench_open },
	{ "slots", "the submission in --file, by --slots workers", bench_slots },
	{ "idle", "one task at a time, --rate a second: submit to start", bench_idle },
};

enum { FIRST_NUMBER = 256 };

static const struct number {
	const char *name, *what;
	size_t offset;
	int64_t initial;
} numbers[] = {
	{ "tasks", "how many", offsetof(struct options, tasks), 200000 },
	{ "width", "of a layer, or of a fan", offsetof(struct options, width), 1000 },
	{ "degree", "dependencies of a task of a layer", offsetof(struct options, degree), 3 },
	{ "batch", "tasks a submit", offsetof(struct options, batch), 200 },
	{ "submits", "submits under way", offsetof(struct options, submits), 8 },
	{ "lease", "tasks a work request", offsetof(struct options, lease), 100 },
	{ "workers", "work requests under way", offsetof(struct options, workers), 8 },
	{ "projects", "to spread the tasks over", offsetof(struct options, projects), 1 },
	{ "priority", "of all tasks; 0: not said", offsetof(struct options, priority), 0 },
	{ "whole", "1: all submits are parts of one graph, admitted whole", offsetof(struct options, whole), 0 },
	{ "rate", "tasks a second", offsetof(struct options, rate), 100 },
	{ "before_s", "seconds at that rate", offsetof(struct options, before_s), 10 },
	{ "burst", "tasks a second after that", offsetof(struct options, burst), 0 },
	{ "burst_s", "for so many seconds", offsetof(struct options, burst_s), 0 },
	{ "after_s", "then seconds at the first rate again", offsetof(struct options, after_s), 0 },
	{ "slots", "workers of a workflow, each with one task at a time", offsetof(struct options, slots), 4 },
};

static void usage(FILE *out) {
	struct text text = { 0 };
	text_add(&text, "corder-bench: put load on a running stack (NATS_URL)\n\nUsage\n  corder-bench MEASURE [options]\n"
	                "\nMeasures\n");
	for (size_t i = 0; i < sizeof(measures) / sizeof(measures[0]); i++)
		text_printf(&text, "  %-16s %s\n", measures[i].name, measures[i].what);
	text_add(&text, "\nOptions\n  --graph G        what is submitted:\n");
	graphs_help(&text);
	text_add(&text,
	         "  --type T         the task type, instead of one of this run alone\n  --file F         a submission\n");
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		text_printf(&text, "  --%-14s %s (%" PRId64 ")\n", numbers[i].name, numbers[i].what, numbers[i].initial);
	fwrite(text.bytes, 1, text.length, out);
	text_release(&text);
}

static int64_t *number_of(struct options *options, size_t index) {
	return (int64_t *)((char *)options + numbers[index].offset);
}

static bool read_options(struct options *options, int argc, char **argv) {
	enum { COUNT_NUMBERS = sizeof(numbers) / sizeof(numbers[0]) };
	struct option names[COUNT_NUMBERS + 5] = {
		[COUNT_NUMBERS] = { "graph", 1, NULL, 'g' },
		{ "type", 1, NULL, 't' },
		{ "file", 1, NULL, 'f' },
		{ "help", 0, NULL, 'h' },
	};
	for (size_t i = 0; i < COUNT_NUMBERS; i++) {
		names[i] = (struct option){ numbers[i].name, 1, NULL, FIRST_NUMBER + (int)i };
		*number_of(options, i) = numbers[i].initial;
	}
	options->url = getenv("NATS_URL");
	options->graph = graph_named("independent");
	int c;
	while ((c = getopt_long(argc, argv, "h", names, NULL)) != -1) {
		if (c >= FIRST_NUMBER)
			*number_of(options, (size_t)(c - FIRST_NUMBER)) = strtoll(optarg, NULL, 10);
		else if (c == 't')
			options->type = optarg;
		else if (c == 'f')
			options->file = optarg;
		else if (c != 'g' || (options->graph = graph_named(optarg)) == NULL)
			return false;
	}
	return options->url != NULL && optind == argc - 1;
}

bool bench_turn_until(struct bench *bench, bool (*done)(struct bench *bench), int64_t limit_s) {
	int64_t limit = clock_mono_us() + limit_s * 1000000;
	while (!done(bench)) {
		if (clock_mono_us() > limit) {
			fprintf(stderr, "gave up after %" PRId64 " s\n", limit_s);
			return false;
		}
		corder_turn(bench->client, 100);
	}
	return true;
}

void bench_add_project(const struct bench *bench, struct text *out, int64_t n) {
	text_add(out, bench->project);
	if (bench->options.projects > 1) {
		text_add_char(out, '-');
		text_add_int(out, n % bench->options.projects);
	}
}

void bench_submit(struct bench *bench, const struct text *body, corder_reply_handler *handler, void *context) {
	struct corder_request request = { .subject = "submit",
		                              .body = body->bytes,
		                              .length = body->length,
		                              .try_ms = BENCH_REQUEST_MS,
		                              .patience_ms = BENCH_REQUEST_MS };
	corder_ask(bench->client, &request, handler, context);
}

bool bench_reply_ok(struct bench *bench, const char *what, const struct corder_reply *reply) {
	if (reply->status == CORDER_OK)
		return true;
	fprintf(stderr, "%s: %s %s\n", what, reply->error.code, reply->error.message);
	bench->failed = true;
	return false;
}

const char *bench_find(const char *at, const char *end, struct slice name, struct slice *value) {
	const char *found = memmem(at, (size_t)(end - at), name.bytes, name.length);
	if (found == NULL)
		return NULL;
	const char *start = found + name.length;
	const char *stop = memchr(start, '"', (size_t)(end - start));
	if (stop == NULL)
		return NULL;
	*value = (struct slice){ start, (size_t)(stop - start) };
	return stop;
}

enum { ROWS_MS = 600000 };

static int64_t rows_awaited;

static void on_archived(void *context, const struct corder_reply *reply) {
	bench_reply_ok(context, "archived submit", reply);
	rows_awaited--;
}

static bool has_rows(struct bench *bench) {
	return bench->failed || rows_awaited == 0;
}

bool bench_wait_for_rows(struct bench *bench) {
	struct text body = { 0 };
	rows_awaited = bench->options.projects;
	for (int64_t i = 0; i < bench->options.projects; i++) {
		text_clear(&body);
		text_add(&body, "{\"project\":\"");
		bench_add_project(bench, &body, i);
		text_add(&body, "\",\"task_type\":\"last\",\"hold\":true,\"ack\":\"archived\"}");
		corder_ask(bench->client,
		           &(struct corder_request){
					   .subject = "submit", .body = body.bytes, .try_ms = ROWS_MS, .patience_ms = ROWS_MS },
		           on_archived, bench);
	}
	text_release(&body);
	return bench_turn_until(bench, has_rows, 600) && !bench->failed;
}

/* What runs before this line is not counted. */
void bench_begin(struct bench *bench) {
	printf("begin\n");
	fflush(stdout);
	bench->started_us = clock_mono_us();
}

static void add_seconds(struct text *out, const char *name, const struct bench *bench, int64_t at_us) {
	if (at_us != 0)
		text_printf(out, ",\"%s\":%.6f", name, (double)(at_us - bench->started_us) / 1e6);
}

static void add_histogram(struct text *out, const char *name, const struct histogram *histogram) {
	if (histogram->total == 0)
		return;
	text_printf(out, ",\"%s\":", name);
	histogram_json(histogram, out);
}

static void print_figures(const struct bench *bench) {
	struct text out = { 0 };
	text_printf(&out, "end {\"tasks\":%" PRId64, bench->options.tasks);
	add_seconds(&out, "submitted_s", bench, bench->submitted_us);
	add_seconds(&out, "completed_s", bench, bench->completed_us);
	add_seconds(&out, "persisted_s", bench, bench->persisted_us);
	add_histogram(&out, "submit_us", &bench->submit);
	add_histogram(&out, "work_us", &bench->work);
	add_histogram(&out, "settle_us", &bench->settle);
	add_histogram(&out, "start_us", &bench->start);
	printf("%s%s}\n", out.bytes, bench->more.length > 0 ? bench->more.bytes : "");
	fflush(stdout);
	text_release(&out);
}

static bool is_connected(struct bench *bench) {
	return corder_connected(bench->client);
}

/* Of this run alone, and as long as people's names are: all peers' have names of a few letters too. */
static void name_run(struct bench *bench) {
	char id[ID_BYTES];
	id_make(id);
	snprintf(bench->project, sizeof(bench->project), "bench-%s", id + strlen(id) - 7);
	snprintf(bench->type, sizeof(bench->type), "%s",
	         bench->options.type != NULL ? bench->options.type : bench->project);
	snprintf(bench->context, sizeof(bench->context), "{\"data\":\"%0244d\"}", 7); /* 256 bytes */
}

int main(int argc, char **argv) {
	static struct bench bench;
	const struct measure *measure = NULL;
	bool understood = read_options(&bench.options, argc, argv);
	for (size_t i = 0; understood && i < sizeof(measures) / sizeof(measures[0]); i++)
		if (strcmp(measures[i].name, argv[optind]) == 0)
			measure = &measures[i];
	if (measure == NULL) {
		usage(stderr);
		return 64;
	}
	name_run(&bench);
	struct corder_options options = { .url = bench.options.url, .name = "corder-bench" };
	struct corder_error error = { 0 };
	bench.client = corder_open(&options, &error);
	if (bench.client == NULL || !bench_turn_until(&bench, is_connected, 10)) {
		fprintf(stderr, "cannot reach NATS at %s %s\n", bench.options.url, error.message);
		return 69;
	}
	bool ok = measure->run(&bench);
	if (ok)
		print_figures(&bench);
	corder_close(&bench.client);
	return ok ? 0 : 1;
}
