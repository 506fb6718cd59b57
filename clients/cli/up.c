/* `corder up`, from its command line to what it prints. */
#include "up.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/log.h"
#include "../../shared/base/memory.h"
#include "../../shared/base/text.h"
#include "command.h"
#include "up_inside.h"
#include "utf8.h"

enum { HTTP_PORT_PREFERRED = 8080, START_LIMIT_US = 120000000, UP_VALUE_BYTES = 4096 };

struct up_values {
	const char *dir;
	const char *scale;
	int64_t http;
	bool servers_only, json, help;
};

static const struct option_row up_options[] = {
	{ "dir", 0, OPTION_TEXT, offsetof(struct up_values, dir), "DIR", "data folder (CORDER_DIR, else ./.corder)", 0, 0 },
	{ "http", 0, OPTION_INT, offsetof(struct up_values, http), "PORT",
	  "port of the monitor (the last one, else 8080, else any)", 1, UINT16_MAX },
	{ "scale", 0, OPTION_LIST, offsetof(struct up_values, scale), "LIST",
	  "instances of a service: dispatcher=3,scheduler=2", 0, 0 },
	{ "servers-only", 0, OPTION_FLAG, offsetof(struct up_values, servers_only), NULL,
	  "start the three servers, no service", 0, 0 },
	{ "json", 0, OPTION_FLAG, offsetof(struct up_values, json), NULL,
	  "once all is up, one JSON object that says where, and nothing else", 0, 0 },
	{ "help", 'h', OPTION_FLAG, offsetof(struct up_values, help), NULL, "this text", 0, 0 },
};

static int usage_error(const char *message) {
	fprintf(stderr, "corder up: %s\nMore: corder up --help\n", message);
	return EXIT_USAGE;
}

static int help(void) {
	struct text out = { 0 };
	text_add(&out,
	         "corder up: start a private stack here\n\nUsage\n  corder up [options]\n\n"
	         "Starts nats-server, redis-server and mariadbd on free ports of the loopback address, with their data\n"
	         "in a folder, then the five services; starts again what dies; stops all of it on Ctrl-C. The data stays:\n"
	         "the next start goes on where this one stopped. Once everything answers, DIR/env holds NATS_URL,\n"
	         "REDIS_URL, DATABASE_URL and CORDER_HTTP for other programs; logs are in DIR/logs.\n\n"
	         "A server whose URL is set in the environment (NATS_URL, REDIS_URL, DATABASE_URL) is used, not started.\n"
	         "\nOptions\n");
	options_help(up_options, COUNT(up_options), &out);
	text_add(&out,
	         "\nExamples\n  corder up\n  corder up --dir /tmp/stack --http 9000 --scale dispatcher=3,scheduler=2\n");
	fwrite(out.bytes, 1, out.length, stdout);
	text_release(&out);
	return EXIT_DONE;
}

/* dispatcher=3,scheduler=2 */
static enum status read_scale(struct up *up, const char *scale, struct error *err) {
	for (int i = 0; i < UP_SERVICES; i++)
		up->scale[i] = 1;
	if (scale == NULL)
		return STATUS_OK;
	struct slice rest = slice_of(scale);
	while (rest.bytes != NULL) {
		struct slice count = slice_cut(&rest, ',');
		struct slice name = slice_cut(&count, '=');
		int index = up_service_index(name.bytes, name.length);
		if (index < 0)
			return fail(err, STATUS_REJECT,
			            "--scale names no service: %.*s (there are ingest, scheduler, dispatcher, "
			            "persister, monitor)",
			            (int)name.length, name.bytes);
		int64_t instances = count.bytes != NULL ? slice_int(count, -1) : -1;
		if (instances < 0 || instances > UP_INSTANCES_MAX)
			return fail(err, STATUS_REJECT, "--scale %s=N takes a number from 0 to %d", up_service_names[index],
			            UP_INSTANCES_MAX);
		up->scale[index] = instances;
	}
	return STATUS_OK;
}

