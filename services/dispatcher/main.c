/* corder-dispatcher: gives tasks to workers, and takes their word for what became of them. */
#include "dispatcher.h"
#include "subjects/subjects.h"

#define FIELD(name) offsetof(struct dispatcher_settings, name)

static const struct setting settings[] = {
	{ "CORDER_LEASE_MS", SETTING_INT, FIELD(lease_ms), "30000", 1000, LIMIT_LEASE_MS, "ms",
	  "How long a lease holds without a renew, where the worker does not say." },
	{ "CORDER_MAX_WAIT_MS", SETTING_INT, FIELD(max_wait_ms), "60000", 0, LIMIT_WAIT_MS, "ms",
	  "A work request waits at most so long, whatever it asks for." },
	{ "CORDER_MAX_LEASES_PER_REQUEST", SETTING_INT, FIELD(max_leases), "256", 1, LIMIT_WORK_MAX, "tasks",
	  "A work request gets at most so many tasks, whatever it asks for." },
	{ "CORDER_MAX_RESULT_BYTES", SETTING_INT, FIELD(max_result_bytes), "262144", 1024, 16777216, "bytes",
	  "A larger result of a task is refused with too_large." },
	{ "CORDER_REQUEST_TTL_S", SETTING_INT, FIELD(request_ttl_s), "120", 1, 86400, "s",
	  "For so long the same request_id gets the same tasks again." },
	{ "CORDER_MARK_PATIENCE_MS", SETTING_INT, FIELD(mark_patience_ms), "5000", 100, 600000, "ms",
	  "A reply that waits longer for the log, or the database, becomes unavailable." },
	{ "CORDER_AGE_WEIGHT", SETTING_INT, FIELD(age_weight), "1", 1, 1000, "points",
	  "What an hour of waiting is worth in the score; the same for all services." },
	{ "CORDER_WAITING_MAX", SETTING_INT, FIELD(waiting_most), "100000", 1, 10000000, "requests",
	  "So many work requests may wait in one dispatcher; for one more, the oldest of a type with more of them is "
	  "answered early, else it gets limit_exceeded." },
	{ "CORDER_AWAIT_POLL_US", SETTING_INT, FIELD(await_poll_us), "300", 0, 100000, "us",
	  "While a small call alone waits for Redis or the log, the dispatcher looks for the answer so long before it "
	  "sleeps." },
};

static const struct service_definition definition = {
	.name = "dispatcher",
	.summary = "Gives ready tasks to workers, highest score first, and takes what became of them.",
	.needs = SERVICE_NEEDS_REDIS,
	.settings = settings,
	.setting_count = sizeof(settings) / sizeof(*settings),
	.settings_bytes = sizeof(struct dispatcher_settings),
	.start = dispatcher_start,
	.stop = dispatcher_stop,
	.idle = dispatcher_idle,
	.close = dispatcher_close,
	.health = dispatcher_health,
};

int main(int argc, char **argv) {
	return service_main(argc, argv, &definition);
}
