/* What kv.c (calls, scripts) and kv_link.c (the connection) share; nobody else includes this. */
#ifndef CORDER_KV_KV_INSIDE_H
#define CORDER_KV_KV_INSIDE_H

#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include "../base/url.h"
#include "kv.h"

/* A command under way, from kv_command or kv_script to its one answer. */
struct kv_call {
	struct kv *kv;
	struct kv_call *previous, *next; /* in kv->calls, in order of calling */
	kv_handler *handler;
	void *context;
	int64_t deadline_mono_us;
	/* only for scripts: what it takes to send them again after the library was loaded */
	const struct kv_script *script;
	struct kv_slot *slot;
	struct kv_call *next_waiting;
	struct text tail; /* numkeys, keys and arguments, as the wire has them */
	size_t tail_words;
	bool loaded_once;
};

/* A library as this connection knows it. */
struct kv_slot {
	struct kv_library *library;
	struct kv_call *waiting; /* until FUNCTION LOAD has answered */
	bool loading;
};

enum kv_state { KV_DOWN, KV_CONNECTING, KV_UP };

struct kv {
	struct loop *loop;
	struct url url;
	char *name;
	int database;

	redisAsyncContext *link; /* NULL while KV_DOWN */
	enum kv_state state;
	int watched_fd;
	bool wants_write, watches_write;
	int64_t flushed_at_mono_us; /* the turn whose flush is over */
	int64_t backoff_us;
	struct loop_timer *reconnect, *greeting_limit;
	bool greeting_failed;

	struct kv_call *calls, *last_call;
	struct kv_call *refused;  /* made while down: answered at the end of the turn */
	struct loop_timer *limit; /* set for limit_at or later */
	int64_t limit_at_mono_us;

	struct kv_slot *slots;
	size_t slot_count;
	struct text wire; /* scratch: one formatted command */

	void (*changed)(void *context, bool connected);
	void *changed_context;
	bool closing;
};

/* kv_link.c */
void kv_link_connect(void *kv); /* a loop_call */
void kv_link_drop(struct kv *kv, const char *why);
void kv_link_lost(struct kv *kv, const char *why); /* hiredis has given up the connection; idempotent */
void kv_link_flush(struct kv *kv);
void kv_link_wants_write(struct kv *kv);
void kv_link_close(struct kv *kv);

/* kv.c */
void kv_calls_lost(struct kv *kv); /* answers what waits for a script: hiredis answers the rest */

#endif
