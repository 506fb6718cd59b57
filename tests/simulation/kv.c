/* shared/kv/kv.h on the Redis in memory: calls are pipelined on a connection that may break, and nothing is repeated. */
#include "shared/kv/kv.h"

#include <stdlib.h>
#include <string.h>

#include "servers.h"
#include "shared/base/memory.h"

enum { FORGET_US = 30000000 };

/* Of the process. */
struct kv_call {
	struct kv_call *next;
	uint64_t serial;
	kv_handler *handler;
	void *context;
};

struct kv {
	struct line line;
	struct kv_call *first, **end;
	uint64_t serial;
	void (*changed)(void *context, bool connected);
	void *changed_context;
	bool breaking;
	bool deaf; /* a call was lost: what is sent behind it is lost with it */
};

/* Of the world: one call on its way. */
struct flight {
	struct kv *kv;
	struct process *process;
	uint64_t life, number, serial;
	const struct kv_script *script;
	struct slice words[16];  /* a command's */
	struct slice *arguments; /* a script's: the key first */
	size_t count;
	bool reply_lost;
	struct kv_reply reply;
	struct flight *next_waiting; /* an XREAD that found nothing yet */
	struct redis *waits_on;
	int64_t until_us;
};

static struct flight *waiting;

struct open_kv {
	struct open_kv *next;
	struct process *process;
	uint64_t life;
	struct kv *kv;
};
static struct open_kv *opened;

/* ---- replies ---- */

static struct kv_reply reply_keep(const struct kv_reply *reply) {
	struct kv_reply kept = *reply;
	if (reply->text.bytes)
		kept.text = copy_for_world(reply->text);
	if (reply->kind == REPLY_LIST) {
		kept.items = memory_array(reply->count, sizeof(*kept.items));
		for (size_t i = 0; i < reply->count; i++)
			kept.items[i] = reply_keep(&reply->items[i]);
	}
	return kept;
}

static void reply_free(struct kv_reply *reply) {
	free_copy(reply->text);
	for (size_t i = 0; reply->kind == REPLY_LIST && i < reply->count; i++)
		reply_free(&reply->items[i]);
	if (reply->kind == REPLY_LIST)
		free(reply->items);
}

static void flight_free(void *context) {
	struct flight *flight = context;
	for (size_t i = 0; i < flight->count; i++)
		free_copy(flight->script ? flight->arguments[i] : flight->words[i]);
	free(flight->arguments);
	reply_free(&flight->reply);
	free(flight);
}

/* ---- the connection ---- */

static void reconnect(void *context);

static void answer_all(struct kv *kv) {
	struct error err = { 0 };
	struct kv_call *call = kv->first;
	kv->first = NULL;
	kv->end = &kv->first;
	(void)fail(&err, STATUS_RETRY, "redis: the connection was lost; the call may have run");
	while (call) {
		struct kv_call *next = call->next;
		if (call->handler)
			call->handler(call->context, STATUS_RETRY, NULL, &err);
		free(call);
		call = next;
	}
}

static void break_now(void *context) {
	struct kv *kv = context;
	kv->breaking = false;
	bool was_up = kv->line.up;
	kv->line.up = false;
	kv->line.number++;
	answer_all(kv);
	if (!was_up)
		return;
	if (kv->changed)
		kv->changed(kv->changed_context, false);
	world_at(world.now_us + 20000 + world_draw(400000), kv->line.process, reconnect, NULL, kv);
}

static void break_soon(struct kv *kv, int64_t after_us) {
	if (kv->breaking)
		return;
	kv->breaking = true;
	world_at(world.now_us + after_us, kv->line.process, break_now, NULL, kv);
}

static void reconnect(void *context) {
	struct kv *kv = context;
	if (servers.redis_down) {
		world_at(world.now_us + 50000 + world_draw(200000), kv->line.process, reconnect, NULL, kv);
		return;
	}
	kv->line.up = true;
	kv->deaf = false;
	kv->line.out_us = kv->line.in_us = world.now_us;
	if (kv->changed)
		kv->changed(kv->changed_context, true);
}

void kv_break_all(int side) {
	for (struct open_kv *each = opened; each; each = each->next)
		if (process_is(each->process, each->life) && (side < 0 || servers.sides[each->process->id] == side))
			break_soon(each->kv, world_draw(300000));
}

/* ---- on the server ---- */

static void on_reply(void *context) {
	struct flight *flight = context;
	struct kv *kv = flight->kv;
	struct error err = { 0 };
	enum status status = STATUS_OK;
	struct kv_call *call = kv->first;
	if (kv->line.number != flight->number || !call || call->serial != flight->serial) {
		flight_free(flight);
		return;
	}
	kv->first = call->next;
	if (!kv->first)
		kv->end = &kv->first;
	if (flight->reply.kind == REPLY_ERROR) {
		status = fail(&err, STATUS_REJECT, "redis: %.*s", (int)flight->reply.text.length, flight->reply.text.bytes);
		world_violation("%.*s", (int)flight->reply.text.length, flight->reply.text.bytes);
	}
	if (call->handler)
		call->handler(call->context, status, &flight->reply, &err);
	free(call);
	flight_free(flight);
}

