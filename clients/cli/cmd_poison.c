/* `corder poison`: what the persister could not write down and has set aside, with the reasons; written down after all. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../shared/task/record.h"
#include "commands.h"
#include "poison.h"

struct options {
	int64_t limit;
	bool replay, drop, all;
};

struct listing {
	struct cli *cli;
	struct text out;
	size_t count;
};

static void add_json(struct text *out, const struct db_result *result, size_t row, const struct record *record) {
	int64_t partition = db_int(result, row, 0), seq = db_int(result, row, 1);
	text_printf(out,
	            "{\"id\":\"%" PRId64 ":%" PRId64 "\",\"partition\":%" PRId64 ",\"seq\":%" PRId64 ",\"at\":", partition,
	            seq, partition, seq);
	text_add_json(out, db_value(result, row, 2));
	text_add(out, ",\"project\":");
	text_add_json(out, record->project);
	text_add(out, ",\"task_id\":");
	text_add_json(out, record->task_id);
	text_add(out, ",\"reason\":");
	text_add_json(out, db_value(result, row, 3));
	text_add(out, "}\n");
}

static void read_events(void *context, const struct db_result *result) {
	struct listing *listing = context;
	listing->count = db_rows(result);
	for (size_t row = 0; row < listing->count; row++) {
		struct record record = { .project = SLICE(""), .task_id = SLICE("") };
		if (!record_parse(db_value(result, row, 4), &record))
			record = (struct record){ .project = SLICE(""), .task_id = SLICE("") };
		if (listing->cli->common.json) {
			add_json(&listing->out, result, row, &record);
			continue;
		}
		struct text foreign = { 0 };
		text_add_slice(&foreign, record.project);
		text_add_char(&foreign, '/');
		text_add_slice(&foreign, record.task_id);
		text_add(&foreign, "  ");
		text_add_slice(&foreign, db_value(result, row, 3));
		text_printf(&listing->out, "%" PRId64 ":%" PRId64 "  %.*s  ", db_int(result, row, 0), db_int(result, row, 1),
		            (int)db_value(result, row, 2).length, db_value(result, row, 2).bytes);
		term_add(&listing->cli->out, &listing->out, SHADE_PLAIN, (struct slice){ foreign.bytes, foreign.length });
		text_add_char(&listing->out, '\n');
		text_release(&foreign);
	}
}

static int list(struct stores *stores, int64_t limit) {
	struct listing listing = { .cli = stores->cli };
	struct text sql = { 0 };
	text_printf(&sql,
	            "SELECT partition_id,seq,DATE_FORMAT(at,'%%Y-%%m-%%dT%%H:%%i:%%s.%%fZ'),reason,LEFT(raw,65536) FROM "
	            "poison_events ORDER BY at DESC,partition_id,seq DESC LIMIT %" PRId64,
	            limit);
	int code = stores_sql(stores, &sql, read_events, &listing);
	if (code == EXIT_DONE && listing.count == 0 && !stores->cli->common.json)
		text_add(&listing.out, "Nothing was set aside.\n");
	if (listing.out.length > 0)
		fwrite(listing.out.bytes, 1, listing.out.length, stdout);
	text_release(&listing.out);
	text_release(&sql);
	return code == EXIT_DONE && listing.count > 0 ? EXIT_FAILED : code;
}

/* ---- one by one ---- */

struct work {
	struct stores *stores;
	bool drop;
	size_t done, left;
};

static void print_json(const struct work *work, const struct poison *poison) {
	struct text out = { 0 };
	bool done = poison->status == STATUS_OK;
	text_printf(&out, "{\"id\":\"%" PRId64 ":%" PRId64 "\",\"partition\":%" PRId64 ",\"seq\":%" PRId64 ",\"task\":",
	            poison->partition, poison->seq, poison->partition, poison->seq);
	text_add_json(&out, slice_of(poison->name));
	text_printf(&out, ",\"%s\":%s,\"replayable\":%s,\"reason\":", work->drop ? "dropped" : "replayed",
	            done ? "true" : "false", !done && poison->status == STATUS_RETRY ? "true" : "false");
	text_add_json(&out, slice_of(done ? "" : poison->why.message));
	text_add(&out, "}\n");
	fwrite(out.bytes, 1, out.length, stdout);
	text_release(&out);
}

