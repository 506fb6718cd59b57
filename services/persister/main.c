/* corder-persister: writes the log down in the database. */
#include <stddef.h>

#include "persister.h"
#include "shared/service/service.h"

struct settings {
	struct service_settings common;
	int64_t retention_days;
	int64_t retention_step_rows;
	int64_t log_keep_blocks;
	int64_t write_every_ms, write_gathered_ms;
};

static const struct setting rows[] = {
	{ "CORDER_RETENTION_DAYS", SETTING_INT, offsetof(struct settings, retention_days), "0", 0, 36500, "days",
	  "Tasks that ended longer ago, and that none waits for, are deleted from the database with their history; 0 keeps "
	  "all." },
	{ "CORDER_RETENTION_STEP_ROWS", SETTING_INT, offsetof(struct settings, retention_step_rows), "500", 1, 10000,
	  "tasks", "How many tasks one step of the retention deletes." },
	{ "CORDER_LOG_KEEP_BLOCKS", SETTING_INT, offsetof(struct settings, log_keep_blocks), "10000", 0, 1000000000,
	  "blocks", "How much of the log stays in its stream after it was written down." },
	{ "CORDER_WRITE_EVERY_MS", SETTING_INT, offsetof(struct settings, write_every_ms), "20", 0, 1000, "ms",
	  "From one transaction to the next at least; the first after a pause is made at once." },
	{ "CORDER_WRITE_GATHERED_MS", SETTING_INT, offsetof(struct settings, write_gathered_ms), "250", 0, 10000, "ms",
	  "Under load, from one transaction to the next at most: the more events one had, the longer more are waited "
	  "for." },
};

static enum status start(struct service *service, struct error *err) {
	const struct settings *settings = service_settings(service);
	struct persister_options options = {
		.prefix = settings->common.prefix,
		.partitions = settings->common.partitions,
		.retention_days = settings->retention_days,
		.retention_step_rows = settings->retention_step_rows,
		.log_keep_blocks = settings->log_keep_blocks,
		.write_every_us = settings->write_every_ms * 1000,
		.write_gathered_us = settings->write_gathered_ms * 1000,
	};
	struct persister *persister = NULL;
	enum status status =
		persister_open(service_loop(service), service_bus(service), service_db(service), &options, &persister, err);
	service_context(service, persister);
	return status;
}

static void stop(struct service *service) {
	persister_stop(service_own(service));
}

static bool idle(struct service *service) {
	return persister_idle(service_own(service));
}

static void close_persister(struct service *service) {
	struct persister *persister = service_own(service);
	persister_close(&persister);
}

static enum status health(struct service *service, struct text *members, struct error *reason) {
	const struct persister *persister = service_own(service);
	const struct persister_counters *counters = &persister->counters;
	*service_counter(service, "events") = counters->events;
	*service_counter(service, "tasks") = counters->tasks;
	*service_counter(service, "transactions") = counters->transactions;
	*service_counter(service, "conflicts") = counters->conflicts;
	*service_counter(service, "poison") = counters->poison;
	*service_counter(service, "blocks_read") = counters->blocks;
	*service_counter(service, "tasks_deleted") = counters->retained;
	*service_gauge(service, "lag_events") = (uint64_t)persister_lag(persister);
	text_printf(members, ",\"lag_events\":%lld", (long long)persister_lag(persister));
	return persister_health(persister, reason);
}

int main(int argc, char **argv) {
	static const struct service_definition definition = {
		.name = "persister",
		.summary = "Writes every event and the state of every task to the database.",
		.needs = SERVICE_NEEDS_DATABASE,
		.settings = rows,
		.setting_count = sizeof(rows) / sizeof(rows[0]),
		.settings_bytes = sizeof(struct settings),
		.start = start,
		.stop = stop,
		.idle = idle,
		.close = close_persister,
		.health = health,
	};
	return service_main(argc, argv, &definition);
}
