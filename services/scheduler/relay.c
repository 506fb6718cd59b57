/* Who leads the relay of a partition. Any number may try; the lead (a key that expires) only saves work: what keeps the log
 * right is compare-and-append. The leader looks where the log ends, then sends (relay_look.c, relay_send.c). */
#include <stdio.h>
#include <stdlib.h>

#include "relay_inside.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"

enum { LEAD_MS = 1500, LEAD_EVERY_MS = 300, IDLE_TICKS = 10, RESIGN_US = 500000 };

static void lead_tick(void *context);

void relay_phase_is(struct relay *relay, enum relay_phase phase) {
	relay->phase = phase;
}

static void lead_again(struct relay *relay) {
	struct loop *loop = relay->partition->scheduler->loop;
	if (relay->resigns)
		return;
	loop_timer_stop(loop, &relay->lead_timer);
	relay->lead_timer = loop_timer_start(loop, clock_mono_us() + LEAD_EVERY_MS * 1000, lead_tick, relay);
}

static void lose_lead(struct relay *relay) {
	relay->generation++;
	relay->leads = false;
	relay_drop_blocks(relay);
	relay_drop_untold(relay); /* who leads next finds them in the log */
	loop_timer_stop(relay->partition->scheduler->loop, &relay->look_timer);
	relay_phase_is(relay, RELAY_IDLE);
}

static void on_lead(void *context, enum status status, const struct kv_reply *reply, const struct error *err) {
	struct relay *relay = context;
	(void)err;
	bool held = status == STATUS_OK && !kv_is_nil(reply) && !relay->resigns;
	if (held)
		relay->leads_until_us = relay->asked_us + LEAD_MS * 1000;
	if (held && !relay->leads) {
		relay->leads = true;
		relay_look(relay);
	} else if (!held && relay->leads) {
		/* Expired, wiped, or Redis is away: try for it anew; a rebuild goes on, it has a lock of its own. */
		if (relay->phase != RELAY_REBUILD)
			lose_lead(relay);
		else
			relay->leads = false;
	}
	lead_again(relay);
}

static void on_epoch(void *context, enum status status, const struct kv_reply *reply, const struct error *err) {
	struct relay *relay = context;
	(void)err;
	if (status == STATUS_OK && relay->phase == RELAY_SENDING && !slice_is(kv_text(reply), relay->epoch))
		relay_look(relay);
}

/* What a glance at the log's end is compared with; the relay may be gone, or looking, when the answer comes. */
struct glance {
	struct partition *partition;
	int generation;
};

static void on_glance(void *context, enum status status, const struct stream_state *state) {
	struct glance *glance = context;
	struct relay *relay = glance->partition->relay;
	if (status == STATUS_OK)
		glance->partition->log_bytes = state->bytes;
	bool same = relay != NULL && relay->generation == glance->generation && relay->under_way == 0;
	if (status == STATUS_OK && same && state->last_sequence != relay->log_sequence)
		relay_look(relay);
	free(glance);
}

/* A leader with nothing to append never hears that another one, on another Redis, has appended: and then nobody can append to
 * this one, because it is behind the log. So it looks at the log's end now and then. */
static void glance_when_idle(struct relay *relay) {
	if (relay->under_way > 0)
		relay->idle_ticks = 0;
	if (relay->under_way > 0 || ++relay->idle_ticks < IDLE_TICKS)
		return;
	relay->idle_ticks = 0;
	struct glance *glance = memory_new(sizeof(*glance));
	*glance = (struct glance){ relay->partition, relay->generation };
	stream_info(relay->partition->scheduler->bus, relay->stream, on_glance, glance);
}

static void lead_key(const struct relay *relay, char key[32]) {
	snprintf(key, 32, "%srl", state_prefix(relay->partition->state));
}

/* Kept only while it is ours: of two that believe in it (Redis was emptied in between) one has to give way. */
static void on_holder(void *context, enum status status, const struct kv_reply *reply, const struct error *err) {
	struct relay *relay = context;
	bool free_or_ours =
		status == STATUS_OK && !relay->resigns && (kv_is_nil(reply) || slice_is(kv_text(reply), relay->service_id));
	if (!free_or_ours) {
		on_lead(relay, STATUS_RETRY, reply, err);
		return;
	}
	char key[32], ttl[16];
	lead_key(relay, key);
	snprintf(ttl, sizeof(ttl), "%d", LEAD_MS);
	struct slice words[] = {
		SLICE("SET"), slice_of(key), slice_of(relay->service_id), kv_is_nil(reply) ? SLICE("NX") : SLICE("XX"),
		SLICE("PX"),  slice_of(ttl)
	};
	relay->asked_us = loop_now(relay->partition->scheduler->loop);
	kv_command(state_kv(relay->partition->state), words, 6, 0, on_lead, relay);
}

