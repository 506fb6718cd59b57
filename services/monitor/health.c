/* The checks; see health.h. */
#include "health.h"

const char *const health_service_names[HEALTH_SERVICES] = { "ingest", "scheduler", "dispatcher", "persister" };

typedef enum health health_check(const struct health_facts *facts, const struct health_limits *limits,
                                 struct text *message);

static enum health judge_level(int64_t value, int64_t limit) {
	if (value < limit)
		return HEALTH_OK;
	return value / 10 < limit ? HEALTH_DEGRADED : HEALTH_CRITICAL;
}

static enum health check_connection(bool connected, const char *what, struct text *message) {
	text_printf(message, connected ? "%s answers" : "%s is not connected", what);
	return connected ? HEALTH_OK : HEALTH_CRITICAL;
}

static enum health check_bus(const struct health_facts *facts, const struct health_limits *limits,
                             struct text *message) {
	(void)limits;
	return check_connection(facts->bus_connected, "NATS", message);
}

static enum health check_redis(const struct health_facts *facts, const struct health_limits *limits,
                               struct text *message) {
	(void)limits;
	return check_connection(facts->redis_connected, "Redis", message);
}

static enum health check_database(const struct health_facts *facts, const struct health_limits *limits,
                                  struct text *message) {
	(void)limits;
	return check_connection(facts->database_connected, "MySQL", message);
}

static enum health check_services(const struct health_facts *facts, const struct health_limits *limits,
                                  struct text *message) {
	(void)limits;
	if (!facts->instances_known) {
		text_add(message, "the services were not asked yet");
		return HEALTH_OK;
	}
	enum health health = HEALTH_OK;
	for (size_t i = 0; i < HEALTH_SERVICES; i++) {
		const char *part = message->length > 0 ? "; " : "";
		if (facts->instances[i] == 0) {
			text_printf(message, "%sno %s answers", part, health_service_names[i]);
			health = HEALTH_CRITICAL;
		} else if (facts->unwell[i] > 0) {
			text_printf(message, "%s%lld of %lld %s say that they are not well", part, (long long)facts->unwell[i],
			            (long long)facts->instances[i], health_service_names[i]);
			health = health > HEALTH_DEGRADED ? health : HEALTH_DEGRADED;
		}
	}
	if (message->length == 0)
		text_add(message, "every service answers");
	return health;
}

static enum health check_ready_age(const struct health_facts *facts, const struct health_limits *limits,
                                   struct text *message) {
	if (facts->oldest_ready_s < 0) {
		text_add(message, "no task waits for a worker");
		return HEALTH_OK;
	}
	text_printf(message, "the longest waiting ready task waits for %lld s (limit %lld s)",
	            (long long)facts->oldest_ready_s, (long long)limits->ready_s);
	return facts->oldest_ready_s < limits->ready_s ? HEALTH_OK : HEALTH_DEGRADED;
}

static enum health check_sweep(const struct health_facts *facts, const struct health_limits *limits,
                               struct text *message) {
	(void)limits;
	if (facts->overdue <= 0) {
		text_add(message, "nothing is overdue");
		return HEALTH_OK;
	}
	text_printf(message,
	            "the time of %lld tasks (end of a lease, a backoff, a not_before) has passed, and no scheduler "
	            "has moved them",
	            (long long)facts->overdue);
	return HEALTH_DEGRADED;
}

static enum health check_outbox(const struct health_facts *facts, const struct health_limits *limits,
                                struct text *message) {
	if (facts->outbox_events < 0) {
		text_add(message, "not known");
		return HEALTH_OK;
	}
	text_printf(message, "%lld events wait to get into the log (limit %lld)", (long long)facts->outbox_events,
	            (long long)limits->outbox_events);
	return judge_level(facts->outbox_events, limits->outbox_events);
}

static enum health check_persister(const struct health_facts *facts, const struct health_limits *limits,
                                   struct text *message) {
	if (facts->persister_lag < 0) {
		text_add(message, "not known");
		return HEALTH_OK;
	}
	text_printf(message, "%lld events of the log are not yet in MySQL (limit %lld)", (long long)facts->persister_lag,
	            (long long)limits->persister_lag);
	return judge_level(facts->persister_lag, limits->persister_lag);
}

static enum health check_poison(const struct health_facts *facts, const struct health_limits *limits,
                                struct text *message) {
	(void)limits;
	if (facts->poison_events <= 0) {
		text_add(message, "no event was set aside");
		return HEALTH_OK;
	}
	text_printf(message, "%lld events could not be written and were set aside: look into the table poison_events",
	            (long long)facts->poison_events);
	return HEALTH_DEGRADED;
}

static enum health check_auditor(const struct health_facts *facts, const struct health_limits *limits,
                                 struct text *message) {
	(void)limits;
	if (facts->violations <= 0) {
		text_add(message, "no task is stuck");
		return HEALTH_OK;
	}
	text_printf(message, "the auditor found %lld tasks that nothing would move: look into the scheduler's log",
	            (long long)facts->violations);
	return HEALTH_CRITICAL;
}

static const struct {
	const char *name;
	health_check *check;
} checks[] = {
	{ "nats", check_bus },          { "redis", check_redis },         { "mysql", check_database },
	{ "services", check_services }, { "ready_age", check_ready_age }, { "overdue", check_sweep },
	{ "outbox", check_outbox },     { "persister", check_persister }, { "poison", check_poison },
	{ "auditor", check_auditor },
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

enum health health_judge(const struct health_facts *facts, const struct health_limits *limits) {
	enum health worst = HEALTH_OK;
	struct text message = { 0 };
	for (size_t i = 0; i < CHECK_COUNT; i++) {
		text_clear(&message);
		enum health health = checks[i].check(facts, limits, &message);
		worst = health > worst ? health : worst;
	}
	text_release(&message);
	return worst;
}

void health_add_json(struct text *out, const struct health_facts *facts, const struct health_limits *limits) {
	struct text message = { 0 };
	text_printf(out, "{\"status\":\"%s\",\"checks\":[", health_word(health_judge(facts, limits)));
	for (size_t i = 0; i < CHECK_COUNT; i++) {
		text_clear(&message);
		enum health health = checks[i].check(facts, limits, &message);
		text_printf(out, "%s{\"name\":\"%s\",\"status\":\"%s\",\"message\":", i > 0 ? "," : "", checks[i].name,
		            health_word(health));
		text_add_json(out, (struct slice){ message.bytes, message.length });
		text_add_char(out, '}');
	}
	text_add(out, "]}");
	text_release(&message);
}
