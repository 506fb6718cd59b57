/* Commands and scripts to Redis and their answers; see kv.h. The connection itself is kv_link.c. */
#include "kv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/id.h"
#include "../base/memory.h"
#include "kv_inside.h"

enum { DEFAULT_LIMIT_MS = 10000, SCRIPT_LIMIT_US = 30000000, KV_BACKOFF_FIRST_US = 50000 };

#define UNKNOWN_FUNCTION "ERR Function not found"

/* ---- the list of calls under way ---- */

static void limit_reached(void *context);

static void arm_limit(struct kv *kv, int64_t at_mono_us) {
	if (kv->limit && kv->limit_at_mono_us <= at_mono_us)
		return;
	loop_timer_stop(kv->loop, &kv->limit);
	kv->limit_at_mono_us = at_mono_us;
	kv->limit = loop_timer_start(kv->loop, at_mono_us, limit_reached, kv);
}

static void limit_reached(void *context) {
	struct kv *kv = context;
	kv->limit = NULL;
	int64_t now = clock_mono_us();
	int64_t soonest = 0;
	for (const struct kv_call *call = kv->calls; call; call = call->next) {
		if (call->deadline_mono_us <= now) {
			kv_link_drop(kv, "a call was not answered in time");
			return;
		}
		if (!soonest || call->deadline_mono_us < soonest)
			soonest = call->deadline_mono_us;
	}
	if (soonest)
		arm_limit(kv, soonest);
}

static struct kv_call *call_new(struct kv *kv, int64_t timeout_ms, kv_handler *handler, void *context) {
	struct kv_call *call = memory_new(sizeof(*call));
	call->kv = kv;
	call->handler = handler;
	call->context = context;
	call->deadline_mono_us = loop_now(kv->loop) + (timeout_ms > 0 ? timeout_ms : DEFAULT_LIMIT_MS) * 1000;
	return call;
}

static void call_enlist(struct kv_call *call) {
	struct kv *kv = call->kv;
	call->next = NULL;
	call->previous = kv->last_call;
	if (kv->last_call)
		kv->last_call->next = call;
	else
		kv->calls = call;
	kv->last_call = call;
	arm_limit(kv, call->deadline_mono_us);
}

static void call_delist(struct kv_call *call) {
	struct kv *kv = call->kv;
	if (call->previous)
		call->previous->next = call->next;
	else
		kv->calls = call->next;
	if (call->next)
		call->next->previous = call->previous;
	else
		kv->last_call = call->previous;
}

static void call_free(struct kv_call *call) {
	text_release(&call->tail);
	free(call);
}

static void call_answer(struct kv_call *call, enum status status, const redisReply *reply, const struct error *err) {
	kv_handler *handler = call->handler;
	void *context = call->context;
	call_free(call);
	if (handler)
		handler(context, status, (const struct kv_reply *)reply, err);
}

static void answer_lost(struct kv_call *call, const char *why) {
	struct error err = { 0 };
	call_answer(call, fail(&err, STATUS_RETRY, "redis: %s", why), NULL, &err);
}

static void refuse(struct kv_call *call) {
	struct kv *kv = call->kv;
	struct kv_call **end = &kv->refused;
	while (*end)
		end = &(*end)->next;
	*end = call;
	loop_again(kv->loop);
}

static void answer_refused(struct kv *kv, const char *why) {
	struct kv_call *call = kv->refused;
	kv->refused = NULL;
	while (call) {
		struct kv_call *next = call->next;
		answer_lost(call, why);
		call = next;
	}
}

/* ---- answers ---- */

static enum status classify(const redisReply *reply, struct error *err) {
	static const char *const passing[] = { "LOADING", "READONLY", "OOM", "BUSY ", "MASTERDOWN", "TRYAGAIN", "MISCONF" };
	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
		if (!strncmp(reply->str, passing[i], strlen(passing[i])))
			return fail(err, STATUS_RETRY, "redis: %s", reply->str);
	return fail(err, STATUS_REJECT, "redis: %s", reply->str);
}

static void send_script(struct kv_call *call);
static void load_then_send(struct kv_call *call);

static void on_reply(redisAsyncContext *link, void *raw, void *privdata) {
	struct kv_call *call = privdata;
	struct kv *kv = call->kv;
	redisReply *reply = raw;
	struct error err = { 0 };
	if (!reply && kv->link == link)
		kv_link_lost(kv, link->errstr && *link->errstr ? link->errstr : "connection lost");
	call_delist(call);
	if (!reply) {
		answer_lost(call, "the connection was lost; the call may have run");
		return;
	}
	if (reply->type != REDIS_REPLY_ERROR) {
		call_answer(call, STATUS_OK, reply, NULL);
		return;
	}
	if (call->slot && !call->loaded_once && !strncmp(reply->str, UNKNOWN_FUNCTION, strlen(UNKNOWN_FUNCTION))) {
		call->loaded_once = true;
		call_enlist(call);
		load_then_send(call);
		return;
	}
	call_answer(call, classify(reply, &err), reply, &err);
}

