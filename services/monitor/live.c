/* Calls of the `read` script and copies of its replies; see live.h. */
#include "live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/memory.h"
#include "shared/state/marks.h"
#include "shared/state/state.h"

struct live {
	size_t partitions;
	struct state **states; /* one a partition */
	struct marks **marks;
};

struct live_call {
	struct live *live;
	size_t partition;
	enum live_kind kind;
	live_handler *handler;
	void *context;
	struct live_reply *reply;
};

struct live *live_open(struct service *service, size_t partitions, int64_t us_per_point, int64_t patience_ms) {
	struct live *live = memory_new(sizeof(*live));
	live->partitions = partitions;
	live->states = memory_array(partitions, sizeof(struct state *));
	live->marks = memory_array(partitions, sizeof(struct marks *));
	for (size_t i = 0; i < partitions; i++) {
		live->states[i] = state_open(service_kv(service, (int64_t)i), (int64_t)i, us_per_point);
		live->marks[i] = marks_open(service_loop(service), live->states[i], patience_ms);
	}
	return live;
}

void live_close(struct live **live) {
	if (*live == NULL)
		return;
	for (size_t i = 0; i < (*live)->partitions; i++) {
		marks_close(&(*live)->marks[i]);
		state_close(&(*live)->states[i]);
	}
	free((*live)->marks);
	free((*live)->states);
	free(*live);
	*live = NULL;
}

void live_note_mark(struct live *live, size_t partition, struct slice body) {
	if (partition < live->partitions)
		marks_note(live->marks[partition], body);
}

void live_free(struct live_reply **reply) {
	if (*reply == NULL)
		return;
	free((*reply)->bytes);
	free((*reply)->texts);
	free((*reply)->items);
	free(*reply);
	*reply = NULL;
}

enum { INTEGER_BYTES = 24 };

static void measure(const struct kv_reply *reply, size_t *bytes, size_t *texts) {
	for (size_t i = 1; i < kv_count(reply); i++) {
		const struct kv_reply *item = kv_at(reply, i);
		size_t count = kv_count(item);
		*texts += count;
		*bytes += kv_text(item).length + INTEGER_BYTES;
		for (size_t j = 0; j < count; j++)
			*bytes += kv_text(kv_at(item, j)).length;
	}
}

static struct slice keep(char **at, struct slice text) {
	struct slice kept = { *at, text.length };
	if (text.length > 0)
		memcpy(*at, text.bytes, text.length);
	*at += text.length;
	return kept;
}

/* An integer of Redis becomes a decimal text, as all other numbers of the scripts are. */
static struct slice keep_plain(char **at, const struct kv_reply *item) {
	char integer[INTEGER_BYTES];
	struct slice text = kv_text(item);
	if (text.length > 0 || kv_int(item) == 0)
		return keep(at, text);
	int length = snprintf(integer, sizeof(integer), "%lld", (long long)kv_int(item));
	return keep(at, (struct slice){ integer, (size_t)length });
}

static struct live_reply *copy_reply(const struct kv_reply *reply) {
	size_t bytes = 0, texts = 0, used = 0;
	measure(reply, &bytes, &texts);
	struct live_reply *copy = memory_new(sizeof(*copy));
	copy->count = kv_count(reply) - 1;
	copy->items = memory_array(copy->count + 1, sizeof(*copy->items));
	copy->texts = memory_array(texts + 1, sizeof(*copy->texts));
	copy->bytes = memory_new(bytes + 1);
	char *at = copy->bytes;
	for (size_t i = 0; i < copy->count; i++) {
		const struct kv_reply *from = kv_at(reply, i + 1);
		struct live_item *item = &copy->items[i];
		item->count = kv_count(from);
		item->texts = &copy->texts[used];
		used += item->count;
		for (size_t j = 0; j < item->count; j++)
			item->texts[j] = keep(&at, kv_text(kv_at(from, j)));
		if (item->count == 0 && !kv_is_nil(from))
			item->text = keep_plain(&at, from);
	}
	return copy;
}

static void on_logged(void *context, enum status status) {
	struct live_call *call = context;
	struct error error = { 0 };
	if (status == STATUS_OK) {
		call->handler(call->context, STATUS_OK, call->reply, NULL);
	} else {
		live_free(&call->reply);
		fail(&error, status, "the log does not take up what has happened: ask again");
		call->handler(call->context, STATUS_RETRY, NULL, &error);
	}
	free(call);
}

static void on_read(void *context, enum status status, const struct state_head *head, const struct kv_reply *reply,
                    const struct error *err) {
	struct live_call *call = context;
	if (status != STATUS_OK) {
		struct error error = *err;
		if (status == STATUS_RETRY)
			error.code[0] = '\0'; /* "notready" is a word of the inside */
		call->handler(call->context, status, NULL, &error);
		free(call);
		return;
	}
	call->reply = copy_reply(reply);
	call->reply->now_us = head->now_us;
	if (call->kind == LIVE_LOGGED)
		marks_wait(call->live->marks[call->partition], head, on_logged, call);
	else
		on_logged(call, STATUS_OK);
}

