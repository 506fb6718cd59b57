/* What the files of this folder share. */
#ifndef CORDER_SERVICE_SERVICE_INSIDE_H
#define CORDER_SERVICE_SERVICE_INSIDE_H

#include "../base/id.h"
#include "metrics_text.h"
#include "service.h"

struct endpoint {
	struct service *service;
	const struct service_route *route;
	char name[64];     /* of the services protocol: "task-cancel" */
	char subject[256]; /* whole */
	uint64_t num_requests, num_errors;
	struct histogram durations;
	char last_error[352];
};

struct counter {
	char *name;
	uint64_t value;
	bool is_gauge;
};

struct service {
	const struct service_definition *definition;
	void *settings; /* starts with struct service_settings */
	const struct service_settings *common;
	char program[72]; /* "corder-ingest" */
	char id[ID_BYTES];
	struct loop *loop;
	struct bus *bus;
	struct kv **kvs; /* one a URL of redis_url */
	size_t kv_count;
	struct db *db;
	void *own;
	struct endpoint **endpoints;
	size_t endpoint_count;
	struct counter **counters;
	size_t counter_count;
	struct listener *listener;    /* NULL: off */
	size_t subject_prefix_length; /* of "corder.v1." */
	struct service_request *free_requests;
	size_t open_requests;
	int64_t started_at_us; /* wall */
	int signal_fd;
	bool stopping;
	struct loop_timer *stop_timer, *idle_timer;
};

/* service_settings.c */
enum status service_read_settings(struct service *service, struct error *err);
void service_print_settings(const struct service *service, struct text *out);
void service_print_help(const struct service *service, struct text *out);

/* service.c */
enum status service_open_servers(struct service *service, struct error *err);

/* service_listener.c: does nothing when CORDER_METRICS_PORT is 0 */
enum status service_listener_open(struct service *service, struct error *err);
void service_listener_close(struct service *service);

/* service_check.c */
int service_check(struct service *service);

/* service_protocol.c */
enum status service_protocol_open(struct service *service, struct error *err);
enum status service_health(struct service *service, struct text *members, struct error *reason);

#endif
