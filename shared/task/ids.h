/* From ids to their place in an array of the caller's, without copying them: open addressing, seeded against keys that
 * are made to collide. Eight to sixteen bytes an id. */
#ifndef CORDER_TASK_IDS_H
#define CORDER_TASK_IDS_H

#include <stddef.h>
#include <stdint.h>

#include "../base/text.h"

#define IDS_NONE UINT32_MAX

/* items: borrowed; each of its items begins with a struct slice, the id. */
struct ids {
	struct ids_slot *slots;
	size_t mask;
	const char *items;
	size_t stride;
};

/* For at most `count` ids. */
void ids_open(struct ids *ids, const void *items, size_t stride, size_t count);
void ids_close(struct ids *ids);
/* Adds item number `at`; when its id is there already, the number of that one, and nothing is added; else IDS_NONE. */
uint32_t ids_add(struct ids *ids, uint32_t at);
uint32_t ids_find(const struct ids *ids, struct slice id); /* IDS_NONE when there is none */

#endif
