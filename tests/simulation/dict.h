/* Byte strings to byte strings or objects, in order of insertion: a walk goes the same way in every run. */
#ifndef CORDER_SIMULATION_DICT_H
#define CORDER_SIMULATION_DICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/text.h"

struct dict_item {
	char *key; /* NULL: deleted */
	size_t key_length;
	uint32_t hash;
	char *bytes; /* the value, when it is bytes */
	size_t length;
	void *object; /* the value, when it is something else: the owner's to free */
};

struct dict {
	struct dict_item *items;
	size_t used, capacity; /* of items, the deleted included */
	size_t count;
	uint32_t *index; /* place in items plus one */
	size_t index_size;
};

struct dict_item *dict_get(const struct dict *dict, struct slice key);
struct dict_item *dict_put(struct dict *dict, struct slice key, bool *is_new); /* finds or makes it */
void dict_set(struct dict_item *item, struct slice bytes);
bool dict_remove(struct dict *dict, struct slice key);
void dict_clear(struct dict *dict);
void dict_copy(struct dict *to, const struct dict *from); /* bytes alone; `to` is empty */
/* The next item behind *at that is not deleted; NULL at the end. Begin with *at = 0. */
struct dict_item *dict_next(const struct dict *dict, size_t *at);

#endif
