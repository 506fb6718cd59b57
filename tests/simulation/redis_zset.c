/* Sorted sets of the Redis in memory: an array in order, which is enough for some hundred members. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "redis_inside.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"

static bool is_word(struct slice word, const char *name) {
	return (word.bytes[0] | 32) == (name[0] | 32) && word.length == strlen(name) &&
	       strncasecmp(word.bytes, name, word.length) == 0;
}

static double number(struct slice word) {
	char text[64];
	snprintf(text, sizeof(text), "%.*s", (int)word.length, word.bytes);
	return is_word(word, "-inf")                           ? -INFINITY
	       : is_word(word, "+inf") || is_word(word, "inf") ? INFINITY
	                                                       : strtod(text, NULL);
}

static int compare(const struct zset_item *item, double score, struct slice member) {
	if (item->score != score)
		return item->score < score ? -1 : 1;
	size_t least = item->length < member.length ? item->length : member.length;
	int order = memcmp(item->member, member.bytes, least);
	return order ? order : (item->length > member.length) - (item->length < member.length);
}

static ptrdiff_t place_of(const struct value *zset, struct slice member) {
	for (size_t i = 0; zset && i < zset->zset_count; i++)
		if (zset->zset[i].length == member.length && memcmp(zset->zset[i].member, member.bytes, member.length) == 0)
			return (ptrdiff_t)i;
	return -1;
}

static void take_out(struct value *zset, size_t at) {
	memmove(zset->zset + at, zset->zset + at + 1, (--zset->zset_count - at) * sizeof(*zset->zset));
}

static void put_in(struct value *zset, struct zset_item item) {
	struct slice member = { item.member, item.length };
	size_t low = 0, high = zset->zset_count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (compare(&zset->zset[middle], item.score, member) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (zset->zset_count == zset->zset_capacity) {
		zset->zset_capacity = zset->zset_capacity ? zset->zset_capacity * 2 : 8;
		zset->zset = memory_resize(zset->zset, zset->zset_capacity, sizeof(*zset->zset));
	}
	memmove(zset->zset + low + 1, zset->zset + low, (zset->zset_count++ - low) * sizeof(*zset->zset));
	zset->zset[low] = item;
}

static struct kv_reply zadd(struct redis *redis, const struct slice *words, size_t count) {
	struct value *zset = key_make(redis, words[1], VALUE_ZSET);
	int64_t added = 0;
	for (size_t i = 2; i + 1 < count; i += 2) {
		ptrdiff_t at = place_of(zset, words[i + 1]);
		struct zset_item item = { number(words[i]), NULL, words[i + 1].length };
		if (at >= 0) {
			item.member = zset->zset[at].member;
			take_out(zset, (size_t)at);
		} else {
			item.member = memory_copy(words[i + 1].bytes, words[i + 1].length);
			added++;
		}
		put_in(zset, item);
	}
	return reply_int(added);
}

static struct kv_reply zrem(struct redis *redis, const struct slice *words, size_t count) {
	struct value *zset = key_get(redis, words[1]);
	int64_t gone = 0;
	if (!zset)
		return reply_int(0);
	for (size_t i = 2; i < count; i++) {
		ptrdiff_t at = place_of(zset, words[i]);
		if (at < 0)
			continue;
		free(zset->zset[at].member);
		take_out(zset, (size_t)at);
		gone++;
	}
	key_remove_if_empty(redis, words[1], zset);
	return reply_int(gone);
}

static struct kv_reply items(const struct value *zset, size_t from, size_t to, bool scores) {
	size_t width = scores ? 2 : 1;
	struct kv_reply list = reply_list(from < to ? (to - from) * width : 0);
	for (size_t i = from; i < to; i++) {
		list.items[(i - from) * width] = reply_copy((struct slice){ zset->zset[i].member, zset->zset[i].length });
		if (scores)
			list.items[(i - from) * width + 1] = reply_double(zset->zset[i].score);
	}
	return list;
}

static struct kv_reply zrange(struct redis *redis, const struct slice *words, size_t count) {
	const struct value *zset = key_get(redis, words[1]);
	int64_t length = zset ? (int64_t)zset->zset_count : 0;
	int64_t start = slice_int(words[2], 0), end = slice_int(words[3], -1);
	start = start < 0 ? start + length : start;
	end = end < 0 ? end + length : end;
	start = start < 0 ? 0 : start;
	end = end >= length ? length - 1 : end;
	return items(zset, (size_t)start, end < start ? (size_t)start : (size_t)end + 1,
	             count > 4 && is_word(words[4], "WITHSCORES"));
}

static void remove_first(struct redis *redis, struct slice key, struct value *zset, size_t count) {
	for (size_t i = 0; i < count; i++)
		free(zset->zset[i].member);
	memmove(zset->zset, zset->zset + count, (zset->zset_count - count) * sizeof(*zset->zset));
	zset->zset_count -= count;
	key_remove_if_empty(redis, key, zset);
}

static struct kv_reply zpopmin(struct redis *redis, const struct slice *words, size_t count) {
	struct value *zset = key_get(redis, words[1]);
	size_t most = count > 2 ? (size_t)slice_int(words[2], 1) : 1;
	if (!zset)
		return reply_list(0);
	most = most < zset->zset_count ? most : zset->zset_count;
	struct kv_reply list = items(zset, 0, most, true);
	remove_first(redis, words[1], zset, most);
	return list;
}

/* From the first on, as the scripts call it. */
static struct kv_reply zremrangebyrank(struct redis *redis, const struct slice *words, size_t count) {
	struct value *zset = key_get(redis, words[1]);
	size_t last = (size_t)slice_int(words[3], -1);
	(void)count;
	must(slice_int(words[2], -1) == 0);
	if (!zset)
		return reply_int(0);
	size_t most = last + 1 < zset->zset_count ? last + 1 : zset->zset_count;
	remove_first(redis, words[1], zset, most);
	return reply_int((int64_t)most);
}

