/* What the files of the Redis in memory share. */
#ifndef CORDER_SIMULATION_REDIS_INSIDE_H
#define CORDER_SIMULATION_REDIS_INSIDE_H

#include "dict.h"
#include "redis.h"

enum value_kind { VALUE_STRING, VALUE_HASH, VALUE_ZSET, VALUE_LIST, VALUE_STREAM };

struct zset_item {
	double score;
	char *member;
	size_t length;
};

struct stream_entry {
	uint64_t id;          /* "<id>-0" */
	struct slice *fields; /* and their values, alternating; owned */
	size_t field_count;
};

struct value {
	enum value_kind kind;
	int64_t expires_us; /* 0: never */
	struct text string;
	struct dict hash;
	struct zset_item *zset; /* by score, then member */
	size_t zset_count, zset_capacity;
	struct slice *list; /* owned bytes */
	size_t list_count, list_capacity;
	struct stream_entry *stream;
	size_t stream_count, stream_capacity;
	uint64_t last_id;
};

void stream_entry_release(struct stream_entry *entry);

struct redis {
	struct dict keys; /* object: struct value */
	int64_t (*wall_us)(void);
};

/* redis_keys.c */
struct value *key_get(struct redis *redis, struct slice key);                        /* NULL: none, or expired */
struct value *key_make(struct redis *redis, struct slice key, enum value_kind kind); /* finds or makes it */
void key_remove(struct redis *redis, struct slice key);
void key_remove_if_empty(struct redis *redis, struct slice key, const struct value *value);

/* redis_reply.c: memory that lives until the next call from outside */
size_t replies_mark(void);
void replies_release(size_t mark);
void *reply_bytes(size_t count);
struct kv_reply reply_text(struct slice text); /* borrowed */
struct kv_reply reply_copy(struct slice text);
struct kv_reply reply_int(int64_t number);
struct kv_reply reply_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
struct kv_reply reply_status(const char *text);
struct kv_reply reply_nil(void);
struct kv_reply reply_list(size_t count);
struct kv_reply reply_double(double value);

/* One command: words[0] is its name. */
struct kv_reply redis_run(struct redis *redis, const struct slice *words, size_t count);
typedef struct kv_reply redis_function(struct redis *redis, const struct slice *words, size_t count);
redis_function redis_zset, redis_list, redis_stream; /* those whose name begins with Z, L or R, X */

#endif