/* ---- the wire ---- */

static void add_word(struct text *wire, struct slice word) {
	text_add_char(wire, '$');
	text_add_int(wire, (int64_t)word.length);
	text_append(wire, "\r\n", 2);
	text_append(wire, word.bytes, word.length);
	text_append(wire, "\r\n", 2);
}

static void begin_words(struct text *wire, size_t count) {
	text_clear(wire);
	text_add_char(wire, '*');
	text_add_int(wire, (int64_t)count);
	text_append(wire, "\r\n", 2);
}

static void send_wire(struct kv *kv, redisCallbackFn *done, void *context) {
	must(redisAsyncFormattedCommand(kv->link, done, context, kv->wire.bytes, kv->wire.length) == REDIS_OK);
}

void kv_command(struct kv *kv, const struct slice *words, size_t count, int64_t timeout_ms, kv_handler *handler,
                void *context) {
	if (kv->closing)
		return;
	struct kv_call *call = call_new(kv, timeout_ms, handler, context);
	if (kv->state != KV_UP) {
		refuse(call);
		return;
	}
	begin_words(&kv->wire, count);
	for (size_t i = 0; i < count; i++)
		add_word(&kv->wire, words[i]);
	call_enlist(call);
	send_wire(kv, on_reply, call);
}

/* ---- scripts ---- */

static struct kv_slot *slot_of(struct kv *kv, const struct kv_library *library) {
	for (size_t i = 0; i < kv->slot_count; i++)
		if (kv->slots[i].library == library)
			return &kv->slots[i];
	return NULL;
}

/* Slots are pointed to by calls: the array is replaced only while no call knows one, so it grows in one generous step. */
static struct kv_slot *slot_for(struct kv *kv, struct kv_library *library) {
	enum { SLOTS_MOST = 16 };
	struct kv_slot *slot = slot_of(kv, library);
	if (slot)
		return slot;
	if (!kv->slots)
		kv->slots = memory_array(SLOTS_MOST, sizeof(*kv->slots));
	must(kv->slot_count < SLOTS_MOST);
	slot = &kv->slots[kv->slot_count++];
	slot->library = library;
	return slot;
}

static void name_library(struct kv_library *library) {
	if (library->name[0] == '\0')
		snprintf(library->name, sizeof(library->name), "corder_%016" PRIx64, id_hash(library->source));
}

static void send_script(struct kv_call *call) {
	struct kv *kv = call->kv;
	char function[64];
	name_library(call->script->library);
	snprintf(function, sizeof(function), "%s_%s", call->script->library->name, call->script->name);
	begin_words(&kv->wire, call->tail_words + 2);
	add_word(&kv->wire, SLICE("FCALL"));
	add_word(&kv->wire, slice_of(function));
	text_append(&kv->wire, call->tail.bytes, call->tail.length);
	send_wire(kv, on_reply, call);
}

static void load_failed(struct kv_slot *slot, const redisReply *reply) {
	struct kv_call *call = slot->waiting;
	slot->waiting = NULL;
	while (call) {
		struct kv_call *next = call->next_waiting;
		struct error err = { 0 };
		call_delist(call);
		if (reply && reply->type == REDIS_REPLY_ERROR)
			call_answer(call, classify(reply, &err), reply, &err);
		else
			answer_lost(call, "the connection was lost before the script ran");
		call = next;
	}
}

static void on_loaded(redisAsyncContext *link, void *raw, void *privdata) {
	struct kv *kv = link->data;
	struct kv_slot *slot = privdata;
	redisReply *reply = raw;
	if (kv->link != link)
		return;
	if (!reply) {
		kv_link_lost(kv, link->errstr && *link->errstr ? link->errstr : "connection lost");
		return;
	}
	slot->loading = false;
	if (reply->type != REDIS_REPLY_STRING) {
		load_failed(slot, reply);
		return;
	}
	struct kv_call *call = slot->waiting;
	slot->waiting = NULL;
	for (; call; call = call->next_waiting)
		send_script(call);
}

