/* One channel: its frames, and the changes that become frames; see hub.h. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "event_json.h"
#include "hub_inside.h"
#include "shared/base/memory.h"
#include "view.h"

enum { TASKS_MAX = 2000, EVENTS_MAX = 200 }; /* in one frame */

struct change {
	struct text json; /* but for the brace at its end */
	bool is_new;
	int64_t started_at_us; /* of a try that began since the last frame */
};

bool channel_is_state(const struct channel *channel) {
	return channel->kind <= CHANNEL_SERVICES;
}

const char *channel_event(const struct channel *channel) {
	static const char *const names[] = { "overview", "queues", "services", "tasks", "events" };
	return channel->kind == CHANNEL_OVERVIEW && *channel->project != '\0' ? "project" : names[channel->kind];
}

struct channel *channel_new(enum channel_kind kind, const char *key, uint64_t revision) {
	struct channel *channel = memory_new(sizeof(*channel));
	channel->kind = kind;
	channel->key = slice_copy(slice_of(key));
	channel->since = revision;
	channel->gathering.tasks = table_open();
	channel->closing.tasks = table_open();
	return channel;
}

static void clear_batch(struct batch *batch) {
	size_t at = 0;
	struct slice key;
	void *value;
	while (table_next(batch->tasks, &at, &key, &value)) {
		struct change *change = table_remove(batch->tasks, key);
		text_release(&change->json);
		free(change);
	}
	text_clear(&batch->events);
	batch->count = batch->dropped = 0;
	batch->overflown = false;
}

void channel_forget(struct channel *channel, uint64_t revision) {
	for (; channel->count > 0; channel->count--) {
		http_frame_drop(&channel->frames[channel->first]);
		channel->first = (channel->first + 1) % CHANNEL_FRAMES;
	}
	text_clear(&channel->state);
	channel->made_at_mono_us = 0;
	channel->since = revision;
}

void channel_free(struct channel *channel) {
	channel_forget(channel, 0);
	clear_batch(&channel->gathering);
	clear_batch(&channel->closing);
	table_close(&channel->gathering.tasks);
	table_close(&channel->closing.tasks);
	text_release(&channel->gathering.events);
	text_release(&channel->closing.events);
	text_release(&channel->state);
	free(channel->key);
	free(channel->project);
	free(channel->batch_id);
	free(channel->task_type);
	free(channel->text);
	free(channel);
}

void channel_keep(struct channel *channel, struct http_frame *frame, uint64_t revision) {
	size_t most = channel_is_state(channel) ? 1 : CHANNEL_FRAMES;
	if (channel->count == most) {
		channel->since = channel->revisions[channel->first];
		http_frame_drop(&channel->frames[channel->first]);
		channel->first = (channel->first + 1) % CHANNEL_FRAMES;
		channel->count--;
	}
	size_t place = (channel->first + channel->count++) % CHANNEL_FRAMES;
	frame->references++;
	channel->frames[place] = frame;
	channel->revisions[place] = revision;
}

/* ------------------------------------------------------------------------------------------------ changes */

static bool equals(const char *wanted, struct slice value) {
	return *wanted == '\0' || slice_is(value, wanted);
}

static bool contains(struct slice text, const char *part) {
	size_t length = strlen(part);
	for (size_t i = 0; i + length <= text.length; i++)
		if (strncasecmp(text.bytes + i, part, length) == 0)
			return true;
	return false;
}

static bool fits(const struct channel *channel, const struct record *record) {
	if (!equals(channel->project, record->project) || !equals(channel->batch_id, record->batch_id) ||
	    !equals(channel->task_type, record->task_type) || (channel->status != 0 && channel->status != record->status))
		return false;
	return *channel->text == '\0' || contains(record->task_id, channel->text) ||
	       contains(record->worker, channel->text) || contains(record->error_message, channel->text);
}

static void add_ms(struct text *out, const char *name, int64_t at_us) {
	if (at_us > 0)
		text_printf(out, ",\"%s\":%lld", name, (long long)(at_us / 1000));
	else
		text_printf(out, ",\"%s\":null", name);
}

