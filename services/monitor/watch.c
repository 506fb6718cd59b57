/* Rounds of questions to JetStream; see watch.h. */
#include "watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/bus/stream.h"
#include "shared/task/json.h"
#include "subjects/subjects.h"

enum { NATS, REDIS, MYSQL, SERVERS };
enum { TIMEOUT_MS = 2000 };

/* One question under way; outlives the watch. */
struct look {
	struct watch *watch; /* NULL once closed */
	struct look *next, *previous;
	char name[HEALTH_NAME_BYTES];
};

struct watch {
	struct monitor *monitor;
	struct loop_timer *timer;
	struct look *looks;
	int64_t since_mono_us[SERVERS]; /* 0: it is there */
	size_t waiting;                 /* answers of this round */
	int64_t percent, next_percent;  /* of the last round; of this one so far */
	char name[HEALTH_NAME_BYTES], next_name[HEALTH_NAME_BYTES];
};

static void on_round(void *context);

static bool is_connected(const struct monitor *monitor, size_t server) {
	bool redis = true;
	for (size_t i = 0; i < monitor_partitions(monitor); i++)
		redis = redis && kv_connected(service_kv(monitor->service, (int64_t)i));
	const bool connected[SERVERS] = { bus_connected(service_bus(monitor->service)), redis,
		                              db_connected(service_db(monitor->service)) };
	return connected[server];
}

static void look_at_servers(struct watch *watch) {
	for (size_t i = 0; i < SERVERS; i++) {
		if (is_connected(watch->monitor, i))
			watch->since_mono_us[i] = 0;
		else if (watch->since_mono_us[i] == 0)
			watch->since_mono_us[i] = clock_mono_us();
	}
}

static void note_fill(struct watch *watch, const char *name, int64_t used, int64_t limit) {
	if (limit <= 0 || used < 0)
		return;
	int64_t percent = (int64_t)(100.0 * (double)used / (double)limit);
	if (percent <= watch->next_percent)
		return;
	watch->next_percent = percent;
	snprintf(watch->next_name, sizeof(watch->next_name), "%s", name);
}

/* STREAM.INFO of a stream, INFO of the account. */
static void read_fill(struct watch *watch, const char *name, struct slice body) {
	struct json *json = json_read(body, NULL);
	struct json_value root = json_root(json);
	struct json_value config = json_member(root, "config"), state = json_member(root, "state");
	note_fill(watch, name, json_int(json_member(state, "bytes"), -1), json_int(json_member(config, "max_bytes"), 0));
	note_fill(watch, name, json_int(json_member(state, "messages"), -1), json_int(json_member(config, "max_msgs"), 0));
	note_fill(watch, "the store of JetStream", json_int(json_member(root, "storage"), -1),
	          json_int(json_member(json_member(root, "limits"), "max_storage"), 0));
	json_close(&json);
}

static void end_round(struct watch *watch) {
	watch->percent = watch->next_percent;
	memcpy(watch->name, watch->next_name, sizeof(watch->name));
	int64_t next_us = clock_mono_us() + watch->monitor->settings->peers_interval_ms * 1000;
	watch->timer = loop_timer_start(service_loop(watch->monitor->service), next_us, on_round, watch);
}

static void on_info(void *context, enum status status, const struct bus_message *message) {
	struct look *look = context;
	struct watch *watch = look->watch;
	if (watch != NULL) {
		if (look->next != NULL)
			look->next->previous = look->previous;
		if (look->previous != NULL)
			look->previous->next = look->next;
		else
			watch->looks = look->next;
		if (status == STATUS_OK)
			read_fill(watch, look->name, message->body);
		if (--watch->waiting == 0)
			end_round(watch);
	}
	free(look);
}

static void ask(struct watch *watch, const char *subject, const char *name) {
	struct look *look = memory_new(sizeof(*look));
	*look = (struct look){ .watch = watch, .next = watch->looks };
	snprintf(look->name, sizeof(look->name), "%s", name);
	if (watch->looks != NULL)
		watch->looks->previous = look;
	watch->looks = look;
	watch->waiting++;
	bus_request(service_bus(watch->monitor->service), subject, NULL, 0, SLICE(""), TIMEOUT_MS, on_info, look);
}

static void ask_stream(struct watch *watch, const char *stream, int partition) {
	char name[STREAM_NAME_BYTES], subject[STREAM_NAME_BYTES + 32];
	stream_name(name, watch->monitor->settings->common.prefix, stream, partition);
	snprintf(subject, sizeof(subject), "$JS.API.STREAM.INFO.%s", name);
	ask(watch, subject, name);
}

static void on_round(void *context) {
	struct watch *watch = context;
	watch->timer = NULL;
	look_at_servers(watch);
	watch->next_percent = -1;
	watch->next_name[0] = '\0';
	ask(watch, "$JS.API.INFO", "");
	ask_stream(watch, STREAM_ENQUEUE, -1);
	ask_stream(watch, STREAM_PARTS, -1);
	ask_stream(watch, STREAM_SLICES, -1);
	ask_stream(watch, STREAM_EVENTS, -1);
	for (size_t i = 0; i < monitor_partitions(watch->monitor); i++)
		ask_stream(watch, STREAM_LOG, (int)i);
}

struct watch *watch_open(struct monitor *monitor) {
	struct watch *watch = memory_new(sizeof(*watch));
	watch->monitor = monitor;
	watch->percent = -1;
	watch->timer = loop_timer_start(service_loop(monitor->service), clock_mono_us(), on_round, watch);
	return watch;
}

void watch_close(struct watch **watch) {
	if (*watch == NULL)
		return;
	loop_timer_stop(service_loop((*watch)->monitor->service), &(*watch)->timer);
	for (struct look *look = (*watch)->looks; look != NULL; look = look->next)
		look->watch = NULL;
	free(*watch);
	*watch = NULL;
}

void watch_facts(const struct watch *watch, struct health_facts *facts) {
	bool connected[SERVERS];
	int64_t away_s[SERVERS];
	for (size_t i = 0; i < SERVERS; i++) {
		int64_t since_us = watch->since_mono_us[i];
		connected[i] = is_connected(watch->monitor, i);
		away_s[i] = connected[i] || since_us == 0 ? 0 : (clock_mono_us() - since_us) / 1000000;
	}
	facts->bus_connected = connected[NATS];
	facts->redis_connected = connected[REDIS];
	facts->database_connected = connected[MYSQL];
	facts->bus_away_s = away_s[NATS];
	facts->redis_away_s = away_s[REDIS];
	facts->database_away_s = away_s[MYSQL];
	facts->stream_percent = watch->percent;
	snprintf(facts->stream_name, sizeof(facts->stream_name), "%s", watch->name);
}
