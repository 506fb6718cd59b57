/* The settings that all services share, and the pages that --help and --print-config show. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "../base/log.h"
#include "../base/memory.h"
#include "../base/version.h"
#include "known_settings.h"
#include "service_inside.h"

#define FIELD(name) offsetof(struct service_settings, name)

static const struct setting common_settings[] = {
	{ "NATS_URL", SETTING_URL, FIELD(nats_url), "nats://127.0.0.1:4222", 0, 0, "",
	  "The NATS servers, parted by commas; JetStream must be on." },
	{ "REDIS_URL", SETTING_URL, FIELD(redis_url), "redis://127.0.0.1:6379", 0, 0, "",
	  "The Redis servers, parted by commas; partition i lives on number i modulo their count." },
	{ "DATABASE_URL", SETTING_URL, FIELD(database_url), "mysql://corder@127.0.0.1:3306/corder", 0, 0, "",
	  "The MariaDB or MySQL database that keeps the history." },
	{ "CORDER_PREFIX", SETTING_TOKEN, FIELD(prefix), "corder", 0, 0, "",
	  "The first token of all subjects, and (in upper case) of the streams' names: parts installations on one NATS." },
	{ "CORDER_PARTITIONS", SETTING_INT, FIELD(partitions), "1", 1, 64, "partitions",
	  "How many parts the projects are spread over; never change it once there are tasks." },
	{ "CORDER_STOP_TIMEOUT_MS", SETTING_INT, FIELD(stop_timeout_ms), "10000", 0, 3600000, "ms",
	  "How long a stop may take to finish what is under way." },
	{ "CORDER_BUSY_POLL_US", SETTING_INT, FIELD(busy_poll_us), "0", 0, 100000, "us",
	  "How long to look for the next message before sleeping: lower latency for more CPU, where cores are slow to "
	  "wake." },
	{ "CORDER_LOG_LEVEL", SETTING_TEXT, FIELD(log_level), "info", 0, 0, "",
	  "The least important lines to log: debug, info, warn or error." },
	{ "CORDER_MAX_REQUEST_BYTES", SETTING_INT, FIELD(max_request_bytes), "1000000", 1024, 67108864, "bytes",
	  "A request larger than this is refused as too_large; NATS has a limit of its own (max_payload)." },
	{ "CORDER_METRICS_ADDRESS", SETTING_TEXT, FIELD(metrics_address), "127.0.0.1", 0, 0, "",
	  "The address to listen on for GET /metrics." },
	{ "CORDER_METRICS_PORT", SETTING_INT, FIELD(metrics_port), "0", 0, 65535, "",
	  "The port for GET /metrics, one for each process of a machine; 0: none." },
};

enum { COMMON_COUNT = sizeof(common_settings) / sizeof(common_settings[0]) };

static enum status check_unknown(const struct service_definition *definition, struct error *err) {
	size_t count = known_setting_count + definition->setting_count;
	const char **names = memory_array(count, sizeof(*names));
	memcpy(names, known_settings, known_setting_count * sizeof(*names));
	for (size_t i = 0; i < definition->setting_count; i++)
		names[known_setting_count + i] = definition->settings[i].name;
	enum status status = settings_check_unknown(names, count, err);
	free(names);
	return status;
}

static enum status open_log(struct service *service, struct error *err) {
	static const char *const names[] = { "debug", "info", "warn", "error" };
	static const enum log_level levels[] = { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(service->common->log_level, names[i]) == 0) {
			log_open(service->program, levels[i]);
			return STATUS_OK;
		}
	}
	return fail(err, STATUS_REJECT, "CORDER_LOG_LEVEL must be debug, info, warn or error, not \"%s\"",
	            service->common->log_level);
}

enum status service_read_settings(struct service *service, struct error *err) {
	const struct service_definition *definition = service->definition;
	must(definition->settings_bytes >= sizeof(struct service_settings));
	service->settings = memory_new(definition->settings_bytes);
	service->common = service->settings;
	enum status status = check_unknown(definition, err);
	if (status == STATUS_OK)
		status = settings_read(common_settings, COMMON_COUNT, service->settings, err);
	if (status == STATUS_OK)
		status = settings_read(definition->settings, definition->setting_count, service->settings, err);
	if (status == STATUS_OK)
		status = open_log(service, err);
	return status;
}

void service_print_settings(const struct service *service, struct text *out) {
	settings_print(common_settings, COMMON_COUNT, service->settings, out);
	settings_print(service->definition->settings, service->definition->setting_count, service->settings, out);
}

static void print_rows(const struct setting *rows, size_t count, struct text *out) {
	for (size_t i = 0; i < count; i++) {
		const struct setting *row = &rows[i];
		text_printf(out, "  %-26s ", row->name);
		if (row->kind == SETTING_INT && row->most == INT64_MAX)
			text_printf(out, "%s %s, at least %lld\n", row->initial, row->unit, (long long)row->least);
		else if (row->kind == SETTING_INT)
			text_printf(out, "%s %s, %lld to %lld\n", row->initial, row->unit, (long long)row->least,
			            (long long)row->most);
		else if (row->kind == SETTING_BOOL)
			text_printf(out, "%s (true or false)\n", row->initial);
		else
			text_printf(out, "%s\n", row->initial && *row->initial ? row->initial : "(empty)");
		text_printf(out, "  %-26s   %s\n", "", row->what);
	}
}

void service_print_help(const struct service *service, struct text *out) {
	const struct service_definition *definition = service->definition;
	text_printf(out, "%s %s: %s\n\n", service->program, CORDER_VERSION, definition->summary);
	text_printf(out, "Usage: %s [option]\n\n", service->program);
	text_add(out,
	         "Without an option the service runs until SIGTERM or SIGINT; it then takes nothing new, finishes what is\n"
	         "under way and goes. A second signal ends it at once. Any number of instances may run. While a server\n"
	         "is away it keeps running, and recovers by itself.\n\n"
	         "Options:\n"
	         "  --check          look whether the settings are good and the servers are there, and exit\n"
	         "  --print-config   print the settings in force, passwords masked, and exit\n"
	         "  --version        print the version and exit\n"
	         "  --help           print this page and exit\n\n"
	         "Settings, from the environment. Each may also be given as NAME_FILE, the path of a file that holds the\n"
	         "value. A bad value, or a CORDER_ name that does not exist, stops the start.\n\n");
	print_rows(common_settings, COMMON_COUNT, out);
	print_rows(definition->settings, definition->setting_count, out);
	text_printf(out,
	            "\nHealth and counters are answered on NATS (services protocol, ADR-32), by all instances or by one:\n"
	            "  nats request '$SRV.STATS.%s' ''       data.health.ok is true when all is well\n"
	            "  nats request '$SRV.INFO.%s' ''        the subjects it serves\n"
	            "The same for Prometheus at CORDER_METRICS_PORT: GET /metrics\n\n",
	            service->program, service->program);
	text_add(
		out,
		"Exit codes: 0 stopped as asked, or the check went well; 64 bad usage; 69 a server is not there (--check);\n"
		"78 bad settings.\n\nLog lines go to stderr: logfmt on a terminal, else JSON, one a line.\n");
}
