/* The checks; see health.h. */
#include "health.h"

#include "view.h"

const char *const health_service_names[HEALTH_SERVICES] = { "ingest", "scheduler", "dispatcher", "persister" };

/* What a check finds. */
struct finding {
	enum health health;
	int64_t value, limit; /* value -1: not known */
	struct text message;
};

typedef void health_check(const struct health_facts *facts, const struct health_limits *limits,
                          struct finding *finding);

/* Ten times the limit needs a person. */
static enum health judge_level(int64_t value, int64_t limit) {
	if (value < limit)
		return HEALTH_OK;
	return value / 10 < limit ? HEALTH_DEGRADED : HEALTH_CRITICAL;
}

/* Half way from the limit to full needs a person. */
static enum health judge_fill(int64_t percent, int64_t limit) {
	if (percent < limit)
		return HEALTH_OK;
	return percent < (limit + 100) / 2 ? HEALTH_DEGRADED : HEALTH_CRITICAL;
}

/* "for 1m 05s (limit 15m 00s)" */
static void add_length(struct finding *finding) {
	text_add(&finding->message, " for ");
	view_add_length(&finding->message, finding->value * 1000000);
	text_add(&finding->message, " (limit ");
	view_add_length(&finding->message, finding->limit * 1000000);
	text_add_char(&finding->message, ')');
}

static void check_connection(bool connected, int64_t away_s, const char *what, const struct health_limits *limits,
                             struct finding *finding) {
	finding->value = connected ? 0 : (away_s > 0 ? away_s : 0);
	finding->limit = limits->away_s;
	if (connected) {
		text_printf(&finding->message, "%s answers", what);
		return;
	}
	finding->health = finding->value >= limits->away_s ? HEALTH_CRITICAL : HEALTH_DEGRADED;
	text_printf(&finding->message, "%s is not connected, for ", what);
	view_add_length(&finding->message, finding->value * 1000000);
}

static void check_bus(const struct health_facts *facts, const struct health_limits *limits, struct finding *finding) {
	check_connection(facts->bus_connected, facts->bus_away_s, "NATS", limits, finding);
}

static void check_redis(const struct health_facts *facts, const struct health_limits *limits, struct finding *finding) {
	check_connection(facts->redis_connected, facts->redis_away_s, "Redis", limits, finding);
}

static void check_database(const struct health_facts *facts, const struct health_limits *limits,
                           struct finding *finding) {
	check_connection(facts->database_connected, facts->database_away_s, "MySQL", limits, finding);
}

static void judge_service(const struct health_facts *facts, const struct health_limits *limits, size_t i,
                          struct finding *finding) {
	const char *part = finding->message.length > 0 ? "; " : "", *name = health_service_names[i];
	enum health health = HEALTH_DEGRADED;
	if (facts->instances[i] == 0)
		text_printf(&finding->message, "%sno %s answers", part, name), health = HEALTH_CRITICAL;
	else if (facts->unwell[i] > 0)
		text_printf(&finding->message, "%s%s: %lld of %lld not well", part, name, (long long)facts->unwell[i],
		            (long long)facts->instances[i]);
	else if (facts->instances[i] < limits->instances)
		text_printf(&finding->message, "%s%lld %s where %lld are wanted", part, (long long)facts->instances[i], name,
		            (long long)limits->instances);
	else
		health = HEALTH_OK;
	finding->health = health > finding->health ? health : finding->health;
}

static void check_services(const struct health_facts *facts, const struct health_limits *limits,
                           struct finding *finding) {
	finding->limit = limits->instances;
	finding->value = -1;
	if (!facts->instances_known) {
		text_add(&finding->message, "the services were not asked yet");
		return;
	}
	for (size_t i = 0; i < HEALTH_SERVICES; i++) {
		bool fewest = finding->value < 0 || facts->instances[i] < finding->value;
		finding->value = fewest ? facts->instances[i] : finding->value;
		judge_service(facts, limits, i, finding);
	}
	if (finding->message.length == 0)
		text_add(&finding->message, "every service answers");
}

static void check_ready_age(const struct health_facts *facts, const struct health_limits *limits,
                            struct finding *finding) {
	finding->value = facts->oldest_ready_s;
	finding->limit = limits->ready_s;
	if (finding->value < 0) {
		text_add(&finding->message, "no task waits for a worker");
		return;
	}
	text_add(&finding->message, "the longest waiting ready task waits");
	add_length(finding);
	finding->health = finding->value < finding->limit ? HEALTH_OK : HEALTH_DEGRADED;
}