static void lead_tick(void *context) {
	struct relay *relay = context;
	relay->lead_timer = NULL;
	char key[32], epoch_key[32];
	lead_key(relay, key);
	snprintf(epoch_key, sizeof(epoch_key), "%sm", state_prefix(relay->partition->state));
	struct slice words[] = { SLICE("GET"), slice_of(key) };
	struct kv *kv = state_kv(relay->partition->state);
	kv_command(kv, words, 2, 0, on_holder, relay);
	if (relay->phase == RELAY_SENDING) {
		struct slice ask[] = { SLICE("HGET"), slice_of(epoch_key), SLICE("epoch") };
		kv_command(kv, ask, 3, 0, on_epoch, relay);
		relay_mark(relay);
		relay_send(relay);
		glance_when_idle(relay);
	}
}

static void look_timer(void *context) {
	struct relay *relay = context;
	relay->look_timer = NULL;
	relay_look(relay);
}

void relay_look_later(struct relay *relay, int64_t delay_ms) {
	struct loop *loop = relay->partition->scheduler->loop;
	relay->generation++;
	relay->filling = true; /* until publish_fill() has seen what is missing */
	relay_drop_blocks(relay);
	relay_phase_is(relay, RELAY_LOOKING);
	if (relay->look_timer == NULL)
		relay->look_timer = loop_timer_start(loop, clock_mono_us() + delay_ms * 1000, look_timer, relay);
}

/* A look that is under way is begun anew too: what it has read of the log may be gone. */
void relay_look_again(struct relay *relay) {
	if (relay->phase == RELAY_SENDING || relay->phase == RELAY_LOOKING)
		relay_look_later(relay, 10);
}

/* Redis says that it holds no state, which a look under way will see too: many who say so must not keep it from its end. */
void relay_look_unless_looking(struct relay *relay) {
	if (relay->phase == RELAY_SENDING)
		relay_look_later(relay, 10);
}

void relay_look_again_after_rebuild(struct relay *relay) {
	if (relay->phase == RELAY_REBUILD) {
		if (relay->leads)
			relay_look_later(relay, 200);
		else
			lose_lead(relay);
	}
}

bool relay_leads_surely(const struct relay *relay) {
	return relay->leads && loop_now(relay->partition->scheduler->loop) < relay->leads_until_us;
}

bool relay_leads(const struct relay *relay) {
	return relay->leads;
}

static void on_resigned(void *context, enum status status, const struct state_head *head, const struct kv_reply *reply,
                        const struct error *err) {
	struct relay *relay = context;
	(void)status; /* else it expires */
	(void)head;
	(void)reply;
	(void)err;
	relay->resigned = true;
}

/* What was sent and not heard of yet, the next leader finds in the log, and what it has of the events too. A rebuild keeps the
 * lead up to its end. */
bool relay_resign(struct relay *relay) {
	struct scheduler *scheduler = relay->partition->scheduler;
	if (relay->resigns)
		return relay->resigned || clock_mono_us() > relay->resigns_until_us;
	if (!relay->leads || relay->phase == RELAY_REBUILD)
		return true;
	relay_publish(relay);
	bus_send_now(scheduler->bus);
	lose_lead(relay);
	loop_timer_stop(scheduler->loop, &relay->lead_timer);
	relay->resigns = true;
	relay->resigns_until_us = clock_mono_us() + RESIGN_US;
	struct slice arguments[] = { SLICE(""), SLICE(""), SLICE(""), SLICE(""), slice_of(relay->service_id) };
	state_call(relay->partition->state, &state_script_mark, arguments, 5, on_resigned, relay);
	return false;
}

struct relay *relay_open(struct partition *partition, const char *redis_url) {
	struct scheduler *scheduler = partition->scheduler;
	struct relay *relay = memory_new(sizeof(*relay));
	struct error err = { 0 };
	relay->partition = partition;
	stream_name(relay->stream, scheduler->settings->common.prefix, STREAM_LOG, partition->index);
	snprintf(relay->subject, sizeof(relay->subject), "%s",
	         service_full_subject(scheduler->service, "internal.log.%lld", (long long)partition->index));
	snprintf(relay->service_id, sizeof(relay->service_id), "%s", service_id(scheduler->service));
	if (kv_open(scheduler->loop, redis_url, "corder-relay", &relay->kv, &err) != STATUS_OK) {
		log_error("relay cannot use REDIS_URL", "why", err.message, NULL);
		free(relay);
		return NULL;
	}
	lead_again(relay);
	return relay;
}

void relay_close(struct relay **relay) {
	struct relay *r = *relay;
	if (r == NULL)
		return;
	struct loop *loop = r->partition->scheduler->loop;
	relay_publish(r);
	lose_lead(r);
	r->partition->relay = NULL;
	loop_timer_stop(loop, &r->lead_timer);
	loop_timer_stop(loop, &r->look_timer);
	loop_timer_stop(loop, &r->mark_timer);
	loop_timer_stop(loop, &r->rest_timer);
	kv_close(&r->kv);
	text_release(&r->unsaid);
	free(r);
	*relay = NULL;
}