static void answer(struct flight *flight, const struct kv_reply *reply) {
	if (!process_is(flight->process, flight->life) || flight->kv->line.number != flight->number) {
		flight_free(flight);
		return;
	}
	if (flight->reply_lost) {
		break_soon(flight->kv, world_draw(2000000));
		flight_free(flight);
		return;
	}
	flight->reply = reply_keep(reply);
	world_at(line_answer(&flight->kv->line), flight->process, on_reply, flight_free, flight);
}

static bool is_blocking(const struct flight *flight) {
	return !flight->script && flight->count == 8 && slice_is(flight->words[0], "XREAD");
}

static void look_at_waiting(struct redis *redis) {
	struct flight **at = &waiting;
	while (*at) {
		struct flight *flight = *at;
		if (flight->waits_on != redis) {
			at = &flight->next_waiting;
			continue;
		}
		const struct kv_reply *reply = redis_command(redis, flight->words, flight->count);
		if (reply->kind == REPLY_NIL) {
			at = &flight->next_waiting;
			continue;
		}
		*at = flight->next_waiting;
		answer(flight, reply);
	}
}

static void look_for_late(void *context) {
	struct flight **at = &waiting;
	const struct kv_reply nil = { .kind = REPLY_NIL };
	(void)context;
	while (*at) {
		struct flight *flight = *at;
		if (flight->until_us > world.now_us) {
			at = &flight->next_waiting;
			continue;
		}
		*at = flight->next_waiting;
		answer(flight, &nil);
	}
}

static void execute(void *context) {
	struct flight *flight = context;
	bool lives = process_is(flight->process, flight->life);
	struct redis *redis = servers.redis[servers.sides[flight->process->id]];
	if (servers.redis_down || (lives && flight->kv->line.number != flight->number)) {
		if (lives && flight->kv->line.number == flight->number)
			break_soon(flight->kv, world_draw(10000));
		flight_free(flight);
		return;
	}
	const struct kv_reply *reply = flight->script ? redis_eval(redis, flight->script, flight->arguments, 1,
	                                                           flight->arguments + 1, flight->count - 1)
	                                              : redis_command(redis, flight->words, flight->count);
	if (is_blocking(flight) && reply->kind == REPLY_NIL && lives) {
		flight->until_us = world.now_us + slice_int(flight->words[4], 0) * 1000;
		flight->waits_on = redis;
		flight->next_waiting = waiting;
		waiting = flight;
		world_at(flight->until_us, NULL, look_for_late, NULL, NULL);
		return;
	}
	answer(flight, reply);
	look_at_waiting(redis);
}

/* ---- calls ---- */

static void refuse(void *context) {
	struct kv_call *call = context;
	struct error err = { 0 };
	(void)fail(&err, STATUS_RETRY, "redis: not connected");
	kv_handler *handler = call->handler;
	void *own = call->context;
	free(call);
	if (handler)
		handler(own, STATUS_RETRY, NULL, &err);
}

/* words: in memory of the caller's. */
static void send(struct kv *kv, const struct kv_script *script, const struct slice *first, const struct slice *words,
                 size_t count, kv_handler *handler, void *context) {
	struct kv_call *call = memory_new(sizeof(*call));
	int64_t arrives_us;
	*call = (struct kv_call){ .serial = ++kv->serial, .handler = handler, .context = context };
	if (!kv->line.up) {
		world_at(world.now_us + 20, kv->line.process, refuse, NULL, call);
		return;
	}
	*kv->end = call;
	kv->end = &call->next;
	enum fate fate = line_send(&kv->line, &arrives_us);
	if (fate == FATE_REQUEST_LOST || kv->deaf) {
		kv->deaf = true;
		break_soon(kv, world_draw(3000000));
		return;
	}
	struct arena *arena = arena_use(NULL);
	struct flight *flight = memory_new(sizeof(*flight));
	*flight = (struct flight){ .kv = kv,
		                       .process = kv->line.process,
		                       .life = kv->line.life,
		                       .number = kv->line.number,
		                       .serial = call->serial,
		                       .script = script,
		                       .count = count + (script != NULL),
		                       .reply_lost = fate == FATE_REPLY_LOST };
	struct slice *to = flight->words;
	must(script || count <= sizeof(flight->words) / sizeof(flight->words[0]));
	if (script) {
		to = flight->arguments = memory_array(count + 1, sizeof(*to));
		*to++ = copy_for_world(*first);
	}
	for (size_t i = 0; i < count; i++)
		to[i] = copy_for_world(words[i]);
	arena_use(arena);
	world_at(arrives_us, NULL, execute, flight_free, flight);
}

