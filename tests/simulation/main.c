/* corder-simulate: runs the worlds of some seeds and says what broke. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ledger.h"
#include "scenario.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#ifdef CORDER_TEETH
#include "shared/state/teeth_scripts.h"
#endif

enum { CHUNK_SEEDS = 50, JOBS_MOST = 64, FAILED_MOST = 1000 };

struct totals {
	uint64_t seeds, steps, events, virtual_us, violations;
	uint64_t faults[FAULT_COUNT];
	uint64_t failed[32]; /* the first ones */
};

static double real_seconds(void) {
	struct timespec now;
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* must() and the sanitizers end in SIGABRT: the seed is a failure like any other. */
static void on_abort(int number) {
	char line[128];
	/* NOLINTNEXTLINE(bugprone-signal-handler): the process ends here, whatever state it is in */
	int length = snprintf(line, sizeof(line), "seed %llu: VIOLATION at %.6f s: the program broke (signal %d)\n",
	                      (unsigned long long)world.seed, (double)world.now_us / 1e6, number);
	ssize_t written = write(STDOUT_FILENO, line, (size_t)length);
	(void)written;
	_exit(99);
}

static void run_seed(uint64_t seed, struct totals *totals) {
	bool good = scenario_run(seed);
	totals->seeds++;
	totals->steps += world.steps;
	totals->events += ledger_events();
	totals->virtual_us += (uint64_t)world.now_us;
	for (int i = 0; i < FAULT_COUNT; i++)
		totals->faults[i] += world.faults[i];
	if (!good && totals->violations++ < 32)
		totals->failed[totals->violations - 1] = seed;
}

static void add(struct totals *to, const struct totals *more) {
	to->seeds += more->seeds;
	to->steps += more->steps;
	to->events += more->events;
	to->virtual_us += more->virtual_us;
	for (int i = 0; i < FAULT_COUNT; i++)
		to->faults[i] += more->faults[i];
	for (uint64_t i = 0; i < more->violations && i < 32; i++)
		if (to->violations + i < 32)
			to->failed[to->violations + i] = more->failed[i];
	to->violations += more->violations;
}

static bool stops;          /* with the first violation */
static double seconds_most; /* no chunk is begun after that; 0: no limit */
static volatile sig_atomic_t interrupted;

/* The chunks under way are finished, and what was run is told. */
static void on_interrupt(int number) {
	(void)number;
	interrupted = 1;
}

/* ---- several at a time: a child runs a chunk of seeds, after each of which it says how it stands ---- */

struct job {
	pid_t pid;
	int from;
	uint64_t next, end;
	struct totals last;
};

static void warm_up(bool verbose);

static void run_chunk(struct job *job, const uint64_t *seeds) {
	int ends[2];
	job->last = (struct totals){ 0 };
	fflush(stdout);
	if (pipe(ends) != 0 || (job->pid = fork()) < 0)
		exit(70);
	if (job->pid > 0) {
		close(ends[1]);
		job->from = ends[0];
		return;
	}
	struct totals totals = { 0 };
	warm_up(false);
	for (uint64_t i = job->next; i < job->end; i++) {
		world.seed = seeds[i];
		run_seed(seeds[i], &totals);
		fflush(stdout);
		if (write(ends[1], &totals, sizeof(totals)) != (ssize_t)sizeof(totals))
			_exit(70);
		if (stops && totals.violations > 0)
			_exit(0);
	}
	_exit(0);
}

static void begin_chunk(struct job *job, uint64_t *next, const uint64_t *seeds, uint64_t count) {
	job->next = *next;
	job->end = *next + CHUNK_SEEDS < count ? *next + CHUNK_SEEDS : count;
	*next = job->end;
	run_chunk(job, seeds);
}

static void end_chunk(struct job *job, struct totals *totals, const uint64_t *seeds) {
	int status = 0;
	struct totals said;
	ssize_t got;
	while ((got = read(job->from, &said, sizeof(said))) == (ssize_t)sizeof(said) || (got < 0 && errno == EINTR))
		if (got > 0)
			job->last = said;
	close(job->from);
	while (waitpid(job->pid, &status, 0) < 0 && errno == EINTR)
		;
	add(totals, &job->last);
	uint64_t broken = job->next + job->last.seeds;
	job->next = status == 0 ? job->end : broken + 1;
	if (status == 0)
		return;
	if (totals->violations++ < 32)
		totals->failed[totals->violations - 1] = seeds[broken];
	totals->seeds++;
}

static void say_progress(const struct totals *totals, uint64_t count, double began) {
	if (!isatty(STDERR_FILENO) && totals->seeds % 500 >= CHUNK_SEEDS)
		return;
	double seconds = real_seconds() - began;
	fprintf(stderr, "%s%llu of %llu seeds, %.0f a second, %llu violations%s", isatty(STDERR_FILENO) ? "\r" : "",
	        (unsigned long long)totals->seeds, (unsigned long long)count, (double)totals->seeds / seconds,
	        (unsigned long long)totals->violations, isatty(STDERR_FILENO) ? "" : "\n");
}

static void run_all(const uint64_t *seeds, uint64_t count, int jobs, struct totals *totals) {
	struct job all[JOBS_MOST] = { { 0 } };
	uint64_t next = 0;
	double began = real_seconds();
	for (int i = 0; i < jobs && next < count; i++)
		begin_chunk(&all[i], &next, seeds, count);
	for (bool busy = true; busy;) {
		busy = false;
		for (int i = 0; i < jobs; i++) {
			if (all[i].pid == 0)
				continue;
			end_chunk(&all[i], totals, seeds);
			all[i].pid = 0;
			if (all[i].next < all[i].end && !(stops && totals->violations > 0))
				run_chunk(&all[i], seeds); /* what a seed that broke the program has left */
			say_progress(totals, count, began);
			bool time_is_left = seconds_most <= 0 || real_seconds() - began < seconds_most;
			if (all[i].pid == 0 && next < count && time_is_left && !interrupted && !(stops && totals->violations > 0))
				begin_chunk(&all[i], &next, seeds, count);
			busy = busy || all[i].pid != 0;
		}
	}
	if (isatty(STDERR_FILENO))
		fputc('\n', stderr);
}

static void tell(const struct totals *totals, double seconds) {
	printf("\nseeds            %12llu\nsteps            %12llu\nevents in the log%12llu\nvirtual time     %12.0f s\n",
	       (unsigned long long)totals->seeds, (unsigned long long)totals->steps, (unsigned long long)totals->events,
	       (double)totals->virtual_us / 1e6);
	for (int i = 0; i < FAULT_COUNT; i++)
		printf("  %-24s%12llu\n", fault_names[i], (unsigned long long)totals->faults[i]);
	printf("violations       %12llu\nin               %12.1f s, %.1f ms a seed\n",
	       (unsigned long long)totals->violations, seconds, totals->seeds ? seconds * 1000 / (double)totals->seeds : 0);
	for (uint64_t i = 0; i < totals->violations && i < 32; i++)
		printf("again: ./dev simulate --seeds %llu..%llu --verbose\n", (unsigned long long)totals->failed[i],
		       (unsigned long long)totals->failed[i]);
	printf("\n%llu passed, %llu failed\n", (unsigned long long)(totals->seeds - totals->violations),
	       (unsigned long long)totals->violations);
}

/* One line, to be added up with others: seeds in order from the first one on. */
static void tell_json(const struct totals *totals, uint64_t first, double seconds) {
	struct rusage used;
	getrusage(RUSAGE_CHILDREN, &used);
	double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
	             (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
	printf("{\"first\":%llu,\"seeds\":%llu,\"steps\":%llu,\"events\":%llu,\"virtual_s\":%llu,\"seconds\":%.1f,\"cpu_"
	       "s\":%.1f,"
	       "\"violations\":%llu,\"faults\":{",
	       (unsigned long long)first, (unsigned long long)totals->seeds, (unsigned long long)totals->steps,
	       (unsigned long long)totals->events, (unsigned long long)(totals->virtual_us / 1000000), seconds, cpu,
	       (unsigned long long)totals->violations);
	for (int i = 0; i < FAULT_COUNT; i++)
		printf("%s\"%s\":%llu", i ? "," : "", fault_names[i], (unsigned long long)totals->faults[i]);
	printf("},\"failed\":[");
	for (uint64_t i = 0; i < totals->violations && i < 32; i++)
		printf("%s%llu", i ? "," : "", (unsigned long long)totals->failed[i]);
	printf("]}\n");
}

/* ---- options ---- */

static uint64_t *read_file(const char *path, uint64_t *count) {
	FILE *file = fopen(path, "r");
	uint64_t *seeds = NULL;
	char line[256];
	*count = 0;
	if (!file) {
		fprintf(stderr, "cannot read %s\n", path);
		exit(66);
	}
	while (fgets(line, sizeof(line), file)) {
		char *end;
		unsigned long long seed = strtoull(line, &end, 10);
		if (end == line)
			continue; /* a comment */
		seeds = memory_resize(seeds, *count + 1, sizeof(*seeds));
		seeds[(*count)++] = seed;
	}
	fclose(file);
	return seeds;
}

static uint64_t *count_up(const char *range, uint64_t *count) {
	unsigned long long first = 0, last = 0;
	if (sscanf(range, "%llu..%llu", &first, &last) != 2 || last < first) {
		fprintf(stderr, "--seeds wants A..B, and not \"%s\"\n", range);
		exit(64);
	}
	*count = last - first + 1;
	uint64_t *seeds = memory_array(*count, sizeof(*seeds));
	for (uint64_t i = 0; i < *count; i++)
		seeds[i] = first + i;
	return seeds;
}

static void usage(void) {
	fputs("Usage: corder-simulate [--seeds A..B | --file FILE] [--jobs N] [--verbose] [--stop]\n"
	      "  --seeds A..B  these seeds (1..2000)     --file FILE  those that stand in a file, one a line\n"
	      "  --jobs N      so many at a time         --stop       ends with the first chunk that has a violation\n"
	      "  --seconds N   begins nothing after that      --json  sums as one line, beside the violations\n"
	      "  --verbose     tells what happens; for one seed\n",
	      stderr);
	exit(64);
}

/* What lives as long as the program must not belong to the first world. */
static void warm_up(bool verbose) {
	if (!verbose && !freopen("/dev/null", "w", stderr))
		exit(70);
	log_open("corder-simulate", LOG_LEVEL_DEBUG);
	struct text long_line = { 0 };
	while (long_line.length < 60000)
		text_add(&long_line, "once ");
	log_debug(long_line.bytes, NULL);
	text_release(&long_line);
#ifdef CORDER_TEETH
	teeth_scripts();
#endif
}

int main(int argc, char **argv) {
	uint64_t count = 0, *seeds = NULL;
	int jobs = (int)sysconf(_SC_NPROCESSORS_ONLN);
	bool verbose = false, json = false;
	struct totals totals = { 0 };
	for (int i = 1; i < argc; i++) {
		bool has_value = i + 1 < argc;
		if (strcmp(argv[i], "--seeds") == 0 && has_value)
			seeds = count_up(argv[++i], &count);
		else if (strcmp(argv[i], "--file") == 0 && has_value)
			seeds = read_file(argv[++i], &count);
		else if ((strcmp(argv[i], "--jobs") == 0 || strcmp(argv[i], "-j") == 0) && has_value)
			jobs = atoi(argv[++i]);
		else if (strcmp(argv[i], "--verbose") == 0)
			verbose = true;
		else if (strcmp(argv[i], "--seconds") == 0 && has_value)
			seconds_most = atof(argv[++i]);
		else if (strcmp(argv[i], "--json") == 0)
			json = true;
		else if (strcmp(argv[i], "--stop") == 0)
			stops = true;
		else
			usage();
	}
	if (!seeds)
		seeds = count_up("1..2000", &count);
	double began = real_seconds();
	static char output[1 << 16]; /* not of the first world that prints */
	setvbuf(stdout, output, _IOFBF, sizeof(output));
	signal(SIGABRT, on_abort);
	signal(SIGSEGV, on_abort);
	signal(SIGINT, on_interrupt);
	signal(SIGTERM, on_interrupt);
	world.verbose = verbose;
	if (verbose || jobs == 0) {
		warm_up(verbose);
		for (uint64_t i = 0; i < count; i++)
			run_seed(seeds[i], &totals);
	} else {
		jobs = jobs < 1 ? 1 : jobs > JOBS_MOST ? JOBS_MOST : jobs;
		run_all(seeds, count, jobs, &totals);
	}
	if (json)
		tell_json(&totals, seeds[0], real_seconds() - began);
	else
		tell(&totals, real_seconds() - began);
	return totals.violations ? 1 : 0;
}
