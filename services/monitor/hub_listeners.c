/* Who listens to which channels, and what a new listener is told first; see hub.h. */
#include <stdlib.h>
#include <string.h>

#include "hub_inside.h"
#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/base/version.h"

static void on_closed(void *context) {
	struct listener *listener = context;
	struct hub *hub = listener->hub;
	for (size_t i = 0; i < listener->channel_count; i++) {
		listener->channels[i]->listeners--;
		listener->channels[i]->left_at_mono_us = clock_mono_us();
	}
	if (listener->next != NULL)
		listener->next->previous = listener->previous;
	if (listener->previous != NULL)
		listener->previous->next = listener->next;
	else
		hub->listeners = listener->next;
	hub->listener_count--;
	free(listener);
}

static struct channel *find_channel(struct hub *hub, const char *key) {
	for (struct channel *channel = hub->channels; channel != NULL; channel = channel->next)
		if (strcmp(channel->key, key) == 0)
			return channel;
	return NULL;
}

static void listen(struct hub *hub, struct listener *listener, const struct channel *like) {
	struct text key = { 0 };
	text_printf(&key, "%d/%s/%s/%s/%c/%s", (int)like->kind, like->project, like->batch_id, like->task_type,
	            like->status != 0 ? like->status : '-', like->text);
	struct channel *channel = find_channel(hub, key.bytes);
	if (channel == NULL) {
		channel = channel_new(like->kind, key.bytes, hub->revision);
		channel->project = slice_copy(slice_of(like->project));
		channel->batch_id = slice_copy(slice_of(like->batch_id));
		channel->task_type = slice_copy(slice_of(like->task_type));
		channel->text = slice_copy(slice_of(like->text));
		channel->status = like->status;
		struct channel **last = &hub->channels; /* frames go out in this order, the overview first */
		while (*last != NULL)
			last = &(*last)->next;
		*last = channel;
	}
	if (channel->listeners++ == 0 && channel_is_state(channel))
		channel_forget(channel, hub->revision); /* it grew old while nobody listened */
	listener->channels[listener->channel_count++] = channel;
	text_release(&key);
}

static void listen_to_all(struct hub *hub, struct listener *listener, const struct hub_wish *wish) {
	char *none = slice_copy(slice_of("")), *project = slice_copy(wish->project), *batch = slice_copy(wish->batch_id);
	char *type = slice_copy(wish->event_type), *text = slice_copy(wish->event_text);
	char *event_project = slice_copy(wish->event_project);
	for (enum channel_kind kind = CHANNEL_OVERVIEW; kind <= CHANNEL_SERVICES; kind++)
		listen(hub, listener,
		       &(struct channel){ .kind = kind, .project = none, .batch_id = none, .task_type = none, .text = none });
	struct channel like = { .project = project, .batch_id = none, .task_type = none, .text = none };
	if (*project != '\0') {
		like.kind = CHANNEL_OVERVIEW;
		listen(hub, listener, &like);
		like.kind = CHANNEL_TASKS;
		like.batch_id = batch;
		listen(hub, listener, &like);
	}
	if (wish->events) {
		like = (struct channel){ .kind = CHANNEL_EVENTS,
			                     .project = event_project,
			                     .batch_id = none,
			                     .task_type = type,
			                     .text = text,
			                     .status = wish->event_status };
		listen(hub, listener, &like);
	}
	free(none), free(project), free(batch), free(type), free(text), free(event_project);
}

/* The revision up to which the listener has seen everything; false: it begins anew. */
static bool resumes(const struct hub *hub, const struct listener *listener, struct slice last_event_id,
                    uint64_t *revision) {
	struct slice rest = last_event_id;
	if (rest.length == 0 || !slice_is(slice_cut(&rest, '.'), service_id(hub->monitor->service)) || rest.bytes == NULL)
		return false;
	int64_t number = slice_int(rest, -1);
	if (number < 0 || (uint64_t)number > hub->revision)
		return false;
	*revision = (uint64_t)number;
	for (size_t i = 0; i < listener->channel_count; i++)
		if (!channel_is_state(listener->channels[i]) && listener->channels[i]->since > *revision)
			return false;
	return true;
}

static void push_missed(struct listener *listener, uint64_t revision) {
	for (size_t i = 0; i < listener->channel_count; i++) {
		const struct channel *channel = listener->channels[i];
		for (size_t j = 0; j < channel->count; j++) {
			size_t place = (channel->first + j) % CHANNEL_FRAMES;
			if (channel->revisions[place] > revision && !http_stream_push(listener->stream, channel->frames[place]))
				listener->behind = true;
		}
	}
}

static void push_hello(struct hub *hub, struct listener *listener, bool resumed) {
	const struct monitor_settings *settings = hub->monitor->settings;
	struct text out = { 0 };
	text_printf(&out,
	            "retry: 2000\nevent: hello\ndata: {\"boot\":\"%s\",\"revision\":%llu,\"resumed\":%s,\"version\":\"%s\","
	            "\"read_only\":%s,\"interval_ms\":%lld,\"beat_s\":%d,\"now\":",
	            service_id(hub->monitor->service), (unsigned long long)hub->revision, resumed ? "true" : "false",
	            CORDER_VERSION, *settings->http_token == '\0' ? "true" : "false", (long long)settings->live_interval_ms,
	            BEAT_US / 1000000);
	text_add_json_time(&out, clock_wall_us());
	text_add_char(&out, '}');
	struct http_frame *frame = hub_end_frame(&out);
	hub_push(listener, frame);
	http_frame_drop(&frame);
}

void hub_join(struct hub *hub, struct http_request *request, const struct hub_wish *wish) {
	struct listener *listener = memory_new(sizeof(*listener));
	listener->hub = hub;
	listener->stream = http_stream_start(request, on_closed, listener);
	if (listener->stream == NULL) {
		free(listener);
		return;
	}
	listener->next = hub->listeners;
	if (hub->listeners != NULL)
		hub->listeners->previous = listener;
	hub->listeners = listener;
	hub->listener_count++;
	listen_to_all(hub, listener, wish);
	uint64_t revision = 0;
	bool resumed = resumes(hub, listener, wish->last_event_id, &revision);
	push_hello(hub, listener, resumed);
	if (resumed)
		push_missed(listener, revision);
	else
		hub_push_present(hub, listener);
	hub_start_beat(hub);
	if (!hub->dirty)
		hub_turn_soon(hub);
}
