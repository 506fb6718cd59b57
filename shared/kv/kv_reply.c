/* Readers of Redis's answers that never fail: what is not there reads as nil, "" or 0. */
#include <hiredis/hiredis.h>

#include "kv.h"

static const redisReply *native(const struct kv_reply *reply) {
	return (const redisReply *)(const void *)reply;
}

size_t kv_count(const struct kv_reply *reply) {
	const redisReply *array = native(reply);
	return array && array->type == REDIS_REPLY_ARRAY ? (size_t)array->elements : 0;
}

const struct kv_reply *kv_at(const struct kv_reply *reply, size_t index) {
	if (index >= kv_count(reply))
		return NULL;
	return (const struct kv_reply *)(const void *)native(reply)->element[index];
}

bool kv_is_nil(const struct kv_reply *reply) {
	return !reply || native(reply)->type == REDIS_REPLY_NIL;
}

struct slice kv_text(const struct kv_reply *reply) {
	const redisReply *text = native(reply);
	if (!text ||
	    (text->type != REDIS_REPLY_STRING && text->type != REDIS_REPLY_STATUS && text->type != REDIS_REPLY_ERROR))
		return (struct slice){ NULL, 0 };
	return (struct slice){ text->str, (size_t)text->len };
}

int64_t kv_int(const struct kv_reply *reply) {
	if (reply && native(reply)->type == REDIS_REPLY_INTEGER)
		return native(reply)->integer;
	struct slice text = kv_text(reply);
	return text.bytes ? slice_int(text, 0) : 0;
}