static void describe(struct text *out, const struct record *record, int64_t started_at_us) {
	text_add(out, "{\"task_id\":");
	text_add_json(out, record->task_id);
	text_add(out, ",\"task_type\":");
	text_add_json(out, record->task_type);
	text_add(out, ",\"batch_id\":");
	text_add_json(out, record->batch_id);
	text_printf(out, ",\"status\":\"%s\",\"previous\":", record_status_word(record->status));
	if (record->previous != 0)
		text_printf(out, "\"%s\"", record_status_word(record->previous));
	else
		text_add(out, "null");
	text_printf(out, ",\"version\":%lld,\"attempt\":%lld,\"priority\":%lld", (long long)record->version,
	            (long long)record->attempt, (long long)record->priority);
	add_ms(out, "at_ms", record->at_us);
	add_ms(out, "ready_ms", record->ready_at_us);
	add_ms(out, "started_ms", started_at_us);
	view_add_optional(out, "worker", record->worker);
	view_add_optional(out, "because", record->because);
	text_add(out, ",\"error\":");
	view_add_error(out, record->error_code, record->error_message, false);
}

/* The last event of a task is its change. */
static void note_task(struct batch *batch, const struct record *record) {
	struct change *change = table_get(batch->tasks, record->task_id);
	if (change == NULL && batch->count >= TASKS_MAX)
		batch->overflown = true;
	if (batch->overflown)
		return;
	if (change == NULL) {
		change = memory_new(sizeof(*change));
		table_put(batch->tasks, record->task_id, change);
		batch->count++;
	}
	change->is_new = change->is_new || record->previous == 0;
	if (record->status == RECORD_RUNNING)
		change->started_at_us = record->at_us;
	text_clear(&change->json);
	describe(&change->json, record, change->started_at_us);
}

static void note_event(struct batch *batch, size_t partition, const struct record *record) {
	if (batch->count >= EVENTS_MAX) {
		batch->dropped++;
		return;
	}
	if (batch->count++ > 0)
		text_add_char(&batch->events, ',');
	event_add_record(&batch->events, partition, record);
}

void channel_note(struct channel *channel, size_t partition, const struct record *record) {
	if (channel_is_state(channel) || !fits(channel, record))
		return;
	if (channel->kind == CHANNEL_EVENTS)
		note_event(&channel->gathering, partition, record);
	else if (record->number > 0)
		note_task(&channel->gathering, record);
}

void channel_turn(struct channel *channel) {
	struct batch closing = channel->closing;
	channel->closing = channel->gathering;
	channel->gathering = closing;
	clear_batch(&channel->gathering);
}

bool channel_has_news(const struct channel *channel) {
	return channel->closing.count > 0;
}

void channel_drop_news(struct channel *channel) {
	clear_batch(&channel->closing);
}

static void add_scope(const struct channel *channel, struct text *out, bool reset) {
	text_add(out, "{\"project\":");
	text_add_json(out, slice_of(channel->project));
	view_add_optional(out, "batch_id", slice_of(channel->batch_id));
	text_printf(out, ",\"reset\":%s,\"tasks\":[", reset ? "true" : "false");
}

void channel_add_reset(const struct channel *channel, struct text *out) {
	if (channel->kind == CHANNEL_EVENTS) {
		text_add(out, "{\"reset\":true,\"events\":[],\"dropped\":0}");
		return;
	}
	add_scope(channel, out, true);
	text_add(out, "]}");
}

void channel_add_news(struct channel *channel, struct text *out) {
	struct batch *batch = &channel->closing;
	if (batch->overflown) {
		channel_add_reset(channel, out);
	} else if (channel->kind == CHANNEL_EVENTS) {
		text_add(out, "{\"reset\":false,\"events\":[");
		text_append(out, batch->events.bytes, batch->events.length);
		text_printf(out, "],\"dropped\":%zu}", batch->dropped);
	} else {
		size_t at = 0, count = 0;
		struct slice key;
		void *value;
		add_scope(channel, out, false);
		while (table_next(batch->tasks, &at, &key, &value)) {
			const struct change *change = value;
			text_add(out, count++ > 0 ? "," : "");
			text_append(out, change->json.bytes, change->json.length);
			text_printf(out, ",\"new\":%s}", change->is_new ? "true" : "false");
		}
		text_add(out, "]}");
	}
	clear_batch(batch);
}
