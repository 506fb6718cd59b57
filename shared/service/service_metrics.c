/* What every process tells Prometheus of itself: health, connections, requests by endpoint with their durations, its
 * counters and gauges, and the standard figures of a process. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../base/version.h"
#include "metrics_text.h"
#include "service_inside.h"

static void add_service_label(const struct service *service, struct text *out) {
	metrics_label(out, "service", slice_of(service->definition->name));
}

static void add_health(struct service *service, struct text *out) {
	struct text members = { 0 };
	struct error reason = { 0 };
	bool ok = service_health(service, &members, &reason) == STATUS_OK;
	text_release(&members);
	metrics_head(out, "corder_build_info", "gauge", "1, with the version that runs.");
	text_add(out, "corder_build_info{");
	add_service_label(service, out);
	text_add(out, ",version=\"" CORDER_VERSION "\"} 1\n");
	metrics_head(out, "corder_healthy", "gauge", "1 when this process says that all is well.");
	text_add(out, "corder_healthy{");
	add_service_label(service, out);
	text_printf(out, "} %d\n", ok);
}

static void add_connection(const struct service *service, struct text *out, const char *server, bool connected) {
	text_add(out, "corder_connected{");
	add_service_label(service, out);
	text_printf(out, ",server=\"%s\"} %d\n", server, connected);
}

static void add_connections(const struct service *service, struct text *out) {
	bool redis = true;
	for (size_t i = 0; i < service->kv_count; i++)
		redis = redis && kv_connected(service->kvs[i]);
	metrics_head(out, "corder_connected", "gauge", "1 when this process is connected to the server.");
	add_connection(service, out, "nats", bus_connected(service->bus));
	if (service->kv_count > 0)
		add_connection(service, out, "redis", redis);
	if (service->db != NULL)
		add_connection(service, out, "mysql", db_connected(service->db));
}

static void add_endpoint_labels(const struct endpoint *endpoint, struct text *out) {
	add_service_label(endpoint->service, out);
	text_add_char(out, ',');
	metrics_label(out, "endpoint", slice_of(endpoint->name));
}

static void add_requests(const struct service *service, struct text *out) {
	metrics_head(out, "corder_requests_total", "counter", "Requests by endpoint.");
	for (size_t i = 0; i < service->endpoint_count; i++) {
		text_add(out, "corder_requests_total{");
		add_endpoint_labels(service->endpoints[i], out);
		text_printf(out, "} %llu\n", (unsigned long long)service->endpoints[i]->num_requests);
	}
	metrics_head(out, "corder_request_errors_total", "counter", "Requests answered with an error, by endpoint.");
	for (size_t i = 0; i < service->endpoint_count; i++) {
		text_add(out, "corder_request_errors_total{");
		add_endpoint_labels(service->endpoints[i], out);
		text_printf(out, "} %llu\n", (unsigned long long)service->endpoints[i]->num_errors);
	}
	metrics_head(out, "corder_request_duration_seconds", "histogram",
	             "From a request to its answer; for work this includes waiting for a task.");
	for (size_t i = 0; i < service->endpoint_count; i++) {
		struct text labels = { 0 };
		add_endpoint_labels(service->endpoints[i], &labels);
		histogram_add_series(out, "corder_request_duration_seconds", labels.bytes, &service->endpoints[i]->durations);
		text_release(&labels);
	}
	metrics_head(out, "corder_open_requests", "gauge", "Requests that are not answered yet.");
	text_add(out, "corder_open_requests{");
	add_service_label(service, out);
	text_printf(out, "} %zu\n", service->open_requests);
}

/* A counter "leases" of the dispatcher is corder_dispatcher_leases_total. "rejected_<code>" is one family with a label. */
static void add_counter(const struct service *service, struct text *out, const struct counter *counter) {
	char name[128], help[160];
	const char *type = counter->is_gauge ? "gauge" : "counter";
	snprintf(name, sizeof(name), "corder_%s_%s%s", service->definition->name, counter->name,
	         counter->is_gauge ? "" : "_total");
	snprintf(help, sizeof(help), "%s of this process: %s%s.", counter->is_gauge ? "A figure" : "A count", counter->name,
	         counter->is_gauge ? ", now" : ", since its start");
	for (char *c = help; *c; c++)
		*c = *c == '_' ? ' ' : *c;
	metrics_number(out, name, type, help, (double)counter->value);
}

static const char rejected[] = "rejected_";

static bool is_rejection(const struct counter *counter) {
	return strncmp(counter->name, rejected, sizeof(rejected) - 1) == 0;
}

static void add_rejections(const struct service *service, struct text *out) {
	bool first = true;
	for (size_t i = 0; i < service->counter_count; i++) {
		if (!is_rejection(service->counters[i]))
			continue;
		if (first)
			metrics_head(out, "corder_rejected_total", "counter", "What was refused, by the code of the error.");
		first = false;
		text_add(out, "corder_rejected_total{");
		add_service_label(service, out);
		text_add_char(out, ',');
		metrics_label(out, "code", slice_of(service->counters[i]->name + sizeof(rejected) - 1));
		text_printf(out, "} %llu\n", (unsigned long long)service->counters[i]->value);
	}
}

static int64_t resident_bytes(void) {
	FILE *file = fopen("/proc/self/statm", "re");
	long long pages = 0;
	if (file == NULL)
		return 0;
	if (fscanf(file, "%*d %lld", &pages) != 1)
		pages = 0;
	fclose(file);
	return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

static int64_t open_descriptors(void) {
	DIR *folder = opendir("/proc/self/fd");
	int64_t count = -3; /* itself, "." and ".." */
	if (folder == NULL)
		return 0;
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count;
}

/* The names that all client libraries of Prometheus use. */
static void add_process(const struct service *service, struct text *out) {
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	double cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	metrics_number(out, "process_cpu_seconds_total", "counter", "CPU time of this process.", cpu_s);
	metrics_number(out, "process_resident_memory_bytes", "gauge", "Memory that this process has resident.",
	               (double)resident_bytes());
	metrics_number(out, "process_open_fds", "gauge", "Open file descriptors.", (double)open_descriptors());
	metrics_number(out, "process_start_time_seconds", "gauge", "When this process started, in seconds since 1970.",
	               (double)service->started_at_us / 1e6);
}

void service_metrics_add(struct service *service, struct text *out) {
	add_health(service, out);
	add_connections(service, out);
	add_requests(service, out);
	for (size_t i = 0; i < service->counter_count; i++)
		if (!is_rejection(service->counters[i]))
			add_counter(service, out, service->counters[i]);
	add_rejections(service, out);
	metrics_head(out, "corder_messages_dropped_total", "counter", "Messages lost because this process was too slow.");
	text_add(out, "corder_messages_dropped_total{");
	add_service_label(service, out);
	text_printf(out, "} %zu\n", bus_dropped(service->bus));
	add_process(service, out);
}
