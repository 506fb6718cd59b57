/* The table of ids: each slot keeps half of the hash, so that a miss rarely touches the id itself. */
#include "ids.h"

#include <stdlib.h>

#include "../base/error.h"
#include "../base/memory.h"
#include "hash.h"

struct ids_slot {
	uint32_t tag;
	uint32_t place; /* 0: free; else the number plus one */
};

void ids_open(struct ids *ids, const void *items, size_t stride, size_t count) {
	must(count < UINT32_MAX / 4);
	size_t slots = 16;
	while (slots < count + count / 2)
		slots *= 2;
	*ids = (struct ids){ .slots = memory_array(slots, sizeof(struct ids_slot)), .mask = slots - 1 };
	ids->items = items;
	ids->stride = stride;
}

void ids_close(struct ids *ids) {
	free(ids->slots);
	*ids = (struct ids){ 0 };
}

static struct slice id_at(const struct ids *ids, uint32_t at) {
	return *(const struct slice *)(const void *)(ids->items + (size_t)at * ids->stride);
}

/* The slot that holds the id, or the free one where it belongs. */
static struct ids_slot *find_slot(const struct ids *ids, struct slice id, uint64_t hash) {
	uint32_t tag = (uint32_t)(hash >> 32);
	size_t at = hash & ids->mask;
	while (ids->slots[at].place != 0 &&
	       !(ids->slots[at].tag == tag && slice_equal(id_at(ids, ids->slots[at].place - 1), id)))
		at = (at + 1) & ids->mask;
	return &ids->slots[at];
}

uint32_t ids_add(struct ids *ids, uint32_t at) {
	struct slice id = id_at(ids, at);
	uint64_t hash = hash_of(id);
	struct ids_slot *slot = find_slot(ids, id, hash);
	if (slot->place != 0)
		return slot->place - 1;
	*slot = (struct ids_slot){ .tag = (uint32_t)(hash >> 32), .place = at + 1 };
	return IDS_NONE;
}

uint32_t ids_find(const struct ids *ids, struct slice id) {
	const struct ids_slot *slot = find_slot(ids, id, hash_of(id));
	return slot->place != 0 ? slot->place - 1 : IDS_NONE;
}