void live_read(struct live *live, size_t partition, enum live_kind kind, const struct slice *words, size_t count,
               live_handler *handler, void *context) {
	struct live_call *call = memory_new(sizeof(*call));
	*call = (struct live_call){ live, partition, kind, handler, context, NULL };
	state_call(live->states[partition], &state_script_read, words, count, on_read, call);
}

void live_read_task(struct live *live, size_t partition, const struct task_request *request, live_handler *handler,
                    void *context) {
	struct text name = { 0 };
	text_add_slice(&name, request->project);
	text_add_char(&name, '/');
	text_add_slice(&name, request->task_id);
	struct slice words[] = { SLICE("tasks"), { name.bytes, name.length } };
	live_read(live, partition, LIVE_LOGGED, words, 2, handler, context);
	text_release(&name);
}

struct slice live_text(const struct live_reply *reply, size_t i) {
	return i < reply->count ? reply->items[i].text : (struct slice){ NULL, 0 };
}

int64_t live_int(const struct live_reply *reply, size_t i) {
	struct slice text = live_text(reply, i);
	return text.bytes != NULL ? slice_int(text, 0) : 0;
}

enum describe {
	DESCRIBE_NUMBER,
	DESCRIBE_PROJECT,
	DESCRIBE_TASK_ID,
	DESCRIBE_TYPE,
	DESCRIBE_BATCH,
	DESCRIBE_STATUS,
	DESCRIBE_PRIORITY,
	DESCRIBE_ATTEMPT,
	DESCRIBE_RETRIES,
	DESCRIBE_VERSION,
	DESCRIBE_WAITS,
	DESCRIBE_CREATED,
	DESCRIBE_READY,
	DESCRIBE_DUE,
	DESCRIBE_STARTED,
	DESCRIBE_DEGREE,
	DESCRIBE_LEFT,
	DESCRIBE_WORKER,
	DESCRIBE_LEASE,
	DESCRIBE_BECAUSE,
	DESCRIBE_FLAGS,
	DESCRIBE_KEY,
	DESCRIBE_LIMIT,
	DESCRIBE_MAX_RETRIES,
	DESCRIBE_ORDER, /* as in the specification's flags */
	DESCRIBE_BYTES,
	DESCRIBE_COUNT,
};

enum { FLAG_CANCEL = 1 };

static void read_numbers(const struct slice *t, struct view *view) {
	view->number = slice_int(t[DESCRIBE_NUMBER], 0);
	view->version = slice_int(t[DESCRIBE_VERSION], 0);
	view->attempt = slice_int(t[DESCRIBE_ATTEMPT], 0);
	view->priority = slice_int(t[DESCRIBE_PRIORITY], 0);
	view->retry_count = slice_int(t[DESCRIBE_RETRIES], 0);
	view->degree = slice_int(t[DESCRIBE_DEGREE], 0);
	view->created_at_us = slice_int(t[DESCRIBE_CREATED], 0);
	view->ready_at_us = slice_int(t[DESCRIBE_READY], 0);
	view->due_at_us = slice_int(t[DESCRIBE_DUE], 0);
	view->cancel_requested = slice_int(t[DESCRIBE_FLAGS], 0) % 2 == FLAG_CANCEL;
	/* Of an ended task this is when it ended. */
	int64_t started_us = slice_int(t[DESCRIBE_STARTED], 0);
	bool ended = record_is_final(view->status);
	view->started_at_us = ended ? 0 : started_us;
	view->finished_at_us = ended ? started_us : 0;
	view->lease_until_us = view->status == RECORD_RUNNING ? view->due_at_us : 0;
}

bool live_view(const struct live_reply *reply, size_t i, struct view *view, bool *has_specification) {
	if (i >= reply->count || reply->items[i].count < DESCRIBE_COUNT ||
	    reply->items[i].texts[DESCRIBE_STATUS].length == 0)
		return false;
	const struct slice *t = reply->items[i].texts;
	*view = (struct view){
		.project = t[DESCRIBE_PROJECT],
		.task_id = t[DESCRIBE_TASK_ID],
		.task_type = t[DESCRIBE_TYPE],
		.batch_id = t[DESCRIBE_BATCH],
		.status = t[DESCRIBE_STATUS].bytes[0],
		.waits = t[DESCRIBE_WAITS],
		.worker = t[DESCRIBE_WORKER],
		.because = t[DESCRIBE_BECAUSE],
	};
	read_numbers(t, view);
	*has_specification = record_parse_specification(t[DESCRIBE_BYTES], &view->specification);
	if (!*has_specification) {
		view->specification = (struct specification){ .flags = t[DESCRIBE_ORDER],
			                                          .concurrency_key = t[DESCRIBE_KEY],
			                                          .concurrency_limit = slice_int(t[DESCRIBE_LIMIT], 1),
			                                          .max_retries = slice_int(t[DESCRIBE_MAX_RETRIES], 0) };
	}
	return true;
}
