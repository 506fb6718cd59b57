/* `corder events`: what happens, as it happens; with --since also what the stream has kept, then on without a gap. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/memory.h"
#include "commands.h"
#include "event_line.h"
#include "fields.h"
#include "otlp.h"
#include "replay.h"

struct events_options {
	const char *project, *type, *status, *task, *batch, *since, *otlp;
	int64_t limit; /* 0: none */
	bool no_follow;
};

enum { PARTITIONS_MOST = 1024, TURN_US = 1000000, OVERLAP_US = 5000000 };

/* While the stream is replayed, and from a lost connection until it is replayed again, live events wait in `held`; those that the replay has told are dropped then. */
struct events {
	struct cli *cli;
	const struct events_options *options;
	struct slice project, task_id;
	struct json *json;
	struct otlp *otlp; /* NULL: events are printed */
	FILE *otlp_file;
	struct text held; /* bodies, parted by newlines */
	bool replaying, full;
	int64_t told_seq[PARTITIONS_MOST]; /* the last one told, a partition */
	int64_t printed;
	int64_t last_at_us; /* of the newest event told */
	bool reconnected;
	size_t dropped; /* messages that the connection had lost, when last looked at */
};

static bool is_wanted(const struct slice wanted, struct json_value event, const char *member) {
	return wanted.length == 0 || slice_equal(json_text(json_member(event, member)), wanted);
}

static void print_event(struct events *events, struct json_value event) {
	struct slice raw = json_raw(event);
	if (events->otlp != NULL) {
		otlp_take(events->otlp, event);
	} else if (events->cli->common.json) {
		fwrite(raw.bytes, 1, raw.length, stdout);
		putchar('\n');
	} else {
		struct text line = { 0 };
		event_line_add(&events->cli->out, &line, event, events->options->project == NULL);
		printf("%s\n", line.bytes);
		text_release(&line);
	}
	events->printed++;
	events->full = events->options->limit > 0 && events->printed >= events->options->limit;
}

/* Tells an event unless it was told before: for a partition, seq only rises. */
static bool tell(void *context, struct slice body) {
	struct events *events = context;
	if (events->full)
		return false;
	if (json_parse(events->json, body, NULL, NULL) != STATUS_OK)
		return true;
	struct json_value event = json_root(events->json);
	int64_t partition = json_int(json_member(event, "partition"), 0), seq = json_int(json_member(event, "seq"), 0);
	int64_t at_us = field_time(json_member(event, "at"));
	events->last_at_us = at_us > events->last_at_us ? at_us : events->last_at_us;
	if (partition >= 0 && partition < PARTITIONS_MOST) {
		if (seq <= events->told_seq[partition])
			return true;
		events->told_seq[partition] = seq;
	}
	if (is_wanted(events->project, event, "project") && is_wanted(events->task_id, event, "task_id") &&
	    is_wanted(slice_of(events->options->type), event, "task_type") &&
	    is_wanted(slice_of(events->options->status), event, "status") &&
	    is_wanted(slice_of(events->options->batch), event, "batch_id"))
		print_event(events, event);
	return !events->full;
}

static void on_event(void *context, const struct bus_message *message) {
	struct events *events = context;
	if (events->options->since != NULL && bus_dropped(events->cli->bus) != events->dropped)
		events->replaying = true; /* some before this one were lost: the replay brings them, this one waits */
	if (!events->replaying) {
		tell(events, message->body);
		return;
	}
	text_add_slice(&events->held, message->body);
	text_add_char(&events->held, '\n');
}

static void tell_held(struct events *events) {
	struct slice rest = { events->held.bytes, events->held.length };
	events->replaying = false;
	while (rest.bytes != NULL && rest.length > 0)
		tell(events, slice_cut(&rest, '\n'));
	text_release(&events->held);
}

