/* `corder audit`: do Redis, the database and the log say the same of every task that has not ended? */
#include <inttypes.h>
#include <stdio.h>

#include "audit.h"
#include "commands.h"

enum { SHOWN = 20 };

struct options {
	bool fix;
};

static void print_text(const struct audit *audit) {
	printf("Partition %zu: %" PRId64 " tasks that have not ended; events in the database %" PRId64 ", log %" PRId64
	       ", Redis %" PRId64 "; %zu wrong\n",
	       audit->partition, audit->tasks, audit->database_seq, audit->log_seq, audit->redis_seq, audit->count);
	if (audit->positions[0] != '\0')
		printf("  %s\n", audit->positions);
	for (size_t i = 0; i < audit->count && i < SHOWN; i++)
		printf("  %s\n", audit->suspects[i].what);
	if (audit->count > SHOWN)
		printf("  … and %zu more\n", audit->count - SHOWN);
	fflush(stdout);
}

static void print_json(const struct audit *audit) {
	struct text out = { 0 };
	text_printf(&out,
	            "{\"partition\":%zu,\"tasks\":%" PRId64 ",\"database_seq\":%" PRId64 ",\"log_seq\":%" PRId64
	            ",\"redis_seq\":%" PRId64 ",\"positions\":",
	            audit->partition, audit->tasks, audit->database_seq, audit->log_seq, audit->redis_seq);
	text_add_json(&out, slice_of(audit->positions));
	text_printf(&out, ",\"wrong\":%zu,\"tasks_wrong\":[", audit->count);
	for (size_t i = 0; i < audit->count; i++) {
		text_add(&out, i > 0 ? "," : "");
		text_add_json(&out, slice_of(audit->suspects[i].what));
	}
	text_add(&out, "]}\n");
	fwrite(out.bytes, 1, out.length, stdout);
	fflush(stdout);
	text_release(&out);
}

/* What a rebuild of Redis mends. */
static bool is_mendable(const struct audit *audit) {
	bool mendable = audit->positions[0] != '\0';
	for (size_t i = 0; i < audit->count; i++)
		mendable = mendable || !audit->suspects[i].in_database;
	return mendable;
}

static int audit_one(struct stores *stores, size_t partition, bool fix, bool *wrong) {
	struct audit audit;
	int code = audit_partition(&audit, stores, partition);
	bool mend = code == EXIT_DONE && fix && is_mendable(&audit);
	if (code == EXIT_DONE)
		stores->cli->common.json ? print_json(&audit) : print_text(&audit);
	bool found = audit.count > 0 || audit.positions[0] != '\0';
	audit_release(&audit);
	if (mend) {
		int64_t tasks = 0, took_us = 0;
		fprintf(stderr, "Rebuilding partition %zu …\n", partition);
		code = stores_rebuild(stores, partition, &tasks, &took_us);
		return code == EXIT_DONE ? audit_one(stores, partition, false, wrong) : code;
	}
	*wrong = *wrong || found;
	return code;
}

static int audit_run(struct cli *cli, const void *values) {
	const struct options *options = values;
	struct stores stores;
	bool wrong = false;
	int code = stores_open(&stores, cli);
	for (size_t i = 0; code == EXIT_DONE && i < stores.partitions; i++)
		code = audit_one(&stores, i, options->fix, &wrong);
	stores_close(&stores);
	return code == EXIT_DONE && wrong ? EXIT_FAILED : code;
}

static const struct option_row audit_options[] = {
	{ "fix", 0, OPTION_FLAG, offsetof(struct options, fix), NULL, "rebuild Redis where it is wrong, and look again", 0,
	  0 },
};

const struct command command_audit = {
	.name = "audit",
	.group = "Look after it",
	.summary = "whether Redis, the database and the log say the same",
	.usage = "[--fix]",
	.about = "Compares every task that has not ended: its state in Redis, its row, the event that the row is of; and "
			 "how far the\n"
			 "log, the database and Redis have come. What is only on its way is looked at again until it has come. "
			 "Nothing stands\n"
			 "still meanwhile. Exits with 1 when something is wrong. --fix mends Redis; what is wrong in the database "
			 "is only told.\n"
			 "REDIS_URL and DATABASE_URL have to be set as for the services.",
	.examples = "corder audit\ncorder audit --fix",
	.options = audit_options,
	.option_count = COUNT(audit_options),
	.values_bytes = sizeof(struct options),
	.run = audit_run,
};