static void print_text(const struct work *work, const struct poison *poison) {
	struct text out = { 0 }, foreign = { 0 };
	bool done = poison->status == STATUS_OK;
	text_add(&foreign, poison->name);
	text_add(&foreign, poison->name[0] != '\0' ? "  " : "");
	text_add(&foreign, done ? work->drop ? "dropped" : "replayed" : work->drop ? "not dropped: " : "not replayed: ");
	text_add(&foreign, done ? "" : poison->why.message);
	text_printf(&out, "%" PRId64 ":%" PRId64 "  ", poison->partition, poison->seq);
	term_add(&work->stores->cli->out, &out, SHADE_PLAIN, (struct slice){ foreign.bytes, foreign.length });
	if (poison->status == STATUS_REJECT)
		text_printf(&out, "\n  It can never be written: 'corder poison --drop %" PRId64 ":%" PRId64 "' deletes it.",
		            poison->partition, poison->seq);
	text_add_char(&out, '\n');
	fwrite(out.bytes, 1, out.length, stdout);
	text_release(&foreign);
	text_release(&out);
}

static int handle(struct work *work, int64_t partition, int64_t seq) {
	struct poison poison = { .partition = partition, .seq = seq };
	int code = work->drop ? poison_drop(work->stores, &poison) : poison_replay(work->stores, &poison);
	if (code != EXIT_DONE)
		return code;
	work->stores->cli->common.json ? print_json(work, &poison) : print_text(work, &poison);
	fflush(stdout);
	poison.status == STATUS_OK ? work->done++ : work->left++;
	return EXIT_DONE;
}

/* PARTITION:SEQ */
static bool read_id(const char *word, int64_t *partition, int64_t *seq) {
	struct slice rest = slice_of(word), first = slice_cut(&rest, ':');
	*partition = slice_int(first, -1);
	*seq = rest.bytes != NULL ? slice_int(rest, -1) : -1;
	return *partition >= 0 && *seq >= 0;
}

struct next {
	bool found;
	int64_t partition, seq;
};

static void read_next(void *context, const struct db_result *result) {
	struct next *next = context;
	next->found = db_rows(result) > 0;
	next->partition = db_int(result, 0, 0);
	next->seq = db_int(result, 0, 1);
}

/* In the order in which they happened: one may need the one before it. */
static int handle_all(struct work *work) {
	struct next next = { .partition = -1 };
	struct text sql = { 0 };
	int code;
	do {
		text_clear(&sql);
		text_printf(&sql,
		            "SELECT partition_id,seq FROM poison_events WHERE partition_id>%" PRId64
		            " OR (partition_id=%" PRId64 " AND seq>%" PRId64 ") ORDER BY partition_id,seq LIMIT 1",
		            next.partition, next.partition, next.seq);
		code = stores_sql(work->stores, &sql, read_next, &next);
		if (code == EXIT_DONE && next.found)
			code = handle(work, next.partition, next.seq);
	} while (code == EXIT_DONE && next.found && !client_interrupted());
	text_release(&sql);
	return client_interrupted() ? EXIT_INTERRUPTED : code;
}

static int handle_named(struct work *work) {
	const struct arguments *arguments = &work->stores->cli->arguments;
	int64_t partition, seq;
	int code = EXIT_DONE;
	for (size_t i = 0; code == EXIT_DONE && i < arguments->count; i++)
		if (read_id(arguments->words[i], &partition, &seq))
			code = handle(work, partition, seq);
	return code;
}

