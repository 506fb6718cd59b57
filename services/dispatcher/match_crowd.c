/* Room for a request when too many wait: who crowds the dispatcher, by mistake or on purpose, is answered before its time,
 * so that nobody else is turned away. */
#include <string.h>

#include "match_inside.h"
#include "shared/base/table.h"

static struct match_type *most_crowded(struct match *match) {
	struct match_type *crowd = NULL;
	size_t at = 0;
	struct slice name;
	void *value;
	while (table_next(match->types, &at, &name, &value)) {
		struct match_type *type = value;
		if (type->patient.first != NULL && (crowd == NULL || type->in_line > crowd->in_line))
			crowd = type;
	}
	return crowd;
}

bool match_make_room(struct match *match, struct slice name, int64_t now_us) {
	const struct match_type *own = table_get(match->types, name);
	struct match_type *crowd = most_crowded(match);
	if (crowd == NULL || crowd->in_line <= (own != NULL ? own->in_line : 0) + 1)
		return false;
	struct match_waiter *waiter = crowd->patient.first;
	while (waiter != NULL && waiter->deadline_us <= now_us) /* its time has come in this very turn */
		waiter = waiter->next;
	if (waiter == NULL)
		return false;
	heap_remove(match, waiter);
	waiter->deadline_us = now_us;
	heap_add(match, waiter);
	return true;
}
