/* The connection to Redis: made, greeted (AUTH, CLIENT SETNAME, SELECT), watched, dropped, made again. hiredis 0.14 knows
 * no TLS and no RESP3, so neither is used. What is sent in a turn leaves in one write at its end. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../base/clock.h"
#include "../base/id.h"
#include "../base/log.h"
#include "../base/memory.h"
#include "kv_inside.h"

enum { BACKOFF_FIRST_US = 50000, BACKOFF_MOST_US = 2000000, GREETING_LIMIT_US = 5000000 };

static void notify(struct kv *kv, bool connected) {
	if (kv->changed)
		kv->changed(kv->changed_context, connected);
}

static void watch(struct kv *kv, bool also_write);

static void on_ready(void *context, int fd, int events) {
	struct kv *kv = context;
	redisAsyncContext *link = kv->link;
	if (!link || fd != kv->watched_fd)
		return;
	if (events & LOOP_READ)
		redisAsyncHandleRead(link);
	if (kv->link == link && (events & LOOP_WRITE))
		redisAsyncHandleWrite(link);
	if (kv->link == link && kv->watches_write != kv->wants_write && !kv->wants_write)
		watch(kv, false);
}

static void watch(struct kv *kv, bool also_write) {
	kv->watches_write = also_write;
	loop_watch(kv->loop, kv->watched_fd, also_write ? LOOP_READ | LOOP_WRITE : LOOP_READ, on_ready, kv);
}

/* hiredis's hooks; privdata is the kv. Reading is always watched. */
static void hook_read(void *privdata) {
	(void)privdata;
}

void kv_link_wants_write(struct kv *kv) {
	if (!kv->wants_write && kv->flushed_at_mono_us == loop_now(kv->loop))
		loop_again(kv->loop); /* this turn's flush is over already */
	kv->wants_write = true;
}

static void hook_add_write(void *privdata) {
	kv_link_wants_write(privdata);
}

static void hook_del_write(void *privdata) {
	((struct kv *)privdata)->wants_write = false;
}

static void hook_cleanup(void *privdata) {
	struct kv *kv = privdata;
	if (kv->watched_fd >= 0)
		loop_watch(kv->loop, kv->watched_fd, 0, NULL, NULL);
	kv->watched_fd = -1;
}

void kv_link_flush(struct kv *kv) {
	kv->flushed_at_mono_us = loop_now(kv->loop);
	if (!kv->link || !kv->wants_write || kv->watches_write)
		return;
	redisAsyncContext *link = kv->link;
	redisAsyncHandleWrite(link);
	if (kv->link == link && kv->wants_write)
		watch(kv, true);
}

static void plan_reconnect(struct kv *kv) {
	int64_t wait_us = kv->backoff_us / 2 + (int64_t)(id_random() % (uint64_t)kv->backoff_us);
	kv->backoff_us = kv->backoff_us * 2 < BACKOFF_MOST_US ? kv->backoff_us * 2 : BACKOFF_MOST_US;
	kv->reconnect = loop_timer_start(kv->loop, clock_mono_us() + wait_us, kv_link_connect, kv);
}

void kv_link_lost(struct kv *kv, const char *why) {
	if (kv->state == KV_DOWN)
		return;
	bool was_up = kv->state == KV_UP;
	kv->state = KV_DOWN;
	kv->link = NULL;
	kv->wants_write = kv->watches_write = false;
	loop_timer_stop(kv->loop, &kv->greeting_limit);
	if (kv->closing)
		return;
	if (was_up || kv->backoff_us == BACKOFF_FIRST_US)
		log_warn("redis is away; calls fail until it is back", "host", kv->url.host, "port", log_int(kv->url.port),
		         "reason", why, NULL);
	plan_reconnect(kv);
	kv_calls_lost(kv);
	if (was_up)
		notify(kv, false);
}

void kv_link_drop(struct kv *kv, const char *why) {
	redisAsyncContext *link = kv->link;
	kv_link_lost(kv, why);
	if (link)
		redisAsyncFree(link);
}

static void greeting_late(void *context) {
	struct kv *kv = context;
	kv->greeting_limit = NULL;
	kv_link_drop(kv, "no answer while connecting");
}

