/* Commands of the Redis in memory: keys, strings, hashes. The others are in redis_zset.c and redis_list.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "redis_inside.h"

static const struct value *hash_of_key(struct redis *redis, struct slice key) {
	const struct value *value = key_get(redis, key);
	must(!value || value->kind == VALUE_HASH);
	return value;
}

static struct kv_reply field(const struct value *hash, struct slice name) {
	const struct dict_item *item = hash ? dict_get(&hash->hash, name) : NULL;
	return item ? reply_copy((struct slice){ item->bytes, item->length }) : reply_nil();
}

static struct kv_reply hmget(struct redis *redis, const struct slice *words, size_t count) {
	const struct value *hash = hash_of_key(redis, words[1]);
	struct kv_reply list = reply_list(count - 2);
	for (size_t i = 2; i < count; i++)
		list.items[i - 2] = field(hash, words[i]);
	return list;
}

static struct kv_reply hget(struct redis *redis, const struct slice *words, size_t count) {
	(void)count;
	return field(hash_of_key(redis, words[1]), words[2]);
}

static struct kv_reply hset(struct redis *redis, const struct slice *words, size_t count) {
	struct value *hash = key_make(redis, words[1], VALUE_HASH);
	int64_t added = 0;
	bool is_new;
	for (size_t i = 2; i + 1 < count; i += 2) {
		dict_set(dict_put(&hash->hash, words[i], &is_new), words[i + 1]);
		added += is_new;
	}
	return reply_int(added);
}

static struct kv_reply hsetnx(struct redis *redis, const struct slice *words, size_t count) {
	const struct value *hash = hash_of_key(redis, words[1]);
	if (hash && dict_get(&hash->hash, words[2]))
		return reply_int(0);
	return hset(redis, words, count);
}

static struct kv_reply hdel(struct redis *redis, const struct slice *words, size_t count) {
	struct value *hash = key_get(redis, words[1]);
	int64_t gone = 0;
	if (!hash)
		return reply_int(0);
	for (size_t i = 2; i < count; i++)
		gone += dict_remove(&hash->hash, words[i]);
	key_remove_if_empty(redis, words[1], hash);
	return reply_int(gone);
}

static struct kv_reply hexists(struct redis *redis, const struct slice *words, size_t count) {
	const struct value *hash = hash_of_key(redis, words[1]);
	(void)count;
	return reply_int(hash && dict_get(&hash->hash, words[2]));
}

static struct kv_reply hincrby(struct redis *redis, const struct slice *words, size_t count) {
	struct value *hash = key_make(redis, words[1], VALUE_HASH);
	bool is_new;
	char digits[24];
	(void)count;
	struct dict_item *item = dict_put(&hash->hash, words[2], &is_new);
	int64_t sum = (is_new ? 0 : slice_int((struct slice){ item->bytes, item->length }, 0)) + slice_int(words[3], 0);
	snprintf(digits, sizeof(digits), "%lld", (long long)sum);
	dict_set(item, slice_of(digits));
	return reply_int(sum);
}

static struct kv_reply hash_all(const struct value *hash, bool names, bool values) {
	struct kv_reply list = reply_list(hash ? hash->hash.count * (size_t)(names + values) : 0);
	size_t at = 0, i = 0;
	for (const struct dict_item *item; hash && (item = dict_next(&hash->hash, &at));) {
		if (names)
			list.items[i++] = reply_copy((struct slice){ item->key, item->key_length });
		if (values)
			list.items[i++] = reply_copy((struct slice){ item->bytes, item->length });
	}
	return list;
}

static struct kv_reply hkeys(struct redis *redis, const struct slice *words, size_t count) {
	(void)count;
	return hash_all(hash_of_key(redis, words[1]), true, false);
}

static struct kv_reply hvals(struct redis *redis, const struct slice *words, size_t count) {
	(void)count;
	return hash_all(hash_of_key(redis, words[1]), false, true);
}

static struct kv_reply hgetall(struct redis *redis, const struct slice *words, size_t count) {
	(void)count;
	return hash_all(hash_of_key(redis, words[1]), true, true);
}

static struct kv_reply hlen(struct redis *redis, const struct slice *words, size_t count) {
	const struct value *hash = hash_of_key(redis, words[1]);
	(void)count;
	return reply_int(hash ? (int64_t)hash->hash.count : 0);
}

static struct kv_reply page(struct kv_reply all) {
	struct kv_reply reply = reply_list(2);
	reply.items[0] = reply_copy(SLICE("0"));
	reply.items[1] = all;
	return reply;
}

/* All at once, as Redis does for small ones: COUNT is a hint. */
static struct kv_reply hscan(struct redis *redis, const struct slice *words, size_t count) {
	(void)count;
	return page(hash_all(hash_of_key(redis, words[1]), true, true));
}

/* Only "prefix*", in which nothing but the last character is special. */
static struct kv_reply scan(struct redis *redis, const struct slice *words, size_t count) {
	struct slice prefix = SLICE("*");
	for (size_t i = 2; i + 1 < count; i++)
		if (words[i].length == 5 && strncasecmp(words[i].bytes, "MATCH", 5) == 0)
			prefix = words[i + 1];
	prefix.length--;
	struct kv_reply all = reply_list(redis->keys.count);
	size_t at = 0, found = 0;
	for (const struct dict_item *item; (item = dict_next(&redis->keys, &at));)
		if (item->key_length >= prefix.length && memcmp(item->key, prefix.bytes, prefix.length) == 0)
			all.items[found++] = reply_copy((struct slice){ item->key, item->key_length });
	all.count = found;
	return page(all);
}

static struct kv_reply exists(struct redis *redis, const struct slice *words, size_t count) {
	int64_t found = 0;
	for (size_t i = 1; i < count; i++)
		found += key_get(redis, words[i]) != NULL;
	return reply_int(found);
}

