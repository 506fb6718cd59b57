/* corder-monitor: the read side, over NATS and HTTP. */
#include "monitor.h"

int main(int argc, char **argv) {
	static const struct service_definition definition = {
		.name = "monitor",
		.summary = "Answers what people and programs ask: tasks, status, timeline, metrics, over NATS and HTTP.",
		.needs = SERVICE_NEEDS_REDIS | SERVICE_NEEDS_DATABASE,
		.settings_bytes = sizeof(struct monitor_settings),
		.start = monitor_start,
		.stop = monitor_stop,
		.idle = monitor_idle,
		.close = monitor_close,
		.health = monitor_health,
	};
	struct service_definition with_rows = definition;
	with_rows.settings = monitor_setting_rows;
	with_rows.setting_count = monitor_setting_count;
	return service_main(argc, argv, &with_rows);
}
