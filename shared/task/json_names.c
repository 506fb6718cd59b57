/* No object may hold one name twice: readers disagree on which of the two counts. Linear, however many there are. */
#include <string.h>

#include "../base/memory.h"
#include "hash.h"
#include "json_inside.h"

enum { FEW_NAMES = 16 };

static enum status twice(struct json *json, uint32_t member, struct error *err) {
	return json_reject((struct json_value){ json, member }, NULL, "bad_json", err, "the same key twice");
}

static enum status check_few_names(struct json *json, uint32_t object, struct error *err) {
	struct slice names[FEW_NAMES];
	uint32_t count = json->nodes[object].count;
	uint32_t member = json_first_node(json, object);
	for (uint32_t i = 0; i < count; i++) {
		names[i] = json_node_text(json, member - 1);
		for (uint32_t j = 0; j < i; j++)
			if (names[j].length == names[i].length && memcmp(names[j].bytes, names[i].bytes, names[i].length) == 0)
				return twice(json, member, err);
		member = json_next_node(json, member);
	}
	return STATUS_OK;
}

static enum status check_many_names(struct json *json, uint32_t object, struct error *err) {
	uint32_t count = json->nodes[object].count;
	size_t mask = 63;
	while (mask < (size_t)count * 2)
		mask = mask * 2 + 1;
	if (json->slot_capacity <= mask) {
		json->slot_capacity = mask + 1;
		json->slots = memory_resize(json->slots, json->slot_capacity, sizeof(*json->slots));
	}
	memset(json->slots, 0, (mask + 1) * sizeof(*json->slots));
	uint32_t member = json_first_node(json, object);
	for (uint32_t i = 0; i < count; i++) {
		struct slice name = json_node_text(json, member - 1);
		size_t slot = hash_of(name) & mask;
		for (; json->slots[slot] != 0; slot = (slot + 1) & mask)
			if (slice_equal(json_node_text(json, json->slots[slot] - 1), name))
				return twice(json, member, err);
		json->slots[slot] = member;
		member = json_next_node(json, member);
	}
	return STATUS_OK;
}

enum status json_check_names(struct json *json, uint32_t object, struct error *err) {
	return json->nodes[object].count <= FEW_NAMES ? check_few_names(json, object, err)
	                                              : check_many_names(json, object, err);
}