static void check_no_workers(const struct health_facts *facts, const struct health_limits *limits,
                             struct finding *finding) {
	finding->value = facts->no_workers_s;
	finding->limit = limits->no_workers_s;
	if (finding->value < 0) {
		text_add(&finding->message, "every type with ready tasks has workers");
		return;
	}
	text_printf(&finding->message, "no worker asks for tasks of type %s, which wait", facts->no_workers_type);
	add_length(finding);
	finding->health = finding->value < finding->limit ? HEALTH_OK : HEALTH_DEGRADED;
}

static void check_sweep(const struct health_facts *facts, const struct health_limits *limits, struct finding *finding) {
	finding->value = facts->overdue_s;
	finding->limit = limits->overdue_s;
	if (facts->overdue <= 0) {
		text_add(&finding->message, "nothing is overdue");
		return;
	}
	text_printf(&finding->message,
	            "no scheduler has moved %lld tasks whose time (end of a lease, a backoff, a not_before) has passed",
	            (long long)facts->overdue);
	add_length(finding);
	finding->health = judge_level(facts->overdue_s, limits->overdue_s);
}

static void check_events(int64_t value, int64_t limit, const char *format, struct finding *finding) {
	finding->value = value;
	finding->limit = limit;
	if (value < 0) {
		text_add(&finding->message, "not known");
		return;
	}
	text_printf(&finding->message, "%lld events %s (limit %lld)", (long long)value, format, (long long)limit);
	finding->health = judge_level(value, limit);
}

static void check_outbox(const struct health_facts *facts, const struct health_limits *limits,
                         struct finding *finding) {
	check_events(facts->outbox_events, limits->outbox_events, "wait to get into the log", finding);
}

static void check_persister(const struct health_facts *facts, const struct health_limits *limits,
                            struct finding *finding) {
	check_events(facts->persister_lag, limits->persister_lag, "of the log are not yet in MySQL", finding);
}

static void check_fill(int64_t percent, int64_t limit, const char *what, const char *unknown, struct finding *finding) {
	finding->value = percent;
	finding->limit = limit;
	if (percent < 0) {
		text_add(&finding->message, unknown);
		return;
	}
	text_printf(&finding->message, "%s is %lld %% full (limit %lld %%)", what, (long long)percent, (long long)limit);
	finding->health = judge_fill(percent, limit);
}

static void check_streams(const struct health_facts *facts, const struct health_limits *limits,
                          struct finding *finding) {
	check_fill(facts->stream_percent, limits->stream_percent, facts->stream_name, "no stream has a limit", finding);
}

static void check_memory(const struct health_facts *facts, const struct health_limits *limits,
                         struct finding *finding) {
	check_fill(facts->redis_percent, limits->redis_percent, "the memory of Redis", "not known", finding);
}

static void check_poison(const struct health_facts *facts, const struct health_limits *limits,
                         struct finding *finding) {
	finding->value = facts->poison_events;
	finding->limit = limits->poison_events;
	if (facts->poison_events <= 0)
		text_add(&finding->message, "no event was set aside");
	else
		text_printf(&finding->message, "%lld events could not be written and were set aside",
		            (long long)facts->poison_events);
	finding->health = facts->poison_events < limits->poison_events ? HEALTH_OK : HEALTH_DEGRADED;
}

static void check_auditor(const struct health_facts *facts, const struct health_limits *limits,
                          struct finding *finding) {
	finding->value = facts->violations;
	finding->limit = limits->stuck_tasks;
	if (facts->violations <= 0)
		text_add(&finding->message, "no task is stuck");
	else
		text_printf(&finding->message, "the auditor found %lld tasks that nothing would move",
		            (long long)facts->violations);
	finding->health = facts->violations < limits->stuck_tasks ? HEALTH_OK : HEALTH_CRITICAL;
}

static void check_errors(const struct health_facts *facts, const struct health_limits *limits,
                         struct finding *finding) {
	finding->limit = limits->error_percent;
	if (facts->tries < HEALTH_TRIES_MIN) {
		finding->value = -1;
		text_printf(&finding->message, "%lld tries ended in the last %d s: too few to tell", (long long)facts->tries,
		            HEALTH_WINDOW_S);
		return;
	}
	finding->value = 100 * facts->failed_tries / facts->tries;
	text_printf(&finding->message, "%lld of the %lld tries that ended in the last %d s failed: %lld %% (limit %lld %%)",
	            (long long)facts->failed_tries, (long long)facts->tries, HEALTH_WINDOW_S, (long long)finding->value,
	            (long long)finding->limit);
	finding->health = finding->value < finding->limit ? HEALTH_OK : HEALTH_DEGRADED;
}

