/* A hash table over a list of items; see dict.h. */
#include "dict.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/memory.h"

enum { FIRST_ITEMS = 8, SMALL = 8 };

static uint32_t hash_bytes(struct slice key) {
	uint32_t hash = 2166136261u;
	for (size_t i = 0; i < key.length; i++)
		hash = (hash ^ (unsigned char)key.bytes[i]) * 16777619u;
	return hash ^ hash >> 15;
}

static bool is_key(const struct dict_item *item, struct slice key, uint32_t hash) {
	return item->key && item->hash == hash && item->key_length == key.length &&
	       memcmp(item->key, key.bytes, key.length) == 0;
}

static void index_item(struct dict *dict, size_t place) {
	size_t mask = dict->index_size - 1, at = dict->items[place].hash & mask;
	while (dict->index[at])
		at = (at + 1) & mask;
	dict->index[at] = (uint32_t)place + 1;
}

/* Deleted items leave; all others keep their order. */
static void rebuild(struct dict *dict, size_t capacity) {
	size_t kept = 0;
	for (size_t i = 0; i < dict->used; i++)
		if (dict->items[i].key)
			dict->items[kept++] = dict->items[i];
	dict->used = kept;
	dict->items = memory_resize(dict->items, capacity, sizeof(*dict->items));
	dict->capacity = capacity;
	free(dict->index);
	dict->index = NULL;
	dict->index_size = 0;
	if (capacity <= SMALL)
		return;
	dict->index_size = capacity * 2;
	dict->index = memory_array(dict->index_size, sizeof(*dict->index));
	for (size_t i = 0; i < kept; i++)
		index_item(dict, i);
}

static struct dict_item *find(const struct dict *dict, struct slice key, uint32_t hash) {
	if (!dict->index) {
		for (size_t i = 0; i < dict->used; i++)
			if (is_key(&dict->items[i], key, hash))
				return &dict->items[i];
		return NULL;
	}
	size_t mask = dict->index_size - 1;
	for (size_t at = hash & mask; dict->index[at]; at = (at + 1) & mask)
		if (is_key(&dict->items[dict->index[at] - 1], key, hash))
			return &dict->items[dict->index[at] - 1];
	return NULL;
}

struct dict_item *dict_get(const struct dict *dict, struct slice key) {
	return dict->count ? find(dict, key, hash_bytes(key)) : NULL;
}

struct dict_item *dict_put(struct dict *dict, struct slice key, bool *is_new) {
	uint32_t hash = hash_bytes(key);
	struct dict_item *item = dict->count ? find(dict, key, hash) : NULL;
	*is_new = !item;
	if (item)
		return item;
	if (dict->used == dict->capacity)
		rebuild(dict, dict->count * 2 > dict->capacity || !dict->capacity
		                  ? (dict->capacity ? dict->capacity * 2 : FIRST_ITEMS)
		                  : dict->capacity);
	item = &dict->items[dict->used++];
	*item = (struct dict_item){ .key = memory_copy(key.bytes, key.length), .key_length = key.length, .hash = hash };
	dict->count++;
	if (dict->index)
		index_item(dict, dict->used - 1);
	return item;
}

void dict_set(struct dict_item *item, struct slice bytes) {
	if (item->bytes && item->length >= bytes.length) {
		memmove(item->bytes, bytes.bytes, bytes.length);
		item->bytes[bytes.length] = '\0';
	} else {
		char *copy = memory_copy(bytes.bytes, bytes.length);
		free(item->bytes);
		item->bytes = copy;
	}
	item->length = bytes.length;
}

bool dict_remove(struct dict *dict, struct slice key) {
	struct dict_item *item = dict_get(dict, key);
	if (!item)
		return false;
	free(item->key);
	free(item->bytes);
	*item = (struct dict_item){ .hash = item->hash };
	dict->count--;
	if (dict->count == 0)
		dict_clear(dict);
	return true;
}

void dict_clear(struct dict *dict) {
	for (size_t i = 0; i < dict->used; i++) {
		free(dict->items[i].key);
		free(dict->items[i].bytes);
	}
	free(dict->items);
	free(dict->index);
	*dict = (struct dict){ 0 };
}

void dict_copy(struct dict *to, const struct dict *from) {
	size_t at = 0;
	bool is_new;
	for (const struct dict_item *item; (item = dict_next(from, &at));)
		dict_set(dict_put(to, (struct slice){ item->key, item->key_length }, &is_new),
		         (struct slice){ item->bytes, item->length });
}

struct dict_item *dict_next(const struct dict *dict, size_t *at) {
	while (*at < dict->used)
		if (dict->items[(*at)++].key)
			return &dict->items[*at - 1];
	return NULL;
}