static void load_then_send(struct kv_call *call) {
	struct kv *kv = call->kv;
	struct kv_slot *slot = call->slot;
	struct kv_call **end = &slot->waiting;
	while (*end)
		end = &(*end)->next_waiting;
	call->next_waiting = NULL;
	*end = call;
	if (slot->loading)
		return;
	slot->loading = true;
	struct text source = { 0 };
	text_printf(&source, "#!lua name=%s\nlocal LIBRARY = '%s'\n", slot->library->name, slot->library->name);
	text_add_slice(&source, slot->library->source);
	begin_words(&kv->wire, 4);
	add_word(&kv->wire, SLICE("FUNCTION"));
	add_word(&kv->wire, SLICE("LOAD"));
	add_word(&kv->wire, SLICE("REPLACE"));
	add_word(&kv->wire, (struct slice){ source.bytes, source.length });
	text_release(&source);
	send_wire(kv, on_loaded, slot);
}

void kv_calls_lost(struct kv *kv) {
	for (size_t i = 0; i < kv->slot_count; i++) {
		kv->slots[i].loading = false;
		load_failed(&kv->slots[i], NULL);
	}
}

void kv_script(struct kv *kv, struct kv_script *script, const struct slice *keys, size_t key_count,
               const struct slice *arguments, size_t argument_count, kv_handler *handler, void *context) {
	if (kv->closing)
		return;
	struct kv_call *call = call_new(kv, SCRIPT_LIMIT_US / 1000, handler, context);
	if (kv->state != KV_UP) {
		refuse(call);
		return;
	}
	struct text count = { 0 };
	text_add_int(&count, (int64_t)key_count);
	add_word(&call->tail, (struct slice){ count.bytes, count.length });
	text_release(&count);
	for (size_t i = 0; i < key_count; i++)
		add_word(&call->tail, keys[i]);
	for (size_t i = 0; i < argument_count; i++)
		add_word(&call->tail, arguments[i]);
	call->tail_words = 1 + key_count + argument_count;
	call->script = script;
	call->slot = slot_for(kv, script->library);
	call_enlist(call);
	if (!call->slot->loading)
		send_script(call);
	else
		load_then_send(call);
}

/* ---- opening and closing ---- */

static void each_turn(void *context) {
	struct kv *kv = context;
	if (kv->refused)
		answer_refused(kv, "not connected");
	kv_link_flush(kv);
}

static enum status check_url(struct kv *kv, struct error *err) {
	struct url *url = &kv->url;
	char *database = NULL;
	if (!strcmp(url->scheme, "unix")) {
		database = url_query(url, "db");
	} else if (!strcmp(url->scheme, "redis") && *url->host) {
		database = *url->path && url->path[1] ? memory_copy(url->path + 1, strlen(url->path + 1)) : NULL;
		url->port = url->port ? url->port : 6379;
	} else {
		return fail(err, STATUS_REJECT, "the Redis URL must be redis://host:port[/db] or unix:///path[?db=n]");
	}
	int64_t number = database ? slice_int(slice_of(database), -1) : 0;
	free(database);
	kv->database = (int)number;
	if (number < 0 || number > 65535)
		return fail(err, STATUS_REJECT, "the database of the Redis URL must be a number");
	return STATUS_OK;
}

enum status kv_open(struct loop *loop, const char *url, const char *name, struct kv **kv, struct error *err) {
	struct kv *opened = memory_new(sizeof(*opened));
	opened->loop = loop;
	opened->watched_fd = -1;
	opened->backoff_us = KV_BACKOFF_FIRST_US;
	opened->name = memory_copy(name, strlen(name));
	enum status status = url_parse(url, &opened->url, err);
	if (status == STATUS_OK)
		status = check_url(opened, err);
	if (status != STATUS_OK) {
		url_release(&opened->url);
		free(opened->name);
		free(opened);
		return status;
	}
	loop_each_turn_last(loop, each_turn, opened);
	opened->reconnect = loop_timer_start(loop, clock_mono_us(), kv_link_connect, opened);
	*kv = opened;
	return STATUS_OK;
}

void kv_close(struct kv **kv) {
	struct kv *closed = *kv;
	if (!closed)
		return;
	*kv = NULL;
	closed->closing = true;
	loop_each_turn_stop(closed->loop, each_turn, closed);
	loop_timer_stop(closed->loop, &closed->limit);
	kv_link_close(closed);
	kv_calls_lost(closed);
	answer_refused(closed, "closed");
	url_release(&closed->url);
	text_release(&closed->wire);
	free(closed->slots);
	free(closed->name);
	free(closed);
}

bool kv_connected(const struct kv *kv) {
	return kv->state == KV_UP;
}

void kv_on_change(struct kv *kv, void (*changed)(void *context, bool connected), void *context) {
	kv->changed = changed;
	kv->changed_context = context;
}
