/* The settings of the monitor, a row each. */
#include "monitor.h"
#include "subjects/subjects.h"

#define FIELD(name) offsetof(struct monitor_settings, name)

const struct setting monitor_setting_rows[] = {
	{ "CORDER_HTTP_ADDRESS", SETTING_TEXT, FIELD(http_address), "127.0.0.1", 0, 0, "",
	  "The address on which HTTP is answered; reading needs no password, so think before you open it." },
	{ "CORDER_HTTP_NAMES", SETTING_TEXT, FIELD(http_names), "", 0, 0, "",
	  "Names, with commas, by which HTTP may be asked, beside localhost and any address; `*`: any. Empty: any, too, "
	  "unless CORDER_HTTP_ADDRESS is a loopback one." },
	{ "CORDER_HTTP_TOKEN", SETTING_SECRET, FIELD(http_token), "", 16, 0, "characters",
	  "Who brings this token, of 16 characters at least, over HTTP may cancel, retry, approve, reject, update, pause "
	  "and resume; empty: nobody may." },
	{ "CORDER_HTTP_PORT", SETTING_INT, FIELD(http_port), "8080", 0, 65535, "",
	  "The port of HTTP; 0 takes any that is free and logs it." },
	{ "CORDER_HTTP_MAX_CONNECTIONS", SETTING_INT, FIELD(http_max_connections), "1000", 1, 100000, "connections",
	  "So many HTTP connections at once; more wait to be accepted." },
	{ "CORDER_HTTP_IDLE_TIMEOUT_S", SETTING_INT, FIELD(http_idle_timeout_s), "60", 1, 3600, "s",
	  "An HTTP connection on which nothing happens for so long is closed." },
	{ "CORDER_HTTP_MAX_STREAMS", SETTING_INT, FIELD(http_max_streams), "800", 1, 100000, "connections",
	  "So many open dashboards (streams of /api/v1/live) at once; more are told to come back later." },
	{ "CORDER_LIVE_INTERVAL_MS", SETTING_INT, FIELD(live_interval_ms), "400", 50, 60000, "ms",
	  "An open dashboard is told of changes no more often than this." },
	{ "CORDER_LIVE_BYTES_PER_S", SETTING_INT, FIELD(live_bytes_per_s), "4000000", 1000, 10000000000, "bytes",
	  "All open dashboards together are told of queues, and of services, with about so many bytes a second: with many "
	  "types and many dashboards less often than every two seconds." },
	{ "CORDER_LIST_LIMIT", SETTING_INT, FIELD(list_limit), "1000", 1, LIMIT_LIST, "tasks",
	  "A page of task.list is never longer." },
	{ "CORDER_MONITOR_CONNECTIONS", SETTING_INT, FIELD(database_connections), "3", 1, 16, "connections",
	  "Connections to MySQL, so that a slow list holds up nobody else." },
	{ "CORDER_QUERY_TIMEOUT_MS", SETTING_INT, FIELD(query_timeout_ms), "5000", 50, 600000, "ms",
	  "A question to MySQL that takes longer is given up, and answered `unavailable`." },
	{ "CORDER_MONITOR_MAX_QUESTIONS", SETTING_INT, FIELD(max_questions), "1000", 1, 100000, "requests",
	  "So many questions may be under way at once; more are answered `unavailable`." },
	{ "CORDER_FAILURES_LOOK_BACK", SETTING_INT, FIELD(failures_look_back), "300000", 1, 100000000, "tasks",
	  "Failures over all projects: so many tasks of projects with failed ones, the smallest first, and so many newest "
	  "events of each partition are looked through." },
	{ "CORDER_AGE_WEIGHT", SETTING_INT, FIELD(age_weight), "1", 1, 1000, "points",
	  "What an hour of waiting adds to a task's score; the same for all services." },
	{ "CORDER_PEERS_INTERVAL_MS", SETTING_INT, FIELD(peers_interval_ms), "2000", 100, 60000, "ms",
	  "So often the other services are asked how they are." },
	{ "CORDER_HEALTH_READY_S", SETTING_INT, FIELD(health_ready_s), "900", 1, 31536000, "s",
	  "queue_health is degraded when a ready task waits longer for a worker." },
	{ "CORDER_HEALTH_OUTBOX_EVENTS", SETTING_INT, FIELD(health_outbox_events), "10000", 1, 1000000000, "events",
	  "queue_health is degraded when more events are in Redis and not yet in the log; critical at ten times that." },
	{ "CORDER_HEALTH_LAG_EVENTS", SETTING_INT, FIELD(health_lag_events), "100000", 1, 1000000000, "events",
	  "queue_health is degraded when more events are in the log and not yet in MySQL; critical at ten times that." },
	{ "CORDER_HEALTH_AWAY_S", SETTING_INT, FIELD(health_away_s), "0", 0, 86400, "s",
	  "queue_health is critical when NATS, Redis or MySQL is away for so long, and degraded before." },
	{ "CORDER_HEALTH_INSTANCES", SETTING_INT, FIELD(health_instances), "1", 1, 10000, "instances",
	  "queue_health is degraded when fewer instances of a service answer, and critical when none does." },
	{ "CORDER_HEALTH_NO_WORKERS_S", SETTING_INT, FIELD(health_no_workers_s), "60", 1, 31536000, "s",
	  "queue_health is degraded when a ready task waits so long, and no worker asks for its type or holds one of it." },
	{ "CORDER_HEALTH_OVERDUE_S", SETTING_INT, FIELD(health_overdue_s), "2", 1, 86400, "s",
	  "queue_health is degraded when the end of a lease, a backoff or a not_before is so long past; critical at ten "
	  "times that." },
	{ "CORDER_HEALTH_STREAM_PERCENT", SETTING_INT, FIELD(health_stream_percent), "80", 1, 100, "percent",
	  "queue_health is degraded when a stream is fuller than this; critical half way from here to 100." },
	{ "CORDER_HEALTH_REDIS_PERCENT", SETTING_INT, FIELD(health_redis_percent), "80", 1, 100, "percent",
	  "queue_health is degraded when Redis uses more of its memory; critical half way from here to 100." },
	{ "CORDER_HEALTH_POISON_EVENTS", SETTING_INT, FIELD(health_poison_events), "1", 1, 1000000000, "events",
	  "queue_health is degraded when so many events were set aside." },
	{ "CORDER_HEALTH_STUCK_TASKS", SETTING_INT, FIELD(health_stuck_tasks), "1", 1, 1000000000, "tasks",
	  "queue_health is critical when the auditor finds so many tasks that nothing would move." },
	{ "CORDER_HEALTH_ERROR_PERCENT", SETTING_INT, FIELD(health_error_percent), "50", 1, 100, "percent",
	  "queue_health is degraded when so many of the tries that ended in the last five minutes failed (of ten at "
	  "least)." },
};
const size_t monitor_setting_count = sizeof(monitor_setting_rows) / sizeof(*monitor_setting_rows);
