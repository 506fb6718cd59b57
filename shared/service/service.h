/* The life of a service process, the same for all five: arguments, settings, connections, the NATS services protocol
 * (ADR-32: PING, INFO, STATS as corder-<name>), health, metrics, signals, a graceful stop within a limit.
 * A service's main.c is a table of these and five calls. */
#ifndef CORDER_SERVICE_SERVICE_H
#define CORDER_SERVICE_SERVICE_H

#include "../base/loop.h"
#include "../base/settings.h"
#include "../bus/bus.h"
#include "../db/db.h"
#include "../kv/kv.h"

/* Settings every service has; a service's own struct starts with this one. */
struct service_settings {
	const char *nats_url, *redis_url, *database_url;
	const char *prefix;        /* CORDER_PREFIX */
	int64_t partitions;        /* CORDER_PARTITIONS */
	int64_t stop_timeout_ms;   /* CORDER_STOP_TIMEOUT_MS */
	int64_t busy_poll_us;      /* CORDER_BUSY_POLL_US */
	const char *log_level;     /* CORDER_LOG_LEVEL */
	int64_t max_request_bytes; /* CORDER_MAX_REQUEST_BYTES: a larger request gets too_large */
	const char *metrics_address;
	int64_t metrics_port; /* CORDER_METRICS_PORT; 0: no listener */
};

enum { SERVICE_NEEDS_REDIS = 1, SERVICE_NEEDS_DATABASE = 2 };

struct service; /* what a running service has in hand */

struct service_definition {
	const char *name;               /* "ingest" */
	const char *summary;            /* one sentence for --help and INFO */
	int needs;                      /* SERVICE_NEEDS_… beside NATS */
	const struct setting *settings; /* its own rows, beside the common ones */
	size_t setting_count;
	size_t settings_bytes; /* sizeof its settings struct, which starts with struct service_settings */
	enum status (*start)(struct service *service, struct error *err);
	void (*stop)(struct service *service); /* begin a graceful stop: take nothing new, finish what is under way */
	bool (*idle)(struct service *service); /* true when nothing is under way: the process may go */
	void (*close)(struct service *service);
	/* Appends members `,"name":value` to the STATS data and decides health: STATUS_OK, or STATUS_RETRY with the reason. */
	enum status (*health)(struct service *service, struct text *members, struct error *reason);
};

/* Runs the program: --help, --version, --check (settings and servers, then exit 0 or 1), --print-config, or the service.
 * Exit codes: 0 stopped as asked, 64 bad usage, 69 a server is not there (--check), 78 bad settings. */
int service_main(int argc, char **argv, const struct service_definition *definition);

struct loop *service_loop(struct service *service);
struct bus *service_bus(struct service *service);
struct kv *service_kv(struct service *service, int64_t partition);
struct db *service_db(struct service *service);
const void *service_settings(struct service *service);
const char *service_id(struct service *service);              /* unique a process; a token */
void service_context(struct service *service, void *context); /* the service's own state … */
void *service_own(struct service *service);                   /* … and back */

/* A public or internal request: subject relative to the prefix ("submit", "work.*"). Each request is counted in STATS as
 * an endpoint; the handler must answer it with service_reply or service_fail exactly once (now or later). */
struct service_request;
typedef void service_handler(struct service *service, struct service_request *request);
struct service_route {
	const char *subject;
	const char *queue; /* NULL: every instance gets it */
	service_handler *handler;
	const char *what; /* one sentence, shown in INFO */
};
enum status service_serve(struct service *service, const struct service_route *routes, size_t count, struct error *err);

struct slice service_body(const struct service_request *request);       /* valid until answered */
const char *service_subject(const struct service_request *request);     /* relative to the prefix */
struct slice service_last_token(const struct service_request *request); /* of the subject */
const char *service_traceparent(const struct service_request *request); /* header, "" when absent or malformed */
/* Both end the request (and free it). A request without a reply subject is just ended. */
void service_reply(struct service_request *request, struct slice body);
/* {"ok":false,"error":{"code","message"[,"path"][,<extra>]}} and the Nats-Service-Error headers. extra: JSON members
 * without a leading comma, e.g. "\"tasks\":[…]", or "". */
void service_fail(struct service_request *request, const struct error *error, const char *extra);
/* Ends it without a reply: for messages that are none of ours to answer. */
void service_drop(struct service_request *request);

/* A full subject from one relative to the prefix, in one of four rotating static buffers. */
const char *service_full_subject(struct service *service, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A named counter, shown in STATS data and at /metrics. Borrowed for ever. */
uint64_t *service_counter(struct service *service, const char *name);
/* The same for a figure that may fall. */
uint64_t *service_gauge(struct service *service, const char *name);
/* Appends what Prometheus reads of this process. */
void service_metrics_add(struct service *service, struct text *out);

#endif
