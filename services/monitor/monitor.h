/* What the parts of the monitor share: settings, its state, and the life of a question. A question is asked with a
 * message's body and answered with a reply's, by NATS and by HTTP alike; each on_<message>.c answers one kind. */
#ifndef CORDER_MONITOR_MONITOR_H
#define CORDER_MONITOR_MONITOR_H

#include "health.h"
#include "shared/service/service.h"
#include "shared/task/requests.h"
#include "window.h"

struct monitor_settings {
	struct service_settings common; /* first: see service.h */
	const char *http_address, *http_names, *http_token;
	int64_t http_port, http_max_connections, http_idle_timeout_s, http_max_streams;
	int64_t live_interval_ms, live_bytes_per_s;
	int64_t list_limit;
	int64_t database_connections, query_timeout_ms, max_questions, failures_look_back;
	int64_t age_weight;
	int64_t peers_interval_ms;
	int64_t health_ready_s, health_outbox_events, health_lag_events, health_away_s, health_instances,
		health_no_workers_s, health_overdue_s, health_stream_percent, health_redis_percent, health_poison_events,
		health_stuck_tasks, health_error_percent;
};

extern const struct setting monitor_setting_rows[];
extern const size_t monitor_setting_count;

struct monitor {
	struct service *service;
	const struct monitor_settings *settings;
	struct http *http;
	struct history *history;
	struct live *live;
	struct feed *feed;
	struct peers *peers;
	struct snapshot *snapshot;
	struct window *window;
	struct times *times;
	struct pulse *pulse;
	struct workers *workers;
	struct past *past;
	struct hub *hub;
	struct watch *watch;
	int64_t questions; /* under way */
	bool stopping;
	uint64_t *answered, *refused;
};

/* error NULL: json is the reply. Both are borrowed. Called exactly once for each question. */
typedef void answer_done(void *context, const struct error *error, struct slice json);

/* Who asks. */
struct asker {
	answer_done *done;
	void *context;
	size_t most_bytes; /* that a reply may have */
};

typedef void answer_verb(struct monitor *monitor, struct slice body, const struct asker *asker);

answer_verb on_get, on_list, on_status, on_timeline, on_executable, on_explain;
/* Over HTTP alone: */
answer_verb on_overview, on_queues, on_services, on_projects, on_series, on_batches;
answer_verb on_events, on_task_events, on_failures, on_poison, on_gantt;

/* What every verb keeps of a question under way. */
struct question {
	struct monitor *monitor;
	answer_done *done;
	void *context;
	struct json *json; /* owns the parsed request … */
	char *body;        /* … which borrows this copy */
	struct slice text;
	struct text out;   /* the reply in the making … */
	size_t most_bytes; /* … and how large it may get */
	void *own;         /* the verb's own; freed with the question */
};

/* Copies body; NULL when there are too many under way: then done has been called. */
struct question *question_open(struct monitor *monitor, struct slice body, size_t own_bytes, const struct asker *asker);
/* Both end the question and free it. */
void question_answer(struct question *question);                          /* with question->out */
void question_fail(struct question *question, const struct error *error); /* a code "" becomes `unavailable` */
/* A result of the database or Redis that is not OK, as an answer to the client. */
void question_fail_status(struct question *question, enum status status, const struct error *error);

/* Bytes that a reply over NATS may have. */
size_t reply_bytes(const struct monitor *monitor);
struct health_limits monitor_health_limits(const struct monitor *monitor);
size_t monitor_partitions(const struct monitor *monitor);
/* Behind the table tasks, for its rows of a project in the order of their numbers: all rows of a small project are read and
 * sorted; in a large one the newest are found by walking back, which in a small one would walk over everybody else's. */
const char *monitor_index_hint(const struct monitor *monitor, struct slice project, struct slice batch_id);
size_t monitor_partition_of(const struct monitor *monitor, struct slice project);

enum status monitor_start(struct service *service, struct error *err);
void monitor_stop(struct service *service);
bool monitor_idle(struct service *service);
void monitor_close(struct service *service);
enum status monitor_health(struct service *service, struct text *members, struct error *reason);

#endif
