/* The keys of a Redis in memory and their values: made, expired, removed, copied, written out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redis_inside.h"
#include "shared/base/memory.h"

static void value_free(struct value *value) {
	text_release(&value->string);
	dict_clear(&value->hash);
	for (size_t i = 0; i < value->zset_count; i++)
		free(value->zset[i].member);
	free(value->zset);
	for (size_t i = 0; i < value->list_count; i++)
		free((char *)(uintptr_t)value->list[i].bytes);
	free(value->list);
	for (size_t i = 0; i < value->stream_count; i++)
		stream_entry_release(&value->stream[i]);
	free(value->stream);
	free(value);
}

static struct value *value_copy(const struct value *from) {
	struct value *to = memory_new(sizeof(*to));
	*to = (struct value){ .kind = from->kind, .expires_us = from->expires_us, .last_id = from->last_id };
	if (from->string.length)
		text_append(&to->string, from->string.bytes, from->string.length);
	dict_copy(&to->hash, &from->hash);
	to->zset = memory_array(from->zset_count, sizeof(*to->zset));
	to->zset_count = to->zset_capacity = from->zset_count;
	for (size_t i = 0; i < from->zset_count; i++) {
		to->zset[i] = from->zset[i];
		to->zset[i].member = memory_copy(from->zset[i].member, from->zset[i].length);
	}
	to->list = memory_array(from->list_count, sizeof(*to->list));
	to->list_count = to->list_capacity = from->list_count;
	for (size_t i = 0; i < from->list_count; i++)
		to->list[i] = (struct slice){ slice_copy(from->list[i]), from->list[i].length };
	to->stream = memory_array(from->stream_count, sizeof(*to->stream));
	to->stream_count = to->stream_capacity = from->stream_count;
	for (size_t i = 0; i < from->stream_count; i++) {
		to->stream[i] = from->stream[i];
		to->stream[i].fields = memory_array(from->stream[i].field_count, sizeof(*to->stream[i].fields));
		for (size_t f = 0; f < from->stream[i].field_count; f++)
			to->stream[i].fields[f] =
				(struct slice){ slice_copy(from->stream[i].fields[f]), from->stream[i].fields[f].length };
	}
	return to;
}

struct redis *redis_open(int64_t (*wall_us)(void)) {
	struct redis *redis = memory_new(sizeof(*redis));
	redis->wall_us = wall_us;
	return redis;
}

void redis_flush(struct redis *redis) {
	size_t at = 0;
	for (const struct dict_item *item; (item = dict_next(&redis->keys, &at));)
		value_free(item->object);
	dict_clear(&redis->keys);
}

void redis_close(struct redis **redis) {
	if (!*redis)
		return;
	redis_flush(*redis);
	free(*redis);
	*redis = NULL;
}

struct redis *redis_copy(const struct redis *redis) {
	struct redis *copy = redis_open(redis->wall_us);
	size_t at = 0;
	bool is_new;
	for (const struct dict_item *item; (item = dict_next(&redis->keys, &at));)
		dict_put(&copy->keys, (struct slice){ item->key, item->key_length }, &is_new)->object =
			value_copy(item->object);
	return copy;
}

void key_remove(struct redis *redis, struct slice key) {
	struct dict_item *item = dict_get(&redis->keys, key);
	if (!item)
		return;
	value_free(item->object);
	dict_remove(&redis->keys, key);
}

struct value *key_get(struct redis *redis, struct slice key) {
	struct dict_item *item = dict_get(&redis->keys, key);
	struct value *value = item ? item->object : NULL;
	if (value && value->expires_us && value->expires_us <= redis->wall_us()) {
		key_remove(redis, key);
		return NULL;
	}
	return value;
}

struct value *key_make(struct redis *redis, struct slice key, enum value_kind kind) {
	struct value *value = key_get(redis, key);
	bool is_new;
	if (!value) {
		value = memory_new(sizeof(*value));
		value->kind = kind;
		dict_put(&redis->keys, key, &is_new)->object = value;
	}
	must(value->kind == kind);
	return value;
}

void key_remove_if_empty(struct redis *redis, struct slice key, const struct value *value) {
	bool empty = (value->kind == VALUE_HASH && value->hash.count == 0) ||
	             (value->kind == VALUE_ZSET && value->zset_count == 0) ||
	             (value->kind == VALUE_LIST && value->list_count == 0);
	if (empty)
		key_remove(redis, key);
}

/* ---- writing it all out ---- */

static int by_text(const void *a, const void *b) {
	const struct text *x = a, *y = b;
	size_t least = x->length < y->length ? x->length : y->length;
	int order = least ? memcmp(x->bytes, y->bytes, least) : 0;
	return order ? order : (x->length > y->length) - (x->length < y->length);
}

static void dump_sorted(struct text *lines, size_t count, struct text *out) {
	qsort(lines, count, sizeof(*lines), by_text);
	for (size_t i = 0; i < count; i++) {
		text_append(out, lines[i].bytes, lines[i].length);
		text_add_char(out, '\n');
		text_release(&lines[i]);
	}
	free(lines);
}

static void dump_hash(const struct value *value, struct text *out) {
	struct text *lines = memory_array(value->hash.count, sizeof(*lines));
	size_t at = 0, count = 0;
	for (const struct dict_item *item; (item = dict_next(&value->hash, &at)); count++) {
		text_append(&lines[count], item->key, item->key_length);
		text_add_char(&lines[count], '=');
		text_append(&lines[count], item->bytes, item->length);
	}
	dump_sorted(lines, count, out);
}

static void dump_value(const struct value *value, struct text *out) {
	text_append(out, value->string.bytes, value->string.length);
	dump_hash(value, out);
	for (size_t i = 0; i < value->zset_count; i++) {
		text_append(out, value->zset[i].member, value->zset[i].length);
		text_printf(out, " %.17g\n", value->zset[i].score);
	}
	for (size_t i = 0; i < value->list_count; i++) {
		text_add_slice(out, value->list[i]);
		text_add_char(out, '\n');
	}
	for (size_t i = 0; i < value->stream_count; i++) {
		text_printf(out, "%llu-0", (unsigned long long)value->stream[i].id);
		for (size_t f = 0; f < value->stream[i].field_count; f++) {
			text_add_char(out, ' ');
			text_add_slice(out, value->stream[i].fields[f]);
		}
		text_add_char(out, '\n');
	}
}

void redis_dump(struct redis *redis, struct text *out) {
	struct text *lines = memory_array(redis->keys.count, sizeof(*lines));
	size_t at = 0, count = 0;
	for (const struct dict_item *item; (item = dict_next(&redis->keys, &at)); count++) {
		text_append(&lines[count], item->key, item->key_length);
		text_add_char(&lines[count], '\n');
		dump_value(item->object, &lines[count]);
	}
	dump_sorted(lines, count, out);
}
