/* corder-scheduler: what becomes of tasks by graph, time and command; relays the outbox to the log; rebuilds Redis. */
#include "wiring.h"

int main(int argc, char **argv) {
	struct service_definition definition = {
		.name = "scheduler",
		.summary = "Decides what becomes of tasks by graph, time and command, and writes it to the log.",
		.needs = SERVICE_NEEDS_REDIS | SERVICE_NEEDS_DATABASE,
		.settings = scheduler_setting_rows,
		.setting_count = scheduler_setting_count,
		.settings_bytes = sizeof(struct scheduler_settings),
		.start = scheduler_start,
		.stop = scheduler_stop,
		.idle = scheduler_idle,
		.close = scheduler_close,
		.health = scheduler_health,
	};
	return service_main(argc, argv, &definition);
}