static void on_connect(const redisAsyncContext *link, int status) {
	struct kv *kv = link->data;
	if (status != REDIS_OK)
		kv_link_lost(kv, link->errstr ? link->errstr : "connection refused");
}

static void on_disconnect(const redisAsyncContext *link, int status) {
	struct kv *kv = link->data;
	if (kv->link == link)
		kv_link_lost(kv, status == REDIS_OK ? "closed" : link->errstr);
}

static void on_greeted(redisAsyncContext *link, void *raw, void *privdata) {
	struct kv *kv = link->data;
	const redisReply *reply = raw;
	bool last = privdata != NULL;
	if (kv->link != link)
		return;
	if (!reply) {
		kv_link_lost(kv, link->errstr && *link->errstr ? link->errstr : "connection lost");
		return;
	}
	if (reply->type == REDIS_REPLY_ERROR) {
		kv_link_drop(kv, reply->str);
		return;
	}
	if (!last)
		return;
	loop_timer_stop(kv->loop, &kv->greeting_limit);
	kv->state = KV_UP;
	kv->backoff_us = BACKOFF_FIRST_US;
	log_info("redis is connected", "host", kv->url.host, "port", log_int(kv->url.port), NULL);
	notify(kv, true);
}

static void ignore_reply(redisAsyncContext *link, void *raw, void *privdata) {
	(void)link;
	(void)raw;
	(void)privdata;
}

static void send_words(struct kv *kv, redisCallbackFn *done, void *context, int count, const char **words) {
	(void)redisAsyncCommandArgv(kv->link, done, context, count, words, NULL);
}

/* A name may hold no space: CLIENT SETNAME refuses it, which harms nobody. */
static void greet(struct kv *kv) {
	char database[16];
	struct text number = { 0 };
	text_add_int(&number, kv->database);
	memcpy(database, number.bytes, number.length + 1);
	text_release(&number);
	if (*kv->url.password && *kv->url.user)
		send_words(kv, on_greeted, NULL, 3, (const char *[]){ "AUTH", kv->url.user, kv->url.password });
	else if (*kv->url.password)
		send_words(kv, on_greeted, NULL, 2, (const char *[]){ "AUTH", kv->url.password });
	send_words(kv, ignore_reply, NULL, 3, (const char *[]){ "CLIENT", "SETNAME", kv->name });
	if (kv->database)
		send_words(kv, on_greeted, NULL, 2, (const char *[]){ "SELECT", database });
	send_words(kv, on_greeted, kv, 1, (const char *[]){ "PING" });
}

static void attach(struct kv *kv, redisAsyncContext *link) {
	int on = 1;
	kv->link = link;
	kv->watched_fd = link->c.fd;
	link->data = kv;
	link->ev.data = kv;
	link->ev.addRead = hook_read;
	link->ev.delRead = hook_read;
	link->ev.addWrite = hook_add_write;
	link->ev.delWrite = hook_del_write;
	link->ev.cleanup = hook_cleanup;
	if (!strcmp(kv->url.scheme, "redis"))
		(void)setsockopt(link->c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)redisAsyncSetConnectCallback(link, on_connect);
	(void)redisAsyncSetDisconnectCallback(link, on_disconnect);
	watch(kv, true); /* writable: connected, or refused */
}

void kv_link_connect(void *context) {
	struct kv *kv = context;
	kv->reconnect = NULL;
	kv->state = KV_CONNECTING;
	redisAsyncContext *link = strcmp(kv->url.scheme, "unix") == 0 ? redisAsyncConnectUnix(kv->url.path)
	                                                              : redisAsyncConnect(kv->url.host, kv->url.port);
	must(link != NULL);
	if (link->err) {
		kv_link_lost(kv, link->errstr);
		redisAsyncFree(link);
		return;
	}
	attach(kv, link);
	kv->greeting_limit = loop_timer_start(kv->loop, clock_mono_us() + GREETING_LIMIT_US, greeting_late, kv);
	greet(kv);
}

void kv_link_close(struct kv *kv) {
	redisAsyncContext *link = kv->link;
	loop_timer_stop(kv->loop, &kv->reconnect);
	kv_link_lost(kv, "closed");
	if (link)
		redisAsyncFree(link);
}