static const struct {
	const char *name, *setting, *unit;
	health_check *check;
	const char *advice;
} checks[] = {
	{ "nats", "CORDER_HEALTH_AWAY_S", "s", check_bus, "See whether nats-server runs: corder-monitor --check" },
	{ "redis", "CORDER_HEALTH_AWAY_S", "s", check_redis, "See whether Redis runs: corder-monitor --check" },
	{ "mysql", "CORDER_HEALTH_AWAY_S", "s", check_database,
	  "See whether MySQL runs: corder-monitor --check. Work goes on; what happens meanwhile waits in the log." },
	{ "services", "CORDER_HEALTH_INSTANCES", "instances", check_services,
	  "Start what is missing; `corder services` has the reason of one that is not well, its log more." },
	{ "ready_age", "CORDER_HEALTH_READY_S", "s", check_ready_age,
	  "Start more workers of the types that wait, or ask corder explain about the oldest task." },
	{ "no_workers", "CORDER_HEALTH_NO_WORKERS_S", "s", check_no_workers,
	  "Start a worker for that type, or mend the type's name where it is submitted." },
	{ "overdue", "CORDER_HEALTH_OVERDUE_S", "s", check_sweep,
	  "See whether a scheduler runs, and is not rebuilding Redis; look at its log." },
	{ "outbox", "CORDER_HEALTH_OUTBOX_EVENTS", "events", check_outbox,
	  "See whether JetStream can write: its disk, the limits of the account, the scheduler's log." },
	{ "persister", "CORDER_HEALTH_LAG_EVENTS", "events", check_persister,
	  "See whether MySQL is slow or read-only, and whether a persister runs; look at its log." },
	{ "streams", "CORDER_HEALTH_STREAM_PERCENT", "%", check_streams,
	  "Raise the stream's limit or the store's, or find out why nobody takes its messages." },
	{ "redis_memory", "CORDER_HEALTH_REDIS_PERCENT", "%", check_memory,
	  "Give Redis more memory, or submit less at once: at its limit all changes are refused." },
	{ "poison", "CORDER_HEALTH_POISON_EVENTS", "events", check_poison,
	  "'corder poison' has the reasons; mend the cause, then 'corder poison --replay --all'." },
	{ "auditor", "CORDER_HEALTH_STUCK_TASKS", "tasks", check_auditor,
	  "A bug: keep the scheduler's log, restart a scheduler, report it." },
	{ "error_rate", "CORDER_HEALTH_ERROR_PERCENT", "%", check_errors,
	  "See what the failures say (the page Failures), and pause a type that fails for a reason of its own." },
};

enum { CHECK_COUNT = sizeof(checks) / sizeof(*checks) };

const char *health_word(enum health health) {
	switch (health) {
	case HEALTH_OK: return "ok";
	case HEALTH_DEGRADED: return "degraded";
	case HEALTH_CRITICAL: break;
	}
	return "critical";
}

void health_each(const struct health_facts *facts, const struct health_limits *limits,
                 void (*each)(void *context, const char *name, enum health health), void *context) {
	for (size_t i = 0; i < CHECK_COUNT; i++) {
		struct finding finding = { 0 };
		checks[i].check(facts, limits, &finding);
		each(context, checks[i].name, finding.health);
		text_release(&finding.message);
	}
}

static void keep_worst(void *context, const char *name, enum health health) {
	enum health *worst = context;
	(void)name;
	*worst = health > *worst ? health : *worst;
}

enum health health_judge(const struct health_facts *facts, const struct health_limits *limits) {
	enum health worst = HEALTH_OK;
	health_each(facts, limits, keep_worst, &worst);
	return worst;
}

static void add_check(struct text *out, size_t i, const struct finding *finding) {
	text_printf(out, "{\"name\":\"%s\",\"status\":\"%s\",\"message\":", checks[i].name, health_word(finding->health));
	text_add_json(out, (struct slice){ finding->message.bytes, finding->message.length });
	if (finding->value >= 0)
		text_printf(out, ",\"value\":%lld", (long long)finding->value);
	else
		text_add(out, ",\"value\":null");
	text_printf(out, ",\"limit\":%lld,\"unit\":\"%s\",\"setting\":\"%s\",\"advice\":", (long long)finding->limit,
	            checks[i].unit, checks[i].setting);
	text_add_json(out, slice_of(checks[i].advice));
	text_add_char(out, '}');
}

void health_add_json(struct text *out, const struct health_facts *facts, const struct health_limits *limits) {
	text_printf(out, "{\"status\":\"%s\",\"checks\":[", health_word(health_judge(facts, limits)));
	for (size_t i = 0; i < CHECK_COUNT; i++) {
		struct finding finding = { 0 };
		checks[i].check(facts, limits, &finding);
		text_add(out, i > 0 ? "," : "");
		add_check(out, i, &finding);
		text_release(&finding.message);
	}
	text_add(out, "]}");
}
