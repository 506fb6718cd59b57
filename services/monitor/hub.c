/* The listeners, and the turns in which frames are made; see hub.h. */
#include <stdlib.h>

#include "feed.h"
#include "hub_inside.h"
#include "overview.h"
#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "snapshot.h"

enum {
	QUIET_US = 2000000,     /* so often is looked for what changes without an event */
	SLOW_US = 2000000,      /* queues and services are told no more often */
	FIRST_US = 20000,       /* from the first event to the turn that tells it */
	LOG_STEP_US = 10000,    /* between two looks whether the log has it */
	LOG_LIMIT_US = 1000000, /* after that the listeners have to read the state instead */
	KEEP_US = 30000000,     /* a channel without listeners, for those who come back */
	WAITING_MAX = 8,        /* frames in a stream: more, and it is too slow */
	OVERVIEW_WINDOW_S = 300,
};

static void turn(void *context);
static void beat(void *context);

struct hub *hub_open(struct monitor *monitor) {
	struct hub *hub = memory_new(sizeof(*hub));
	hub->monitor = monitor;
	hub->closing_seq = memory_array(monitor_partitions(monitor), sizeof(*hub->closing_seq));
	return hub;
}

static struct loop *loop_of(const struct hub *hub) {
	return service_loop(hub->monitor->service);
}

void hub_stop(struct hub *hub) {
	for (struct listener *listener = hub->listeners; listener != NULL; listener = listener->next)
		http_stream_end(listener->stream);
}

void hub_close(struct hub **hub) {
	if (*hub == NULL)
		return;
	struct hub *old = *hub;
	must(old->listeners == NULL);
	loop_timer_stop(loop_of(old), &old->turn);
	loop_timer_stop(loop_of(old), &old->beat);
	while (old->channels != NULL) {
		struct channel *channel = old->channels;
		old->channels = channel->next;
		channel_free(channel);
	}
	free(old->closing_seq);
	free(old);
	*hub = NULL;
}

size_t hub_listeners(const struct hub *hub) {
	return hub->listener_count;
}

static void turn_in(struct hub *hub, int64_t wait_us) {
	loop_timer_stop(loop_of(hub), &hub->turn);
	hub->turn = loop_timer_start(loop_of(hub), clock_mono_us() + wait_us, turn, hub);
}

void hub_turn_soon(struct hub *hub) {
	int64_t next_us = hub->turned_at_mono_us + hub->monitor->settings->live_interval_ms * 1000 - clock_mono_us();
	hub->dirty = true;
	if (!hub->turning)
		turn_in(hub, next_us > FIRST_US ? next_us : FIRST_US);
}

void hub_note(struct hub *hub, size_t partition, const struct record *record) {
	for (struct channel *channel = hub->channels; channel != NULL; channel = channel->next)
		channel_note(channel, partition, record);
	if (hub->channels != NULL && !hub->dirty)
		hub_turn_soon(hub);
}

/* ------------------------------------------------------------------------------------------------ frames */

static void frame_start(const struct hub *hub, struct text *out, const char *event) {
	text_printf(out, "id: %s.%llu\nevent: %s\ndata: ", service_id(hub->monitor->service),
	            (unsigned long long)hub->revision, event);
}

struct http_frame *hub_end_frame(struct text *out) {
	text_add(out, "\n\n");
	struct http_frame *frame = http_frame_new((struct slice){ out->bytes, out->length });
	text_release(out);
	return frame;
}

void hub_push(struct listener *listener, struct http_frame *frame) {
	if (listener->behind)
		return;
	if (http_stream_waiting(listener->stream) >= WAITING_MAX || !http_stream_push(listener->stream, frame))
		listener->behind = true;
}

static bool listens(const struct listener *listener, const struct channel *channel) {
	for (size_t i = 0; i < listener->channel_count; i++)
		if (listener->channels[i] == channel)
			return true;
	return false;
}

static void tell(struct hub *hub, struct channel *channel, struct http_frame *frame) {
	channel_keep(channel, frame, hub->revision);
	for (struct listener *listener = hub->listeners; listener != NULL; listener = listener->next)
		if (listens(listener, channel))
			hub_push(listener, frame);
	http_frame_drop(&frame);
}

static void add_state(const struct hub *hub, const struct channel *channel, struct text *out) {
	if (channel->kind == CHANNEL_OVERVIEW)
		overview_add(out, hub->monitor, slice_of(channel->project), OVERVIEW_WINDOW_S);
	else if (channel->kind == CHANNEL_QUEUES)
		queues_add(out, hub->monitor, slice_of(""));
	else
		services_add(out, hub->monitor);
}

/* What is large, and has many listeners, is told less often. */
static int64_t pause_us(const struct hub *hub, const struct channel *channel) {
	int64_t bytes = (int64_t)(channel->state.length * channel->listeners);
	if (channel->kind == CHANNEL_OVERVIEW)
		return 0;
	return SLOW_US + bytes * 1000000 / hub->monitor->settings->live_bytes_per_s;
}