/* A number, a time, "all", or so long ago: "10m". */
static bool read_since(const char *since, enum replay_from *from, int64_t *place) {
	struct slice text = slice_of(since);
	char *end;
	if (strcmp(since, "all") == 0) {
		*from = REPLAY_ALL;
		return true;
	}
	*place = slice_int(text, -1);
	*from = REPLAY_SEQ;
	if (*place >= 0)
		return true;
	*from = REPLAY_TIME;
	if (clock_parse(since, text.length, place))
		return true;
	double number = strtod(since, &end);
	static const struct {
		const char *unit;
		double seconds;
	} units[] = { { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 } };
	for (size_t i = 0; i < COUNT(units) && end != since; i++)
		if (strcmp(end, units[i].unit) == 0) {
			*place = clock_wall_us() - (int64_t)(number * units[i].seconds * 1e6);
			return true;
		}
	return false;
}

static int subscribe(struct events *events) {
	const struct events_options *options = events->options;
	struct text relative = { 0 };
	struct error err = { 0 };
	text_add(&relative, "event.");
	if (events->project.length > 0)
		text_add_slice(&relative, events->project);
	else
		text_add_char(&relative, '*');
	text_printf(&relative, ".%s.%s", options->type != NULL ? options->type : "*",
	            options->status != NULL ? options->status : "*");
	char *subject = client_subject(events->cli, relative.bytes);
	enum status status = bus_subscribe(events->cli->bus, subject, NULL, on_event, events, &err);
	if (status != STATUS_OK)
		fprintf(stderr, "corder: cannot subscribe to %s: %s\n", subject, err.message);
	free(subject);
	text_release(&relative);
	return status == STATUS_OK ? EXIT_DONE : EXIT_USAGE;
}

static void on_change(void *context, bool connected) {
	struct events *events = context;
	events->reconnected |= connected;
	events->replaying |= connected && events->options->since != NULL;
}

static bool may_have_missed(struct events *events) {
	size_t dropped = bus_dropped(events->cli->bus);
	bool missed = events->reconnected || dropped != events->dropped;
	events->reconnected = false;
	events->dropped = dropped;
	return missed;
}

static int replay_from(struct events *events, enum replay_from from, int64_t place) {
	events->replaying = true;
	int code = replay(events->cli, from, place, tell, events);
	tell_held(events);
	return code;
}

static int follow(struct events *events, enum replay_from from, int64_t place) {
	const struct events_options *options = events->options;
	int code = client_connect(events->cli);
	events->replaying = options->since != NULL;
	if (code == EXIT_DONE && !options->no_follow)
		code = subscribe(events);
	bus_on_change(events->cli->bus, on_change, events);
	if (code == EXIT_DONE && options->since != NULL)
		code = replay_from(events, from, place);
	while (code == EXIT_DONE && !options->no_follow && !events->full) {
		fflush(stdout);
		if (events->otlp_file != NULL)
			fflush(events->otlp_file);
		if (!client_turn(events->cli, TURN_US))
			code = EXIT_INTERRUPTED;
		else if (may_have_missed(events) && options->since != NULL) /* each is told once all the same */
			code = replay_from(events, REPLAY_TIME, events->last_at_us - OVERLAP_US);
	}
	return code;
}

static int check(const struct events_options *options, struct cli *cli, enum replay_from *from, int64_t *place) {
	if (cli->arguments.count > 0)
		return command_usage(&command_events, "'%s': filters are options, like --project %s", cli->arguments.words[0],
		                     cli->arguments.words[0]);
	if (options->no_follow && options->since == NULL)
		return command_usage(&command_events, "--no-follow goes with --since: it ends after what the stream has kept");
	if (options->otlp != NULL && (options->type != NULL || options->status != NULL || options->limit > 0))
		return command_usage(&command_events,
		                     "--otlp writes whole tasks: it goes with --project, --batch, --task, --since");
	if (options->since != NULL && !read_since(options->since, from, place))
		return command_usage(
			&command_events,
			"--since takes a seq (4711), a time (2030-01-31T12:00:00Z), so long ago (10m, 2h, 3d), or all");
	return EXIT_DONE;
}

