/* Asks by STATS and keeps the latest answer of each process; see peers.h. */
#include "peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/id.h"
#include "shared/base/memory.h"
#include "shared/base/table.h"
#include "workers.h"

enum { ROUNDS_KEPT = 3, ROUNDS_KNOWN = 2, PEERS_MAX = 1000 };

static const char *const programs[] = { "corder-ingest", "corder-scheduler", "corder-dispatcher", "corder-persister",
	                                    "corder-monitor" };
enum { PROGRAM_COUNT = sizeof(programs) / sizeof(*programs) };

struct peer {
	char *text;        /* its answer … */
	struct json *json; /* … parsed, borrowing it */
	size_t program;
	int64_t seen_round;
};

struct peers {
	struct monitor *monitor;
	struct table *by_id;
	int64_t round;
	struct loop_timer *timer;
	char inbox[BUS_INBOX_BYTES + ID_BYTES + 32];
};

static void free_peer(struct peer *peer) {
	json_close(&peer->json);
	free(peer->text);
	free(peer);
}

static struct json_value data_of(const struct peer *peer) {
	return json_member(json_root(peer->json), "data");
}

static bool find_program(struct slice name, size_t *program) {
	for (*program = 0; *program < PROGRAM_COUNT; (*program)++)
		if (slice_is(name, programs[*program]))
			return true;
	return false;
}

static void on_stats(void *context, const struct bus_message *message) {
	struct peers *peers = context;
	struct peer *peer = memory_new(sizeof(*peer));
	peer->text = slice_copy(message->body);
	peer->json = json_read((struct slice){ peer->text, message->body.length }, NULL);
	peer->seen_round = peers->round;
	struct json_value root = json_root(peer->json);
	struct slice id = json_text(json_member(root, "id"));
	struct slice prefix = json_text(json_member(json_member(root, "metadata"), "prefix"));
	bool ours = slice_is(prefix, peers->monitor->settings->common.prefix) && id.length > 0 &&
	            find_program(json_text(json_member(root, "name")), &peer->program);
	if (!ours || (table_count(peers->by_id) >= PEERS_MAX && table_get(peers->by_id, id) == NULL)) {
		free_peer(peer);
		return;
	}
	if (json_present(json_member(data_of(peer), "waiting_types")))
		workers_mark(peers->monitor->workers);
	struct peer *old = table_put(peers->by_id, id, peer);
	if (old != NULL)
		free_peer(old);
}

static void forget_the_silent(struct peers *peers) {
	size_t at = 0;
	struct slice id;
	void *value;
	while (table_next(peers->by_id, &at, &id, &value)) {
		struct peer *peer = value;
		if (peer->seen_round + ROUNDS_KEPT > peers->round)
			continue;
		table_remove(peers->by_id, id);
		free_peer(peer);
	}
}

/* A round that could not be sent does not age anybody. */
static bool ask(struct peers *peers) {
	struct bus *bus = service_bus(peers->monitor->service);
	bool sent = bus_connected(bus);
	for (size_t i = 0; sent && i < PROGRAM_COUNT; i++) {
		char subject[64];
		snprintf(subject, sizeof(subject), "$SRV.STATS.%s", programs[i]);
		sent = bus_publish_with(bus, subject, peers->inbox, NULL, 0, (struct slice){ "", 0 }) == STATUS_OK;
	}
	return sent;
}

static void on_round(void *context) {
	struct peers *peers = context;
	struct monitor *monitor = peers->monitor;
	forget_the_silent(peers);
	if (ask(peers))
		peers->round++;
	int64_t next_us = clock_mono_us() + monitor->settings->peers_interval_ms * 1000;
	peers->timer = loop_timer_start(service_loop(monitor->service), next_us, on_round, peers);
}

enum status peers_open(struct monitor *monitor, struct peers **out, struct error *err) {
	struct peers *peers = memory_new(sizeof(*peers));
	peers->monitor = monitor;
	peers->by_id = table_open();
	snprintf(peers->inbox, sizeof(peers->inbox), "%s%s.stats", bus_inbox(service_bus(monitor->service)),
	         service_id(monitor->service));
	*out = peers;
	enum status status = bus_subscribe(service_bus(monitor->service), peers->inbox, NULL, on_stats, peers, err);
	if (status == STATUS_OK)
		peers->timer = loop_timer_start(service_loop(monitor->service), clock_mono_us(), on_round, peers);
	return status;
}

void peers_close(struct peers **peers) {
	if (*peers == NULL)
		return;
	size_t at = 0;
	struct slice id;
	void *value;
	loop_timer_stop(service_loop((*peers)->monitor->service), &(*peers)->timer);
	while (table_next((*peers)->by_id, &at, &id, &value))
		free_peer(value);
	table_close(&(*peers)->by_id);
	free(*peers);
	*peers = NULL;
}

static bool is_well(const struct peer *peer) {
	return json_bool(json_member(json_member(data_of(peer), "health"), "ok"), false);
}

