/* The Redis connection of a process: asynchronous, pipelined, on its loop. The only folder that knows hiredis.
 * A connection with an error is dropped, every call under way answers STATUS_RETRY (it may have run!), and a new one is
 * made with backoff, AUTH and SELECT included. Nothing is ever repeated here: that is the caller's to decide. */
#ifndef CORDER_KV_KV_H
#define CORDER_KV_KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/error.h"
#include "../base/loop.h"
#include "../base/text.h"

struct kv;
struct kv_reply; /* borrowed; gone when the handler returns */

/* A library of Redis functions that ships with us. A server that does not know it is given it once, under a name that holds
 * the text's hash: programs of different versions can use one server. */
struct kv_library {
	struct slice source; /* Lua, without the first line; LIBRARY is its name there */
	char name[32];       /* "" until kv.c has made it from the source */
};

/* One function of it; Redis knows it as <library>_<name>. */
struct kv_script {
	const char *name;
	struct kv_library *library;
};

typedef void kv_handler(void *context, enum status status, const struct kv_reply *reply, const struct error *err);

/* redis://[user:password@]host:port[/db] or unix:///path[?db=n]. Connects in the background; STATUS_REJECT for a bad URL. */
enum status kv_open(struct loop *loop, const char *url, const char *name, struct kv **kv, struct error *err);
/* Every call under way answers STATUS_RETRY from within; calls made by those handlers are forgotten. Not from a handler. */
void kv_close(struct kv **kv);
bool kv_connected(const struct kv *kv);
void kv_on_change(struct kv *kv, void (*changed)(void *context, bool connected), void *context);

/* Both answer exactly once, never from within the call. While disconnected: STATUS_RETRY in the next turn.
 * timeout_ms 0: the default (10 s), after which the connection is dropped. An error reply of the server is STATUS_REJECT,
 * except LOADING, READONLY, OOM, BUSY, MASTERDOWN, TRYAGAIN and MISCONF, which are STATUS_RETRY. */
void kv_command(struct kv *kv, const struct slice *words, size_t count, int64_t timeout_ms, kv_handler *handler,
                void *context);
void kv_script(struct kv *kv, struct kv_script *script, const struct slice *keys, size_t key_count,
               const struct slice *arguments, size_t argument_count, kv_handler *handler, void *context);

/* Readers that never fail: a wrong type reads as nil, "" or 0. */
size_t kv_count(const struct kv_reply *reply);                            /* of an array */
const struct kv_reply *kv_at(const struct kv_reply *reply, size_t index); /* of an array; NULL when outside */
bool kv_is_nil(const struct kv_reply *reply);
struct slice kv_text(const struct kv_reply *reply);
int64_t kv_int(const struct kv_reply *reply); /* also of a decimal string */

#endif