static enum status read_command_line(struct up *up, int argc, char **argv, struct error *err) {
	struct up_values values = { 0 };
	struct option_table table = { up_options, COUNT(up_options), &values };
	struct arguments arguments = { 0 };
	enum status status = options_parse(&table, 1, argc - 1, argv + 1, &arguments, err);
	if (status == STATUS_OK && (arguments.count > 0 || arguments.tail_count > 0))
		status = fail(err, STATUS_REJECT, "takes options only");
	if (status == STATUS_OK)
		status = read_scale(up, values.scale, err);
	arguments_release(&arguments);
	const char *dir = getenv("CORDER_DIR");
	up->dir_option = values.dir != NULL ? values.dir : dir != NULL && *dir != 0 ? dir : ".corder";
	up->http_option = values.http;
	up->servers_only = values.servers_only;
	up->json = values.json;
	up->help = values.help;
	return status;
}

/* A URL from the environment, or from the file that NAME_FILE names; NULL when there is neither. */
static char *url_from_environment(const char *name) {
	const char *url = getenv(name);
	if (url != NULL && *url != 0)
		return memory_copy(url, strlen(url));
	char file_name[64];
	snprintf(file_name, sizeof(file_name), "%s_FILE", name);
	const char *path = getenv(file_name);
	FILE *file = path != NULL ? fopen(path, "re") : NULL;
	if (file == NULL)
		return NULL;
	char line[2048] = "";
	if (fgets(line, sizeof(line), file) == NULL)
		line[0] = 0;
	fclose(file);
	size_t length = strcspn(line, "\r\n");
	return length > 0 ? memory_copy(line, length) : NULL;
}

static void read_environment(struct up *up) {
	up->nats_url = url_from_environment("NATS_URL");
	up->redis_url = url_from_environment("REDIS_URL");
	up->database_url = url_from_environment("DATABASE_URL");
	up->own_nats = up->nats_url == NULL;
	up->own_redis = up->redis_url == NULL;
	up->own_mariadb = up->database_url == NULL;
}

static enum status find_programs(struct up *up, struct error *err) {
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (length <= 0)
		return fail(err, STATUS_RETRY, "cannot read /proc/self/exe to find the services");
	path[length] = 0;
	*strrchr(path, '/') = 0;
	up->programs = memory_copy(path, strlen(path));
	return STATUS_OK;
}

static enum status choose_http_port(struct up *up, struct error *err) {
	if (up->servers_only)
		return STATUS_OK;
	if (up->http_option == 0)
		return up_port_choose(&up->kept.http_port, HTTP_PORT_PREFERRED, err);
	if (!up_port_is_free(up->http_option))
		return fail(err, STATUS_REJECT, "port %" PRId64 " is in use; without --http a free one is chosen",
		            up->http_option);
	up->kept.http_port = up->http_option;
	return STATUS_OK;
}

static enum status prepare(struct up *up, struct error *err) {
	enum status status = up_folder_open(up, err);
	if (status != STATUS_OK)
		return status;
	up_remove_environment(up); /* what a killed run may have left */
	read_environment(up);
	status = find_programs(up, err);
	if (status == STATUS_OK)
		status = choose_http_port(up, err);
	if (status == STATUS_OK)
		status = up_servers_add(up, err);
	if (status == STATUS_OK && !up->servers_only)
		status = up_services_add(up, err);
	if (status == STATUS_OK && !up->servers_only)
		status = up_services_write_targets(up, err);
	if (status == STATUS_OK)
		status = up_keep(up, err);
	return status;
}

/* A URL without its password, in one of four rotating buffers. */
static const char *masked(const char *url) {
	static char buffers[4][512];
	static unsigned next;
	char *out = buffers[next++ % 4];
	const char *host = strstr(url, "://");
	host = host != NULL ? host + 3 : url;
	const char *at = strrchr(host, '@');
	const char *colon = memchr(host, ':', at != NULL ? (size_t)(at - host) : 0);
	if (at == NULL || colon == NULL)
		snprintf(out, sizeof(buffers[0]), "%s", url);
	else
		snprintf(out, sizeof(buffers[0]), "%.*s:***%s", (int)(colon - url), url, at);
	return out;
}