void kv_command(struct kv *kv, const struct slice *words, size_t count, int64_t timeout_ms, kv_handler *handler,
                void *context) {
	(void)timeout_ms;
	send(kv, NULL, NULL, words, count, handler, context);
}

void kv_script(struct kv *kv, struct kv_script *script, const struct slice *keys, size_t key_count,
               const struct slice *arguments, size_t argument_count, kv_handler *handler, void *context) {
	must(key_count == 1);
	send(kv, script, keys, arguments, argument_count, handler, context);
}

enum status kv_open(struct loop *loop, const char *url, const char *name, struct kv **kv, struct error *err) {
	struct kv *made = memory_new(sizeof(*made));
	(void)loop;
	(void)url;
	(void)name;
	(void)err;
	made->line = (struct line){ .process = world.current, .life = world.current->life, .number = 1 };
	made->end = &made->first;
	struct arena *arena = arena_use(NULL);
	struct open_kv *each = memory_new(sizeof(*each));
	*each = (struct open_kv){ opened, world.current, world.current->life, made };
	opened = each;
	arena_use(arena);
	world_at(world.now_us + 100 + world_draw(1000), world.current, reconnect, NULL, made);
	*kv = made;
	return STATUS_OK;
}

void kv_close(struct kv **kv) {
	*kv = NULL;
}

bool kv_connected(const struct kv *kv) {
	return kv->line.up;
}

void kv_on_change(struct kv *kv, void (*changed)(void *context, bool connected), void *context) {
	kv->changed = changed;
	kv->changed_context = context;
}

/* ---- readers ---- */

size_t kv_count(const struct kv_reply *reply) {
	return reply && reply->kind == REPLY_LIST ? reply->count : 0;
}

const struct kv_reply *kv_at(const struct kv_reply *reply, size_t index) {
	return index < kv_count(reply) ? &reply->items[index] : NULL;
}

bool kv_is_nil(const struct kv_reply *reply) {
	return !reply || reply->kind == REPLY_NIL;
}

struct slice kv_text(const struct kv_reply *reply) {
	bool has_text = reply && (reply->kind == REPLY_TEXT || reply->kind == REPLY_STATUS || reply->kind == REPLY_ERROR);
	return has_text ? reply->text : (struct slice){ NULL, 0 };
}

int64_t kv_int(const struct kv_reply *reply) {
	if (reply && reply->kind == REPLY_INT)
		return reply->number;
	struct slice text = kv_text(reply);
	return text.bytes ? slice_int(text, 0) : 0;
}

/* ---- the server's own troubles ---- */

static void drop_waiting(const struct redis *redis) {
	struct flight **at = &waiting;
	while (*at) {
		struct flight *flight = *at;
		if (redis && flight->waits_on != redis) {
			at = &flight->next_waiting;
			continue;
		}
		*at = flight->next_waiting;
		flight_free(flight);
	}
}

static void replace(struct redis *redis) {
	drop_waiting(servers.redis[0]);
	redis_close(&servers.redis[0]);
	servers.redis[0] = redis;
	kv_break_all(-1);
}

static void up_again(void *context) {
	(void)context;
	servers.redis_down = false;
}

void redis_server_down(void) {
	if (servers.redis_down)
		return;
	servers.redis_down = true;
	drop_waiting(NULL);
	kv_break_all(-1);
	world_at(world.now_us + 10000 + world_draw(2000000), NULL, up_again, NULL, NULL);
}

void redis_server_empty(void) {
	redis_server_once();
	if (world_draw(2))
		redis_flush(servers.redis[0]); /* FLUSHALL */
	else
		replace(redis_open(world_wall_us)); /* another one */
}

void redis_server_remember(void) {
	redis_close(&servers.old_redis);
	servers.old_redis = redis_copy(servers.redis[0]);
}

void redis_server_old(void) {
	redis_server_once();
	if (servers.old_redis)
		replace(redis_copy(servers.old_redis));
}

static void once_again(void *context) {
	(void)context;
	redis_server_once();
}

void redis_server_twice(void) {
	if (servers.redis[1])
		return;
	servers.redis[1] = redis_copy(servers.redis[0]);
	for (int i = 0; i < PROCESSES_MOST; i++)
		servers.sides[i] = world_draw(2) == 0;
	kv_break_all(1);
	world_at(world.now_us + 50000 + world_draw(4000000), NULL, once_again, NULL, NULL);
}

void redis_server_once(void) {
	if (!servers.redis[1])
		return;
	int gone = (int)world_draw(2);
	drop_waiting(servers.redis[gone]);
	kv_break_all(gone);
	redis_close(&servers.redis[gone]);
	if (gone == 0)
		servers.redis[0] = servers.redis[1];
	servers.redis[1] = NULL;
	memset(servers.sides, 0, sizeof(servers.sides));
}

void kv_begin(void) {
	while (opened) {
		struct open_kv *gone = opened;
		opened = gone->next;
		free(gone);
	}
	drop_waiting(NULL);
}
