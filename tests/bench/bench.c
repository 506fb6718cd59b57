/* corder-bench: throughput, latency, CPU and memory of a running stack, through the public contract alone.
 * Figures are of one run on one machine: compare them with others of the same run. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "shared/base/clock.h"
#include "shared/base/id.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"

static struct options {
	const char *url, *pids, *redis_pid;
	int64_t tasks, layers, width, chain, idle;
	int64_t waiting;
	bool json;
} options = { .tasks = 100000, .layers = 50, .width = 1000, .chain = 1000, .idle = 500, .waiting = 100000 };

static int compare(const void *a, const void *b) {
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

double bench_percentile_ms(struct bench *bench, double percent) {
	if (bench->latency_count == 0)
		return 0;
	qsort(bench->latencies_us, bench->latency_count, sizeof(int64_t), compare);
	size_t at = (size_t)(percent / 100 * (double)(bench->latency_count - 1));
	return (double)bench->latencies_us[at] / 1000;
}

void bench_latency(struct bench *bench, int64_t us) {
	if (bench->latency_count == bench->latency_room) {
		bench->latency_room = bench->latency_room * 2 + 1024;
		bench->latencies_us = memory_resize(bench->latencies_us, bench->latency_room, sizeof(int64_t));
	}
	bench->latencies_us[bench->latency_count++] = us;
}

bool bench_turn_until(struct bench *bench, bool (*done)(struct bench *bench), int64_t limit_s) {
	int64_t limit = clock_mono_us() + limit_s * 1000000;
	while (!done(bench)) {
		if (clock_mono_us() > limit) {
			fprintf(stderr, "gave up after %" PRId64 " s\n", limit_s);
			return false;
		}
		loop_turn(bench->loop, 100000);
	}
	return true;
}

/* Each run has a task type of its own, named as its project. */
const char *bench_work_subject(const struct bench *bench) {
	static char subject[96];
	snprintf(subject, sizeof(subject), "corder.v1.work.%s", bench->project);
	return subject;
}