static struct kv_reply del(struct redis *redis, const struct slice *words, size_t count) {
	int64_t gone = 0;
	for (size_t i = 1; i < count; i++) {
		if (!key_get(redis, words[i]))
			continue;
		key_remove(redis, words[i]);
		gone++;
	}
	return reply_int(gone);
}

static struct kv_reply string_at(struct redis *redis, struct slice key) {
	const struct value *value = key_get(redis, key);
	must(!value || value->kind == VALUE_STRING);
	return value ? reply_copy((struct slice){ value->string.bytes, value->string.length }) : reply_nil();
}

static struct kv_reply get(struct redis *redis, const struct slice *words, size_t count) {
	(void)count;
	return string_at(redis, words[1]);
}

static struct kv_reply mget(struct redis *redis, const struct slice *words, size_t count) {
	struct kv_reply list = reply_list(count - 1);
	for (size_t i = 1; i < count; i++)
		list.items[i - 1] = string_at(redis, words[i]);
	return list;
}

static bool is_word(struct slice word, const char *name) {
	return (word.bytes[0] | 32) == (name[0] | 32) && word.length == strlen(name) &&
	       strncasecmp(word.bytes, name, word.length) == 0;
}

static struct kv_reply set(struct redis *redis, const struct slice *words, size_t count) {
	bool there = key_get(redis, words[1]) != NULL;
	int64_t ttl_us = 0;
	for (size_t i = 3; i < count; i++) {
		if ((is_word(words[i], "NX") && there) || (is_word(words[i], "XX") && !there))
			return reply_nil();
		if (i + 1 < count && is_word(words[i], "PX"))
			ttl_us = slice_int(words[i + 1], 0) * 1000;
		if (i + 1 < count && is_word(words[i], "EX"))
			ttl_us = slice_int(words[i + 1], 0) * 1000000;
	}
	key_remove(redis, words[1]);
	struct value *value = key_make(redis, words[1], VALUE_STRING);
	text_append(&value->string, words[2].bytes, words[2].length);
	value->expires_us = ttl_us ? redis->wall_us() + ttl_us : 0;
	return reply_status("OK");
}

static struct kv_reply append(struct redis *redis, const struct slice *words, size_t count) {
	struct value *value = key_make(redis, words[1], VALUE_STRING);
	(void)count;
	text_append(&value->string, words[2].bytes, words[2].length);
	return reply_int((int64_t)value->string.length);
}

static struct kv_reply getrange(struct redis *redis, const struct slice *words, size_t count) {
	const struct value *value = key_get(redis, words[1]);
	int64_t length = value ? (int64_t)value->string.length : 0;
	int64_t start = slice_int(words[2], 0), end = slice_int(words[3], -1);
	(void)count;
	start = start < 0 ? start + length : start;
	end = end < 0 ? end + length : end;
	start = start < 0 ? 0 : start;
	end = end >= length ? length - 1 : end;
	if (start > end || length == 0)
		return reply_text(SLICE(""));
	return reply_copy((struct slice){ value->string.bytes + start, (size_t)(end - start + 1) });
}

static struct kv_reply pexpire(struct redis *redis, const struct slice *words, size_t count) {
	struct value *value = key_get(redis, words[1]);
	(void)count;
	if (!value)
		return reply_int(0);
	value->expires_us = redis->wall_us() + slice_int(words[2], 0) * 1000;
	return reply_int(1);
}

static struct kv_reply time_now(struct redis *redis, const struct slice *words, size_t count) {
	struct kv_reply reply = reply_list(2);
	int64_t now = redis->wall_us();
	(void)words;
	(void)count;
	int64_t seconds = now / 1000000, microseconds = now % 1000000;
	reply.items[0] = reply_double((double)seconds);
	reply.items[1] = reply_double((double)microseconds);
	return reply;
}

static struct kv_reply info(struct redis *redis, const struct slice *words, size_t count) {
	(void)redis;
	(void)words;
	(void)count;
	return reply_text(SLICE("# Memory\r\nused_memory:1000000\r\n"));
}

static struct kv_reply flushall(struct redis *redis, const struct slice *words, size_t count) {
	(void)words;
	(void)count;
	redis_flush(redis);
	return reply_status("OK");
}

static const struct {
	const char *name;
	redis_function *run;
} commands[] = {
	{ "HMGET", hmget },       { "HGET", hget },       { "HSET", hset },       { "HSETNX", hsetnx },
	{ "HDEL", hdel },         { "HEXISTS", hexists }, { "HINCRBY", hincrby }, { "HKEYS", hkeys },
	{ "HVALS", hvals },       { "HGETALL", hgetall }, { "HLEN", hlen },       { "HSCAN", hscan },
	{ "SCAN", scan },         { "EXISTS", exists },   { "DEL", del },         { "UNLINK", del },
	{ "GET", get },           { "MGET", mget },       { "SET", set },         { "APPEND", append },
	{ "GETRANGE", getrange }, { "PEXPIRE", pexpire }, { "TIME", time_now },   { "INFO", info },
	{ "FLUSHALL", flushall },
};

struct kv_reply redis_run(struct redis *redis, const struct slice *words, size_t count) {
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (is_word(words[0], commands[i].name))
			return commands[i].run(redis, words, count);
	char letter = words[0].bytes[0];
	return letter == 'Z'   ? redis_zset(redis, words, count)
	       : letter == 'X' ? redis_stream(redis, words, count)
	                       : redis_list(redis, words, count);
}

const struct kv_reply *redis_command(struct redis *redis, const struct slice *words, size_t count) {
	static struct kv_reply reply;
	replies_release(0);
	reply = redis_run(redis, words, count);
	return &reply;
}
