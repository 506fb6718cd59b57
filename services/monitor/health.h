/* Is the queue well? A table of checks over what the monitor has seen; the worst one is the answer. Pure. */
#ifndef CORDER_MONITOR_HEALTH_H
#define CORDER_MONITOR_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/text.h"

enum health { HEALTH_OK, HEALTH_DEGRADED, HEALTH_CRITICAL };

enum health_service { HEALTH_INGEST, HEALTH_SCHEDULER, HEALTH_DISPATCHER, HEALTH_PERSISTER, HEALTH_SERVICES };
extern const char *const health_service_names[HEALTH_SERVICES];

#define HEALTH_NAME_BYTES 80

/* What was seen; -1 where it is not known (yet), which is no fault of its own. */
struct health_facts {
	bool bus_connected, redis_connected, database_connected;
	int64_t bus_away_s, redis_away_s, database_away_s; /* since when not */
	bool instances_known;
	int64_t instances[HEALTH_SERVICES];
	int64_t unwell[HEALTH_SERVICES]; /* instances that call themselves not healthy */
	int64_t oldest_ready_s;          /* age of the longest waiting ready task that no pause holds */
	int64_t no_workers_s;            /* the same, of a type that no worker asks for and none holds a task of */
	char no_workers_type[HEALTH_NAME_BYTES];
	int64_t overdue;        /* tasks whose time (lease, backoff, not_before) passed over a second ago */
	int64_t overdue_s;      /* by how much the most overdue is late */
	int64_t outbox_events;  /* in Redis and not yet in the log */
	int64_t persister_lag;  /* events in the log and not yet in the database */
	int64_t stream_percent; /* of its limit, the fullest stream that has one, or JetStream's store */
	char stream_name[HEALTH_NAME_BYTES];
	int64_t redis_percent;       /* of maxmemory, or else of the machine's memory; the fullest Redis */
	int64_t poison_events;       /* events that the persister set aside */
	int64_t violations;          /* of law 7: tasks that nothing would ever move */
	int64_t tries, failed_tries; /* that ended lately, see HEALTH_WINDOW_S */
};

#define HEALTH_WINDOW_S 300
#define HEALTH_TRIES_MIN 10 /* fewer say nothing */

/* From where on a check fails; see the settings CORDER_HEALTH_…. */
struct health_limits {
	int64_t away_s, instances, ready_s, no_workers_s, overdue_s, outbox_events, persister_lag, stream_percent,
		redis_percent, poison_events, stuck_tasks, error_percent;
};

enum health health_judge(const struct health_facts *facts, const struct health_limits *limits);
/* Appends {"status":…,"checks":[…]}, one entry a check, also for those that are fine. */
void health_add_json(struct text *out, const struct health_facts *facts, const struct health_limits *limits);
/* Calls each for every check with what it finds. */
void health_each(const struct health_facts *facts, const struct health_limits *limits,
                 void (*each)(void *context, const char *name, enum health health), void *context);
const char *health_word(enum health health);

#endif