/* The places [from, to) whose scores lie between two words. */
static void range(const struct value *zset, const struct slice *words, size_t *from, size_t *to) {
	double least = number(words[2]), most = number(words[3]);
	*from = *to = 0;
	for (size_t i = 0; zset && i < zset->zset_count; i++) {
		*from += zset->zset[i].score < least;
		*to += zset->zset[i].score <= most;
	}
}

static struct kv_reply zrangebyscore(struct redis *redis, const struct slice *words, size_t count) {
	const struct value *zset = key_get(redis, words[1]);
	size_t from, to;
	range(zset, words, &from, &to);
	for (size_t i = 4; i + 2 < count; i++) {
		if (!is_word(words[i], "LIMIT"))
			continue;
		size_t most = (size_t)slice_int(words[i + 2], 0);
		from += (size_t)slice_int(words[i + 1], 0);
		to = from + most < to ? from + most : to;
	}
	return items(zset, from, to, false);
}

static struct kv_reply zcount(struct redis *redis, const struct slice *words, size_t count) {
	size_t from, to;
	(void)count;
	range(key_get(redis, words[1]), words, &from, &to);
	return reply_int(from < to ? (int64_t)(to - from) : 0);
}

static struct kv_reply zscore(struct redis *redis, const struct slice *words, size_t count) {
	const struct value *zset = key_get(redis, words[1]);
	ptrdiff_t at = place_of(zset, words[2]);
	(void)count;
	return at < 0 ? reply_nil() : reply_double(zset->zset[at].score);
}

static struct kv_reply zrank(struct redis *redis, const struct slice *words, size_t count) {
	ptrdiff_t at = place_of(key_get(redis, words[1]), words[2]);
	(void)count;
	return at < 0 ? reply_nil() : reply_int(at);
}

static struct kv_reply zcard(struct redis *redis, const struct slice *words, size_t count) {
	const struct value *zset = key_get(redis, words[1]);
	(void)count;
	return reply_int(zset ? (int64_t)zset->zset_count : 0);
}

struct kv_reply redis_zset(struct redis *redis, const struct slice *words, size_t count) {
	static const struct {
		const char *name;
		redis_function *run;
	} commands[] = { { "ZADD", zadd },     { "ZREM", zrem },
		             { "ZRANGE", zrange }, { "ZPOPMIN", zpopmin },
		             { "ZSCORE", zscore }, { "ZRANGEBYSCORE", zrangebyscore },
		             { "ZCARD", zcard },   { "ZCOUNT", zcount },
		             { "ZRANK", zrank },   { "ZREMRANGEBYRANK", zremrangebyrank } };
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (is_word(words[0], commands[i].name))
			return commands[i].run(redis, words, count);
	log_error("the Redis in memory does not know this command", "command", words[0].bytes, NULL);
	abort();
}