static int handle_many(struct stores *stores, const struct options *options) {
	struct work work = { .stores = stores, .drop = options->drop };
	int code = options->all ? handle_all(&work) : handle_named(&work);
	if (!stores->cli->common.json && code == EXIT_DONE && work.done + work.left == 0)
		printf("Nothing was set aside.\n");
	if (!stores->cli->common.json && work.done > 0 && !work.drop)
		fprintf(stderr, "%zu replayed, %zu left. 'corder audit' tells whether Redis says the same.\n", work.done,
		        work.left);
	return code == EXIT_DONE && work.left > 0 ? EXIT_FAILED : code;
}

/* ---- the command ---- */

static int check(const struct options *options, const struct arguments *arguments) {
	int64_t partition, seq;
	bool acts = options->replay || options->drop;
	if (options->replay && options->drop)
		return command_usage(&command_poison, "--replay and --drop: one of them");
	if (!acts && (options->all || arguments->count > 0))
		return command_usage(&command_poison, "what should be done with %s: --replay or --drop?",
		                     options->all ? "all" : arguments->words[0]);
	if (options->drop && options->all)
		return command_usage(&command_poison, "--drop deletes for ever: name each event");
	if (acts && options->all == (arguments->count > 0))
		return command_usage(&command_poison, options->drop ? "which event? 'corder poison' lists them"
		                                                    : "which event? Name some, or --all");
	for (size_t i = 0; i < arguments->count; i++)
		if (!read_id(arguments->words[i], &partition, &seq))
			return command_usage(&command_poison,
			                     "'%.40s' names no event: PARTITION:SEQ, as 'corder poison' lists them",
			                     arguments->words[i]);
	return EXIT_DONE;
}

static int poison_run(struct cli *cli, const void *values) {
	const struct options *options = values;
	struct stores stores;
	int code = check(options, &cli->arguments);
	if (code != EXIT_DONE)
		return code;
	code = stores_open(&stores, cli);
	if (code == EXIT_DONE)
		code = options->replay || options->drop ? handle_many(&stores, options) : list(&stores, options->limit);
	stores_close(&stores);
	return code;
}

static const struct options defaults = { .limit = 100 };

static const struct option_row poison_options[] = {
	{ "limit", 'n', OPTION_INT, offsetof(struct options, limit), "N", "list at most so many (100), the newest first", 1,
	  10000 },
	{ "replay", 0, OPTION_FLAG, offsetof(struct options, replay), NULL, "write these events down after all", 0, 0 },
	{ "all", 0, OPTION_FLAG, offsetof(struct options, all), NULL, "with --replay: each of them, the oldest first", 0,
	  0 },
	{ "drop", 0, OPTION_FLAG, offsetof(struct options, drop), NULL, "delete these events, for ever", 0, 0 },
};

const struct command command_poison = {
	.name = "poison",
	.group = "Look after it",
	.summary = "events that could not be written down, and why; replay them",
	.usage = "[--limit N] | --replay PARTITION:SEQ… | --replay --all | --drop PARTITION:SEQ…",
	.about =
		"The persister never stops for one bad event: it sets it aside in the table poison_events and writes the "
		"rest. The\n"
		"task's row may be behind by that event. Listing exits with 1 when there are any.\n"
		"\n"
		"Mend the cause, then --replay: each event is written as the persister would have written it, and leaves "
		"the table\n"
		"in the same transaction. When later events of its task are there already, it fills in what they do not "
		"tell and moves\n"
		"nothing back. What cannot be written stays, with the reason (exit code 1). An event that is unreadable, or "
		"without\n"
		"which its task went on, can never be written: --drop deletes it. Services go on meanwhile.\n"
		"REDIS_URL and DATABASE_URL have to be set as for the services.",
	.examples = "corder poison\ncorder poison --json | jq .reason\ncorder poison --replay 0:4711\n"
				"corder poison --replay --all",
	.options = poison_options,
	.option_count = COUNT(poison_options),
	.values_bytes = sizeof(struct options),
	.defaults = &defaults,
	.run = poison_run,
};