/* It goes on at the file's end, as a collector that follows it expects. */
static int open_otlp(struct events *events) {
	const char *path = events->options->otlp;
	if (path == NULL)
		return EXIT_DONE;
	events->otlp_file = strcmp(path, "-") == 0 ? stdout : fopen(path, "ae");
	if (events->otlp_file == NULL) {
		fprintf(stderr, "corder: cannot write %s: %s\n", path, strerror(errno));
		return EXIT_USAGE;
	}
	events->otlp = otlp_open(events->otlp_file);
	return EXIT_DONE;
}

static int close_otlp(struct events *events, int code) {
	otlp_close(&events->otlp);
	if (events->otlp_file == NULL || events->otlp_file == stdout)
		return code;
	if (fclose(events->otlp_file) == 0)
		return code;
	fprintf(stderr, "corder: cannot write %s: %s\n", events->options->otlp, strerror(errno));
	return EXIT_FAILED;
}

static int events_run(struct cli *cli, const void *values) {
	const struct events_options *options = values;
	struct events *events = memory_new(sizeof *events);
	enum replay_from from = REPLAY_ALL;
	int64_t place = 0;
	events->cli = cli;
	events->options = options;
	events->project = slice_of(client_project(options->project));
	events->task_id = slice_of(options->task);
	int code = check(options, cli, &from, &place);
	if (code == EXIT_DONE && options->task != NULL && strchr(options->task, '/') != NULL) {
		struct task_name name;
		code = client_task_name(options->task, NULL, &name);
		events->project = name.project;
		events->task_id = name.task_id;
	}
	if (code == EXIT_DONE)
		code = client_open(cli);
	if (code == EXIT_DONE) {
		events->json = json_open();
		code = open_otlp(events);
	}
	if (code == EXIT_DONE) {
		code = follow(events, from, place);
		bus_unsubscribe_all(cli->bus);
		code = close_otlp(events, code);
	}
	client_close(cli);
	json_close(&events->json);
	free(events);
	return code;
}

static const struct option_row events_options[] = {
	{ "since", 0, OPTION_TEXT, offsetof(struct events_options, since), "PLACE",
	  "replay first: a seq, a time, 10m / 2h / 3d ago, or all", 0, 0 },
	{ "no-follow", 0, OPTION_FLAG, offsetof(struct events_options, no_follow), NULL,
	  "with --since: end after what was kept", 0, 0 },
	{ "project", 'p', OPTION_TEXT, offsetof(struct events_options, project), "NAME",
	  "of this project; else CORDER_PROJECT, else all", 0, 0 },
	{ "type", 't', OPTION_TEXT, offsetof(struct events_options, type), "TYPE", "of this task type", 0, 0 },
	{ "status", 's', OPTION_TEXT, offsetof(struct events_options, status), "STATUS", "only changes to this status", 0,
	  0 },
	{ "batch", 'b', OPTION_TEXT, offsetof(struct events_options, batch), "ID", "of this batch", 0, 0 },
	{ "task", 0, OPTION_TEXT, offsetof(struct events_options, task), "TASK", "of this task", 0, 0 },
	{ "otlp", 0, OPTION_TEXT, offsetof(struct events_options, otlp), "FILE",
	  "instead of printing, append spans to FILE as OTLP JSON lines; - is stdout", 0, 0 },
	{ "limit", 'n', OPTION_INT, offsetof(struct events_options, limit), "N", "end after so many", 1, 1000000000 },
};

const struct command command_events = {
	.name = "events",
	.group = "Look at it",
	.summary = "follow what happens, or replay it from a place on",
	.usage = "[--since SEQ|TIME|AGO|all] [filters]",
	.about =
		"Every change of every task is an event; the stream keeps them for a week (CORDER_EVENTS_MAX_AGE). seq is the\n"
		"number in each event; it rises within a partition. With --otlp the spans of batches, tasks and tries are "
		"written\n"
		"as they end, for OpenTelemetry: a task in the trace of its traceparent, else in one of its batch.",
	.examples = "corder events --project shop\ncorder events --since 10m --status failed\n"
				"corder events --since all --no-follow --json > history.jsonl\n"
				"corder events --since 1h --no-follow --project shop --otlp spans.jsonl",
	.options = events_options,
	.option_count = COUNT(events_options),
	.values_bytes = sizeof(struct events_options),
	.run = events_run,
};