/* User and system time of a process in microseconds, from /proc. */
static int64_t cpu_of(long pid) {
	char path[64], line[1024];
	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	FILE *file = fopen(path, "r");
	if (file == NULL)
		return 0;
	size_t length = fread(line, 1, sizeof(line) - 1, file);
	fclose(file);
	line[length] = '\0';
	char *at = strrchr(line, ')');
	unsigned long user = 0, system = 0;
	if (at == NULL || sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
		return 0;
	return (int64_t)(user + system) * 1000000 / sysconf(_SC_CLK_TCK);
}

static int64_t cpu_of_all(void) {
	int64_t sum = cpu_of(getpid());
	for (struct slice rest = slice_of(options.pids); rest.bytes != NULL && rest.length > 0;)
		sum += cpu_of((long)slice_int(slice_cut(&rest, ','), 0));
	return sum;
}

static void add_task(struct bench *bench, struct text *out, int64_t i, const char *prefix) {
	text_printf(out, "{\"task_id\":\"%s%" PRId64 "\",\"task_type\":\"%s\",\"execution_context\":%s", prefix, i,
	            bench->project, bench->context);
}

static void independent(struct bench *bench, struct text *out, int64_t from, int64_t count) {
	text_add_char(out, '[');
	for (int64_t i = from; i < from + count; i++) {
		if (i > from)
			text_add_char(out, ',');
		add_task(bench, out, i, "t");
		text_add_char(out, '}');
	}
	text_add_char(out, ']');
}

/* Each task depends on three of the layer before: its own place and the next two. */
static void layered(struct bench *bench, struct text *out, int64_t from, int64_t count) {
	text_add_char(out, '[');
	for (int64_t i = from; i < from + count; i++) {
		if (i > from)
			text_add_char(out, ',');
		add_task(bench, out, i, "g");
		int64_t layer = i / options.width, place = i % options.width;
		for (int64_t k = 0; layer > 0 && k < 3; k++)
			text_printf(out, "%s\"g%" PRId64 "\"", k > 0 ? "," : ",\"dependencies\":[",
			            (layer - 1) * options.width + (place + k) % options.width);
		text_add(out, layer > 0 ? "]}" : "}");
	}
	text_add_char(out, ']');
}

static void new_project(struct bench *bench) {
	char id[ID_BYTES];
	id_make(id);
	snprintf(bench->project, sizeof(bench->project), "bench-%s", id);
	bench->failed = false;
	bench->latency_count = 0;
}

static void print_figure(const struct figure *f) {
	if (options.json) {
		printf("{\"name\":\"%s\",\"tasks\":%" PRId64
		       ",\"done_per_s\":%.0f,\"persisted_per_s\":%.0f,\"submitted_per_s\":%.0f,"
		       "\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"cpu_us_per_task\":%.1f,\"redis_bytes_per_task\":%.0f}\n",
		       f->name, f->tasks, f->per_second_done, f->per_second_persisted, f->submit_per_second, f->p50_ms,
		       f->p99_ms, f->cpu_us_a_task, f->bytes_a_task);
		fflush(stdout);
		return;
	}
	printf("%-12s %8" PRId64, f->name, f->tasks);
	if (f->per_second_persisted > 0)
		printf("  %7.0f/s submitted  %7.0f/s done  %7.0f/s persisted", f->submit_per_second, f->per_second_done,
		       f->per_second_persisted);
	if (f->p50_ms > 0)
		printf("  p50 %.2f ms  p99 %.2f ms", f->p50_ms, f->p99_ms);
	if (f->cpu_us_a_task > 0)
		printf("  %.0f us CPU a task", f->cpu_us_a_task);
	if (f->bytes_a_task > 0)
		printf("  %.0f bytes of Redis a waiting task", f->bytes_a_task);
	printf("   %s\n", f->what);
	fflush(stdout);
}

static bool throughput(struct bench *bench, const char *name, const char *what, bench_tasks *tasks, int64_t total) {
	new_project(bench);
	int64_t cpu = cpu_of_all();
	if (!bench_run(bench, tasks, total, true))
		return false;
	double n = (double)total * 1e6;
	struct figure figure = { .name = name, .what = what, .tasks = total };
	figure.submit_per_second = n / (double)(bench->submitted_us - bench->started_us);
	figure.per_second_done = n / (double)(bench->completed_us - bench->started_us);
	figure.per_second_persisted = n / (double)(bench->persisted_us - bench->started_us);
	figure.cpu_us_a_task = options.pids[0] != '\0' ? (double)(cpu_of_all() - cpu) / (double)total : 0;
	print_figure(&figure);
	return true;
}

static bool latency(struct bench *bench, const char *name, const char *what, int64_t total,
                    bool (*run)(struct bench *bench, int64_t total)) {
	new_project(bench);
	if (!run(bench, total))
		return false;
	struct figure figure = { .name = name, .what = what, .tasks = total };
	figure.p50_ms = bench_percentile_ms(bench, 50);
	figure.p99_ms = bench_percentile_ms(bench, 99);
	print_figure(&figure);
	return true;
}

static int64_t redis_bytes(void) {
	char command[256], line[256];
	int64_t bytes = 0;
	snprintf(command, sizeof(command), "redis-cli -u '%s' info memory",
	         getenv("REDIS_URL") != NULL ? getenv("REDIS_URL") : "");
	FILE *pipe = popen(command, "r");
	while (pipe != NULL && fgets(line, sizeof(line), pipe) != NULL)
		if (sscanf(line, "used_memory:%" SCNd64, &bytes) == 1)
			break;
	if (pipe != NULL)
		pclose(pipe);
	return bytes;
}

static bool memory(struct bench *bench) {
	new_project(bench);
	int64_t before = redis_bytes();
	if (!bench_run(bench, independent, options.waiting, false))
		return false;
	struct figure figure = { .name = "memory", .what = "256-byte contexts, no dependencies", .tasks = options.waiting };
	figure.bytes_a_task = (double)(redis_bytes() - before) / (double)options.waiting;
	print_figure(&figure);
	return true;
}

static void usage(FILE *out) {
	fputs("corder-bench: measure a running stack\n\n"
	      "  --nats URL      default: NATS_URL\n"
	      "  --pids LIST     processes whose CPU is counted, parted by commas\n"
	      "  --tasks N       independent tasks (100000)\n"
	      "  --layers N      layers of the graph (50), of 1,000 tasks with 3 dependencies each\n"
	      "  --chain N       length of the chain (1000)\n"
	      "  --idle N        single tasks to an idle worker (500)\n"
	      "  --waiting N     waiting tasks whose memory is measured (100000); 0: not\n"
	      "  --json          a JSON line a figure\n",
	      out);
}

static bool read_options(int argc, char **argv) {
	static const struct option names[] = {
		{ "nats", 1, NULL, 'n' },  { "pids", 1, NULL, 'p' }, { "tasks", 1, NULL, 't' },   { "layers", 1, NULL, 'l' },
		{ "chain", 1, NULL, 'c' }, { "idle", 1, NULL, 'i' }, { "waiting", 1, NULL, 'w' }, { "json", 0, NULL, 'j' },
		{ "help", 0, NULL, 'h' },  { NULL, 0, NULL, 0 },
	};
	int64_t *numbers[] = { ['t'] = &options.tasks,
		                   ['l'] = &options.layers,
		                   ['c'] = &options.chain,
		                   ['i'] = &options.idle,
		                   ['w'] = &options.waiting };
	int c;
	options.url = getenv("NATS_URL");
	options.pids = "";
	while ((c = getopt_long(argc, argv, "h", names, NULL)) != -1) {
		if (c == 'j')
			options.json = true;
		else if (c == 'n')
			options.url = optarg;
		else if (c == 'p')
			options.pids = optarg;
		else if (c == 'h' || c == '?')
			return false;
		else
			*numbers[c] = strtoll(optarg, NULL, 10);
	}
	return options.url != NULL;
}

static bool is_connected(struct bench *bench) {
	return bus_connected(bench->bus);
}

int main(int argc, char **argv) {
	struct bench bench = { .batch_tasks = 200, .lease_tasks = 100, .submit_window = 8, .work_window = 8 };
	struct error err = { 0 };
	char context[300];
	if (!read_options(argc, argv)) {
		usage(stderr);
		return 64;
	}
	log_open("corder-bench", LOG_LEVEL_WARN);
	snprintf(context, sizeof(context), "{\"data\":\"%0244d\"}", 7); /* 256 bytes */
	bench.context = context;
	bench.loop = loop_open();
	struct bus_options bus = { .url = options.url, .name = "corder-bench" };
	if (bus_open(bench.loop, &bus, &bench.bus, &err) != STATUS_OK || !bench_turn_until(&bench, is_connected, 10)) {
		fprintf(stderr, "cannot reach NATS at %s %s\n", options.url, err.message);
		return 69;
	}
	bool ok = (options.chain == 0 ||
	           latency(&bench, "chain", "a hop: end of a task to start of the next", options.chain, bench_chain)) &&
	          (options.idle == 0 ||
	           latency(&bench, "idle", "submit to start, one at a time, 100/s", options.idle, bench_idle)) &&
	          (options.tasks == 0 ||
	           throughput(&bench, "independent", "batches of 200, leases of 100", independent, options.tasks)) &&
	          (options.layers == 0 ||
	           throughput(&bench, "layered", "3 dependencies a task", layered, options.layers * options.width)) &&
	          (options.waiting == 0 || memory(&bench));
	bus_close(&bench.bus);
	loop_close(&bench.loop);
	free(bench.latencies_us);
	return ok ? 0 : 1;
}