static void tell_state(struct hub *hub, struct channel *channel) {
	int64_t now_us = clock_mono_us();
	if (channel->count > 0 && now_us - channel->made_at_mono_us < pause_us(hub, channel))
		return;
	channel->made_at_mono_us = now_us;
	struct text state = { 0 };
	add_state(hub, channel, &state);
	struct slice now = { state.bytes, state.length }, before = { channel->state.bytes, channel->state.length };
	if (channel->count > 0 && slice_equal(now, before)) {
		text_release(&state);
		return;
	}
	struct text out = { 0 };
	hub->revision++;
	frame_start(hub, &out, channel_event(channel));
	text_add(&out, "{\"at\":");
	text_add_json_time(&out, clock_wall_us());
	text_add_char(&out, ',');
	text_append(&out, state.bytes, state.length);
	text_add_char(&out, '}');
	text_release(&channel->state);
	channel->state = state;
	tell(hub, channel, hub_end_frame(&out));
}

static void tell_news(struct hub *hub, struct channel *channel, bool lost) {
	struct text out = { 0 };
	if (!lost && !channel_has_news(channel))
		return;
	hub->revision++;
	frame_start(hub, &out, channel_event(channel));
	if (lost)
		channel_add_reset(channel, &out);
	else
		channel_add_news(channel, &out);
	channel_drop_news(channel);
	tell(hub, channel, hub_end_frame(&out));
}

static void push_reset(struct hub *hub, struct listener *listener, struct channel *channel) {
	struct text out = { 0 };
	frame_start(hub, &out, channel_event(channel));
	channel_add_reset(channel, &out);
	struct http_frame *frame = hub_end_frame(&out);
	hub_push(listener, frame);
	http_frame_drop(&frame);
}

void hub_push_present(struct hub *hub, struct listener *listener) {
	for (size_t i = 0; i < listener->channel_count; i++) {
		struct channel *channel = listener->channels[i];
		if (!channel_is_state(channel))
			push_reset(hub, listener, channel);
		else if (channel->count > 0)
			hub_push(listener, channel->frames[channel->first]);
	}
}

/* ------------------------------------------------------------------------------------------------ turns */

static bool log_has_it(const struct hub *hub) {
	for (size_t i = 0; i < monitor_partitions(hub->monitor); i++)
		if (feed_logged_to(hub->monitor->feed, i) < hub->closing_seq[i])
			return false;
	return true;
}

static void end_turn(struct hub *hub) {
	hub->turning = false;
	for (struct listener *listener = hub->listeners; listener != NULL; listener = listener->next)
		if (listener->behind && http_stream_waiting(listener->stream) == 0) {
			listener->behind = false;
			hub_push_present(hub, listener);
		}
	if (hub->dirty)
		hub_turn_soon(hub);
	else
		turn_in(hub, QUIET_US);
}

static void tell_changes(void *context) {
	struct hub *hub = context;
	bool logged = log_has_it(hub), late = clock_mono_us() - hub->closed_at_mono_us > LOG_LIMIT_US;
	hub->turn = NULL;
	if (!logged && !late) {
		hub->turn = loop_timer_start(loop_of(hub), clock_mono_us() + LOG_STEP_US, tell_changes, hub);
		return;
	}
	for (struct channel *channel = hub->channels; channel != NULL; channel = channel->next)
		if (!channel_is_state(channel))
			tell_news(hub, channel, !logged);
	end_turn(hub);
}

static void on_snapshot(void *context, struct monitor *monitor) {
	struct hub *hub = context;
	(void)monitor;
	for (struct channel *channel = hub->channels; channel != NULL; channel = channel->next)
		if (channel_is_state(channel) && channel->listeners > 0)
			tell_state(hub, channel);
	tell_changes(hub);
}

static void turn(void *context) {
	struct hub *hub = context;
	hub->turn = NULL;
	hub->dirty = false;
	if (hub->channels == NULL)
		return;
	hub->turning = true;
	hub->turned_at_mono_us = hub->closed_at_mono_us = clock_mono_us();
	for (size_t i = 0; i < monitor_partitions(hub->monitor); i++)
		hub->closing_seq[i] = feed_read_live_to(hub->monitor->feed, i);
	for (struct channel *channel = hub->channels; channel != NULL; channel = channel->next)
		channel_turn(channel);
	snapshot_refresh(hub->monitor->snapshot, on_snapshot, hub);
}

static void forget_channels(struct hub *hub) {
	int64_t now_us = clock_mono_us();
	for (struct channel **place = &hub->channels; *place != NULL;) {
		struct channel *channel = *place;
		if (channel->listeners > 0 || now_us - channel->left_at_mono_us < KEEP_US) {
			place = &channel->next;
			continue;
		}
		*place = channel->next;
		channel_free(channel);
	}
}

/* Also finds out who has gone: only writing tells. */
static void beat(void *context) {
	struct hub *hub = context;
	struct text out = { 0 };
	hub->beat = NULL;
	text_add(&out, "event: beat\ndata: {\"at\":");
	text_add_json_time(&out, clock_wall_us());
	text_add_char(&out, '}');
	struct http_frame *frame = hub_end_frame(&out);
	for (struct listener *listener = hub->listeners; listener != NULL; listener = listener->next)
		if (http_stream_waiting(listener->stream) == 0)
			hub_push(listener, frame);
	http_frame_drop(&frame);
	forget_channels(hub);
	if (hub->channels != NULL)
		hub_start_beat(hub);
}

void hub_start_beat(struct hub *hub) {
	if (hub->beat == NULL)
		hub->beat = loop_timer_start(loop_of(hub), clock_mono_us() + BEAT_US, beat, hub);
}
