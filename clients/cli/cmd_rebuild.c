/* `corder rebuild`: a partition's Redis is filled anew from the database and the log, as it is by itself when it was lost. */
#include <inttypes.h>
#include <stdio.h>

#include "commands.h"
#include "stores.h"

struct options {
	int64_t partition;
	bool yes;
};

static int rebuild(struct stores *stores, size_t partition) {
	int64_t tasks = 0, took_us = 0;
	if (!stores->cli->common.json)
		fprintf(stderr, "Rebuilding partition %zu; nothing is handed out meanwhile …\n", partition);
	int code = stores_rebuild(stores, partition, &tasks, &took_us);
	if (code != EXIT_DONE)
		return code;
	double seconds = (double)took_us / 1e6;
	if (stores->cli->common.json)
		printf("{\"partition\":%zu,\"tasks\":%" PRId64 ",\"seconds\":%.3f}\n", partition, tasks, seconds);
	else
		printf("Partition %zu: %" PRId64 " tasks in %.1f s\n", partition, tasks, seconds);
	fflush(stdout);
	return EXIT_DONE;
}

static int rebuild_run(struct cli *cli, const void *values) {
	const struct options *options = values;
	struct stores stores;
	if (!options->yes)
		return command_usage(&command_rebuild, "work stands still until it is done: say that you mean it, with --yes");
	int code = stores_open(&stores, cli);
	if (code == EXIT_DONE && options->partition >= (int64_t)stores.partitions)
		code = command_usage(&command_rebuild, "there are partitions 0 to %zu", stores.partitions - 1);
	else
		for (size_t i = 0; code == EXIT_DONE && i < stores.partitions; i++)
			if (options->partition < 0 || options->partition == (int64_t)i)
				code = rebuild(&stores, i);
	stores_close(&stores);
	return code;
}

static const struct options defaults = { .partition = -1 };

static const struct option_row rebuild_options[] = {
	{ "partition", 0, OPTION_INT, offsetof(struct options, partition), "N", "only this one", 0, 63 },
	{ "yes", 'y', OPTION_FLAG, offsetof(struct options, yes), NULL, "do it", 0, 0 },
};

const struct command command_rebuild = {
	.name = "rebuild",
	.group = "Look after it",
	.summary = "fill Redis anew from the database and the log",
	.usage = "--yes [--partition N]",
	.about = "Redis holds what has not ended, for speed; the log and the database hold the truth. When Redis is lost, "
			 "a scheduler\n"
			 "rebuilds it by itself; this has it done by hand, when 'corder audit' finds that it holds something else. "
			 "Running\n"
			 "tasks keep their leases, and nothing is lost; requests are answered 'unavailable' until it is done.\n"
			 "REDIS_URL and DATABASE_URL have to be set as for the services.",
	.examples = "corder rebuild --yes",
	.options = rebuild_options,
	.option_count = COUNT(rebuild_options),
	.values_bytes = sizeof(struct options),
	.defaults = &defaults,
	.run = rebuild_run,
};