static void print_url(const char *name, const char *url, bool own) {
	printf("  %-13s %s%s\n", name, masked(url), own ? "" : "   (from the environment)");
}

/* The last member has no comma behind it. */
static void add_member(struct text *out, const char *name, const char *value, const char *after) {
	text_printf(out, "\"%s\":", name);
	utf8_add_json(out, slice_of(value), UP_VALUE_BYTES);
	text_add(out, after);
}

static void announce_json(const struct up *up) {
	struct text out = { 0 };
	char monitor[64], *env = up_path(up, "env");
	snprintf(monitor, sizeof(monitor), "http://127.0.0.1:%" PRId64 "/", up->kept.http_port);
	text_add(&out, "{\"ok\":true,");
	add_member(&out, "dir", up->dir, ",");
	add_member(&out, "env", env, ",");
	if (!up->servers_only)
		add_member(&out, "monitor", monitor, ",");
	add_member(&out, "nats_url", masked(up->nats_url), ",");
	add_member(&out, "redis_url", masked(up->redis_url), ",");
	add_member(&out, "database_url", masked(up->database_url), ",");
	text_add(&out, "\"unwell\":[");
	const char *comma = "";
	for (int i = 0; i < UP_SERVICES && !up->servers_only; i++) {
		if (up->healthy[i] >= up->scale[i])
			continue;
		text_printf(&out, "%s\"%s\"", comma, up_service_names[i]);
		comma = ",";
	}
	text_add(&out, "]}\n");
	fwrite(out.bytes, 1, out.length, stdout);
	text_release(&out);
	free(env);
}

static void announce_text(const struct up *up) {
	printf("\nCorder is up%s.\n\n", up->servers_only ? ", servers only" : "");
	print_url("NATS_URL", up->nats_url, up->own_nats);
	print_url("REDIS_URL", up->redis_url, up->own_redis);
	print_url("DATABASE_URL", up->database_url, up->own_mariadb);
	if (!up->servers_only)
		printf("  %-13s http://127.0.0.1:%" PRId64
		       "/\n  %-13s %s/metrics.json (where Prometheus finds every process)\n",
		       "monitor", up->kept.http_port, "metrics", up->dir);
	for (int i = 0; i < UP_SERVICES && !up->servers_only; i++)
		if (up->healthy[i] < up->scale[i])
			printf("\n  The %s is not well; corder services tells why.\n", up_service_names[i]);
	printf("\n  With passwords: %s/env    Logs: %s/logs\n", up->dir, up->dir);
	printf("  In another terminal: set -a; . '%s/env'; set +a\n\nCtrl-C stops all of it; what it knows stays.\n",
	       up->dir);
}

void up_announce(const struct up *up) {
	if (up->json)
		announce_json(up);
	else
		announce_text(up);
	fflush(stdout);
}

static int run(struct up *up) {
	struct error err = { 0 };
	enum status status = prepare(up, &err);
	if (status != STATUS_OK) {
		fprintf(stderr, "corder up: %s\n", err.message);
		return status == STATUS_REJECT ? EXIT_USAGE : EXIT_FAILED;
	}
	if (!up->json)
		printf("Starting in %s …\n", up->dir);
	fflush(stdout);
	up->start_until_mono_us = clock_mono_us() + START_LIMIT_US;
	int code = up_supervise(up);
	if (code == EXIT_DONE && !up->json)
		printf("Stopped.\n");
	return code;
}

int up_main(int argc, char **argv) {
	struct up *up = memory_new(sizeof(*up));
	struct error err = { 0 };
	log_open("corder-up", LOG_LEVEL_WARN);
	up->lock_fd = -1;
	int code;
	if (read_command_line(up, argc, argv, &err) != STATUS_OK)
		code = usage_error(err.message);
	else if (up->help)
		code = help();
	else
		code = run(up);
	up_processes_release(up);
	free(up->nats_url);
	free(up->redis_url);
	free(up->redis_socket_url);
	free(up->database_url);
	free(up->dir);
	free(up->programs);
	if (up->lock_fd >= 0)
		close(up->lock_fd);
	free(up);
	return code;
}