void peers_facts(const struct peers *peers, struct health_facts *facts) {
	size_t at = 0;
	struct slice id;
	void *value;
	facts->instances_known = peers->round > ROUNDS_KNOWN;
	facts->violations = 0;
	while (table_next(peers->by_id, &at, &id, &value)) {
		const struct peer *peer = value;
		int64_t violations = json_int(json_member(json_member(data_of(peer), "counters"), "audit_violations"), 0);
		facts->violations = violations > facts->violations ? violations : facts->violations; /* all look at the same */
		if (peer->program >= HEALTH_SERVICES)                                                /* a monitor */
			continue;
		facts->instances[peer->program]++;
		facts->unwell[peer->program] += !is_well(peer);
	}
}

bool peers_workers(const struct peers *peers, struct slice task_type, int64_t *workers) {
	size_t at = 0;
	struct slice id;
	void *value;
	bool known = false;
	char *name = slice_copy(task_type);
	*workers = 0;
	while (table_next(peers->by_id, &at, &id, &value)) {
		struct json_value waiting = json_member(data_of(value), "waiting_types");
		known = known || json_present(waiting);
		*workers += json_int(json_member(waiting, name), 0);
	}
	free(name);
	return known;
}

static void add_service(struct text *out, const struct peer *peer, struct slice id) {
	struct json_value root = json_root(peer->json), health = json_member(data_of(peer), "health");
	struct slice reason = json_text(json_member(health, "reason"));
	text_printf(out, "{\"service\":\"%s\",\"id\":", programs[peer->program] + strlen("corder-"));
	text_add_json(out, id);
	text_add(out, ",\"version\":");
	text_add_json(out, json_text(json_member(root, "version")));
	text_printf(out, ",\"ok\":%s,\"reason\":", is_well(peer) ? "true" : "false");
	if (reason.length > 0)
		text_add_json(out, reason);
	else
		text_add(out, "null");
	text_add(out, ",\"started_at\":");
	text_add_json(out, json_text(json_member(root, "started")));
	struct slice counters = json_raw(json_member(data_of(peer), "counters"));
	text_add(out, ",\"counters\":");
	text_add_slice(out, counters.length > 0 ? counters : SLICE("{}"));
	text_add_char(out, '}');
}

/* In the order of their kinds, so that two tellings of the same are equal; ids rise with the time of a start. */
static int compare_ids(const void *left, const void *right) {
	const struct slice *a = left, *b = right;
	size_t length = a->length < b->length ? a->length : b->length;
	int order = memcmp(a->bytes, b->bytes, length);
	return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

static size_t ids_of(const struct peers *peers, size_t program, struct slice *ids) {
	size_t at = 0, count = 0;
	struct slice id;
	void *value;
	while (table_next(peers->by_id, &at, &id, &value))
		if (((const struct peer *)value)->program == program)
			ids[count++] = id;
	qsort(ids, count, sizeof(*ids), compare_ids);
	return count;
}

void peers_add_services(const struct peers *peers, struct text *out) {
	struct slice *ids = memory_array(table_count(peers->by_id) + 1, sizeof(*ids));
	struct text missing = { 0 };
	bool first = true;
	text_add(out, "\"services\":[");
	for (size_t program = 0; program < PROGRAM_COUNT; program++) {
		size_t count = ids_of(peers, program, ids);
		if (count == 0 && peers->round > ROUNDS_KNOWN)
			text_printf(&missing, "%s\"%s\"", missing.length > 0 ? "," : "", programs[program] + strlen("corder-"));
		for (size_t i = 0; i < count; i++) {
			text_add(out, first ? "" : ",");
			first = false;
			add_service(out, table_get(peers->by_id, ids[i]), ids[i]);
		}
	}
	text_add(out, "],\"missing\":[");
	text_append(out, missing.bytes, missing.length);
	text_add_char(out, ']');
	text_release(&missing);
	free(ids);
}

void peers_each_waiting(const struct peers *peers, peers_waiting *each, void *context) {
	size_t at = 0;
	struct slice id;
	void *value;
	struct table *seen = table_open();
	while (table_next(peers->by_id, &at, &id, &value)) {
		struct json_value types = json_member(data_of(value), "waiting_types");
		for (struct json_value item = json_first(types); json_present(item); item = json_next(item)) {
			int64_t workers = 0;
			if (table_put(seen, json_name(item), seen) != NULL)
				continue;
			peers_workers(peers, json_name(item), &workers);
			each(context, json_name(item), workers);
		}
	}
	table_close(&seen);
}

static void add_waiting(void *context, struct slice task_type, int64_t waiting) {
	struct text *out = context;
	text_add(out, out->bytes[out->length - 1] == '{' ? "" : ",");
	text_add_json(out, task_type);
	text_printf(out, ":%lld", (long long)waiting);
}

void peers_add_waiting(const struct peers *peers, struct text *out) {
	text_add(out, "\"waiting\":{");
	peers_each_waiting(peers, add_waiting, out);
	text_add_char(out, '}');
}
