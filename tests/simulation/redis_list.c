/* Lists and streams of the Redis in memory. A stream's ids are "<number>-0", which is all that we write. */
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

static _Noreturn void unknown(struct slice word) {
	log_error("the Redis in memory does not know this command", "command", word.bytes, NULL);
	abort();
}

/* Places [*from, *to) for a range that may count from the end. */
static void list_range(const struct value *list, const struct slice *words, int64_t *from, int64_t *to) {
	int64_t length = list ? (int64_t)list->list_count : 0;
	*from = slice_int(words[2], 0);
	*to = slice_int(words[3], -1);
	*from = *from < 0 ? *from + length : *from;
	*to = (*to < 0 ? *to + length : *to) + 1;
	*from = *from < 0 ? 0 : *from > length ? length : *from;
	*to = *to > length ? length : *to < *from ? *from : *to;
}

static struct kv_reply lrange(struct redis *redis, const struct slice *words) {
	const struct value *list = key_get(redis, words[1]);
	int64_t from, to;
	list_range(list, words, &from, &to);
	struct kv_reply reply = reply_list((size_t)(to - from));
	for (int64_t i = from; i < to; i++)
		reply.items[i - from] = reply_copy(list->list[i]);
	return reply;
}

static struct kv_reply ltrim(struct redis *redis, const struct slice *words) {
	struct value *list = key_get(redis, words[1]);
	int64_t from, to;
	if (!list)
		return reply_status("OK");
	list_range(list, words, &from, &to);
	for (int64_t i = 0; i < (int64_t)list->list_count; i++)
		if (i < from || i >= to)
			free((char *)(uintptr_t)list->list[i].bytes);
	memmove(list->list, list->list + from, (size_t)(to - from) * sizeof(*list->list));
	list->list_count = (size_t)(to - from);
	key_remove_if_empty(redis, words[1], list);
	return reply_status("OK");
}

static struct kv_reply rpush(struct redis *redis, const struct slice *words, size_t count) {
	struct value *list = key_make(redis, words[1], VALUE_LIST);
	if (list->list_count + count > list->list_capacity) {
		list->list_capacity = list->list_capacity * 2 + count;
		list->list = memory_resize(list->list, list->list_capacity, sizeof(*list->list));
	}
	for (size_t i = 2; i < count; i++)
		list->list[list->list_count++] =
			(struct slice){ memory_copy(words[i].bytes, words[i].length), words[i].length };
	return reply_int((int64_t)list->list_count);
}

struct kv_reply redis_list(struct redis *redis, const struct slice *words, size_t count) {
	if (is_word(words[0], "LRANGE"))
		return lrange(redis, words);
	if (is_word(words[0], "LTRIM"))
		return ltrim(redis, words);
	if (is_word(words[0], "RPUSH"))
		return rpush(redis, words, count);
	if (!is_word(words[0], "LLEN"))
		unknown(words[0]);
	const struct value *list = key_get(redis, words[1]);
	return reply_int(list ? (int64_t)list->list_count : 0);
}

/* ---- streams ---- */

void stream_entry_release(struct stream_entry *entry) {
	for (size_t f = 0; f < entry->field_count; f++)
		free((char *)(uintptr_t)entry->fields[f].bytes);
	free(entry->fields);
}

static uint64_t stream_id(struct slice word, uint64_t otherwise) {
	char text[40];
	if (is_word(word, "-") || is_word(word, "+"))
		return otherwise;
	snprintf(text, sizeof(text), "%.*s", (int)word.length, word.bytes);
	return strtoull(text, NULL, 10);
}

static struct kv_reply xadd(struct redis *redis, const struct slice *words, size_t count) {
	must(count >= 5 && count % 2 == 1);
	struct value *stream = key_make(redis, words[1], VALUE_STREAM);
	struct stream_entry entry = { .id = stream_id(words[2], 0), .field_count = count - 3 };
	if (entry.id <= stream->last_id)
		return reply_error("ERR The ID specified in XADD is equal or smaller than the target stream top item");
	entry.fields = memory_array(entry.field_count, sizeof(*entry.fields));
	for (size_t f = 0; f < entry.field_count; f++)
		entry.fields[f] = (struct slice){ memory_copy(words[3 + f].bytes, words[3 + f].length), words[3 + f].length };
	if (stream->stream_count == stream->stream_capacity) {
		stream->stream_capacity = stream->stream_capacity ? stream->stream_capacity * 2 : 16;
		stream->stream = memory_resize(stream->stream, stream->stream_capacity, sizeof(*stream->stream));
	}
	stream->stream[stream->stream_count++] = entry;
	stream->last_id = entry.id;
	return reply_copy(words[2]);
}

static struct kv_reply entry_reply(const struct stream_entry *entry) {
	char id[40];
	struct kv_reply reply = reply_list(2), fields = reply_list(entry->field_count);
	snprintf(id, sizeof(id), "%llu-0", (unsigned long long)entry->id);
	for (size_t f = 0; f < entry->field_count; f++)
		fields.items[f] = reply_copy(entry->fields[f]);
	reply.items[0] = reply_copy(slice_of(id));
	reply.items[1] = fields;
	return reply;
}

static struct kv_reply entries(const struct value *stream, uint64_t from, uint64_t to, size_t most) {
	size_t first = 0, count = 0;
	while (stream && first < stream->stream_count && stream->stream[first].id < from)
		first++;
	while (stream && first + count < stream->stream_count && stream->stream[first + count].id <= to && count < most)
		count++;
	struct kv_reply list = reply_list(count);
	for (size_t i = 0; i < count; i++)
		list.items[i] = entry_reply(&stream->stream[first + i]);
	return list;
}

static struct kv_reply xtrim(struct redis *redis, const struct slice *words) {
	struct value *stream = key_get(redis, words[1]);
	uint64_t least = stream_id(words[3], 0);
	size_t gone = 0;
	must(is_word(words[2], "MINID"));
	while (stream && gone < stream->stream_count && stream->stream[gone].id < least)
		stream_entry_release(&stream->stream[gone++]);
	if (gone) {
		stream->stream_count -= gone;
		memmove(stream->stream, stream->stream + gone, stream->stream_count * sizeof(*stream->stream));
	}
	return reply_int((int64_t)gone);
}

/* XREAD COUNT n BLOCK ms STREAMS key id */
static struct kv_reply xread(struct redis *redis, const struct slice *words, size_t count) {
	must(count == 8 && is_word(words[1], "COUNT") && is_word(words[5], "STREAMS"));
	struct kv_reply found =
		entries(key_get(redis, words[6]), stream_id(words[7], 0) + 1, UINT64_MAX, (size_t)slice_int(words[2], 1));
	if (found.count == 0)
		return reply_nil();
	struct kv_reply reply = reply_list(1), of_key = reply_list(2);
	of_key.items[0] = reply_copy(words[6]);
	of_key.items[1] = found;
	reply.items[0] = of_key;
	return reply;
}

struct kv_reply redis_stream(struct redis *redis, const struct slice *words, size_t count) {
	if (is_word(words[0], "XADD"))
		return xadd(redis, words, count);
	if (is_word(words[0], "XTRIM"))
		return xtrim(redis, words);
	if (is_word(words[0], "XREAD"))
		return xread(redis, words, count);
	const struct value *stream = key_get(redis, words[1]);
	if (is_word(words[0], "XLEN"))
		return reply_int(stream ? (int64_t)stream->stream_count : 0);
	if (!is_word(words[0], "XRANGE"))
		unknown(words[0]);
	return entries(stream, stream_id(words[2], 0), stream_id(words[3], UINT64_MAX), SIZE_MAX);
}
