/* The last version of each task, in two generations: when the young one is full the old one goes. So what was seen lately is
 * remembered, and the memory has a limit. */
#include <stdlib.h>

#include "inside.h"

enum { A_GENERATION = 50000 };

struct sights {
	struct table *young, *old;
	bool gaps;
	struct text key;
};

struct sights *sights_open(bool gaps) {
	struct sights *sights = calloc(1, sizeof *sights);
	must(sights != NULL);
	sights->young = table_open();
	sights->old = table_open();
	sights->gaps = gaps;
	return sights;
}

void sights_close(struct sights **sights) {
	table_close(&(*sights)->young);
	table_close(&(*sights)->old);
	text_release(&(*sights)->key);
	free(*sights);
	*sights = NULL;
}

/* A rejection belongs to no task, so its own id is the key, and there is one version of it. */
static struct slice key_of(struct sights *sights, struct json_value event, bool rejected) {
	text_clear(&sights->key);
	if (rejected) {
		text_add_slice(&sights->key, json_text(json_member(event, "event_id")));
	} else {
		text_add_slice(&sights->key, json_text(json_member(event, "project")));
		text_add_char(&sights->key, '/');
		text_add_slice(&sights->key, json_text(json_member(event, "task_id")));
	}
	return (struct slice){ sights->key.bytes, sights->key.length };
}

/* Versions begin with 1, so NULL is none. */
static int64_t last_of(const struct sights *sights, struct slice key) {
	void *last = table_get(sights->young, key);
	return (int64_t)(intptr_t)(last != NULL ? last : table_get(sights->old, key));
}

static void set(struct sights *sights, struct slice key, int64_t version) {
	table_put(sights->young, key, (void *)(intptr_t)version);
	if (table_count(sights->young) < A_GENERATION)
		return;
	table_close(&sights->old);
	sights->old = sights->young;
	sights->young = table_open();
}

enum sight sights_look(struct sights *sights, struct json_value event) {
	bool rejected = slice_is(json_text(json_member(event, "status")), "rejected");
	int64_t version = rejected ? 1 : json_int(json_member(event, "version"), 1);
	struct slice key = key_of(sights, event, rejected);
	int64_t last = last_of(sights, key);
	if (last != 0 && version <= last)
		return SIGHT_SEEN;
	if (sights->gaps && last != 0 && last != version - 1)
		return SIGHT_GAP;
	set(sights, key, version);
	return SIGHT_NEW;
}

void sights_accept(struct sights *sights, struct json_value event, int64_t version) {
	set(sights, key_of(sights, event, false), version);
}
