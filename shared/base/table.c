/* Open addressing with linear probing. A removed entry leaves a grave, so that a walk may remove as it goes; graves go
 * when the table is rebuilt, at two thirds full. */
#include "table.h"

#include <stdlib.h>

#include "error.h"
#include "id.h"
#include "memory.h"

struct entry {
	uint64_t hash;
	char *key; /* NULL: never used; GRAVE: removed */
	size_t key_length;
	void *value;
};

struct table {
	struct entry *entries;
	size_t capacity; /* a power of two, or 0 */
	size_t count;
	size_t graves;
};

static char grave_mark;
#define GRAVE (&grave_mark)

static bool is_live(const struct entry *entry) {
	return entry->key && entry->key != GRAVE;
}

struct table *table_open(void) {
	return memory_new(sizeof(struct table));
}

void table_close(struct table **table) {
	if (!*table)
		return;
	for (size_t i = 0; i < (*table)->capacity; i++)
		if (is_live(&(*table)->entries[i]))
			free((*table)->entries[i].key);
	free((*table)->entries);
	free(*table);
	*table = NULL;
}

/* FNV's upper bits are the better mixed ones. */
static size_t first_place(const struct table *table, uint64_t hash) {
	return (size_t)(hash ^ hash >> 32) & (table->capacity - 1);
}

static struct entry *find(const struct table *table, struct slice key, uint64_t hash) {
	if (table->capacity == 0)
		return NULL;
	for (size_t at = first_place(table, hash);; at = (at + 1) & (table->capacity - 1)) {
		struct entry *entry = &table->entries[at];
		if (!entry->key)
			return NULL;
		if (entry->key != GRAVE && entry->hash == hash &&
		    slice_equal((struct slice){ entry->key, entry->key_length }, key))
			return entry;
	}
}

static void insert(struct table *table, struct entry entry) {
	size_t at = first_place(table, entry.hash);
	while (is_live(&table->entries[at]))
		at = (at + 1) & (table->capacity - 1);
	if (table->entries[at].key == GRAVE)
		table->graves--;
	table->entries[at] = entry;
	table->count++;
}

static void make_room(struct table *table) {
	if ((table->count + table->graves + 1) * 3 <= table->capacity * 2)
		return;
	struct table next = { .capacity = 16 };
	while ((table->count + 1) * 2 > next.capacity)
		next.capacity *= 2;
	next.entries = memory_array(next.capacity, sizeof(struct entry));
	for (size_t i = 0; i < table->capacity; i++)
		if (is_live(&table->entries[i]))
			insert(&next, table->entries[i]);
	free(table->entries);
	*table = next;
}

void *table_get(const struct table *table, struct slice key) {
	struct entry *entry = find(table, key, id_hash(key));
	return entry ? entry->value : NULL;
}

void *table_put(struct table *table, struct slice key, void *value) {
	must(value);
	uint64_t hash = id_hash(key);
	struct entry *entry = find(table, key, hash);
	if (entry) {
		void *old = entry->value;
		entry->value = value;
		return old;
	}
	make_room(table);
	insert(table, (struct entry){ hash, slice_copy(key), key.length, value });
	return NULL;
}

void *table_remove(struct table *table, struct slice key) {
	struct entry *entry = find(table, key, id_hash(key));
	if (!entry)
		return NULL;
	void *value = entry->value;
	free(entry->key);
	*entry = (struct entry){ .key = GRAVE };
	table->count--;
	table->graves++;
	return value;
}

size_t table_count(const struct table *table) {
	return table->count;
}

bool table_next(const struct table *table, size_t *at, struct slice *key, void **value) {
	while (*at < table->capacity) {
		struct entry *entry = &table->entries[(*at)++];
		if (!is_live(entry))
			continue;
		if (key)
			*key = (struct slice){ entry->key, entry->key_length };
		if (value)
			*value = entry->value;
		return true;
	}
	return false;
}
