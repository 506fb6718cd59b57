/* Waiting work requests; see match.h. Owns the types; borrows the waiters. */
#include "match.h"

#include <stdlib.h>

#include "match_inside.h"
#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/base/memory.h"
#include "shared/base/table.h"

enum { TYPES_KEPT = 1024 }; /* types that nobody wants now are remembered up to this many */

struct match *match_open(int64_t partitions) {
	struct match *match = memory_new(sizeof(*match));
	match->partitions = partitions;
	match->types = table_open();
	match->warm = memory_array((size_t)partitions, sizeof(*match->warm));
	match->set_aside = memory_array((size_t)partitions, sizeof(*match->set_aside));
	match->down = memory_array((size_t)partitions, sizeof(*match->down));
	match->next_ticket = 1;
	return match;
}

static void free_type(struct match_type *type) {
	free(type->name);
	free(type);
}

void match_close(struct match **match) {
	struct match *m = *match;
	if (m == NULL)
		return;
	size_t at = 0;
	struct slice key;
	void *value;
	while (table_next(m->types, &at, &key, &value))
		free_type(value);
	table_close(&m->types);
	free(m->warm);
	free(m->set_aside);
	free(m->down);
	free(m->heap);
	free(m);
	*match = NULL;
}

/* Types and what is warm --------------------------------------------------------------------------------------------- */

static struct match_type *type_of(struct match *match, struct slice name) {
	struct match_type *type = table_get(match->types, name);
	if (type != NULL)
		return type;
	type = memory_new(sizeof(*type) + (size_t)match->partitions * sizeof(*type->queues));
	type->name = slice_copy(name);
	type->fits = BURST_MOST;
	for (int64_t p = 0; p < match->partitions; p++)
		type->queues[p] = (struct match_queue){ .type = type, .burst = BURST_LEAST };
	table_put(match->types, name, type);
	return type;
}

static void forget_type(struct match *match, struct match_type *type) {
	if (table_count(match->types) <= TYPES_KEPT || type->in_line + type->in_call > 0 || type->in_check)
		return;
	for (int64_t p = 0; p < match->partitions; p++)
		if (type->queues[p].listed)
			return;
	table_remove(match->types, slice_of(type->name));
	free_type(type);
}

static bool is_warm(const struct match_queue *queue) {
	return queue->hinted || queue->more;
}

static void list_append(struct match_list *list, struct match_queue *queue) {
	queue->next = NULL;
	*(list->last != NULL ? &list->last->next : &list->first) = queue;
	list->last = queue;
}

static struct match_queue *list_pop(struct match_list *list) {
	struct match_queue *queue = list->first;
	if (queue != NULL && (list->first = queue->next) == NULL)
		list->last = NULL;
	return queue;
}

static void warm(struct match *match, struct match_type *type, int64_t partition) {
	struct match_queue *queue = &type->queues[partition];
	if (!queue->listed)
		list_append(&match->warm[partition], queue);
	queue->listed = true;
}

static void hint(struct match *match, struct match_type *type, int64_t partition) {
	type->queues[partition].hinted = true;
	warm(match, type, partition);
}

static void check_later(struct match *match, struct match_type *type) {
	if (type->in_check)
		return;
	type->in_check = true;
	type->next_check = match->check;
	match->check = type;
}

bool match_all_down(const struct match *match) {
	for (int64_t p = 0; p < match->partitions; p++)
		if (!match->down[p])
			return false;
	return true;
}

static bool is_cold(const struct match *match, const struct match_type *type) {
	for (int64_t p = 0; p < match->partitions; p++)
		if (!match->down[p] && is_warm(&type->queues[p]))
			return false;
	return type->in_call == 0;
}

bool match_wake(struct match *match, struct slice name, int64_t partition) {
	struct match_type *type = table_get(match->types, name);
	if (type == NULL || type->in_line + type->in_call == 0 || partition < 0 || partition >= match->partitions)
		return false;
	hint(match, type, partition);
	return true;
}

bool match_wake_first(struct match *match, struct slice name, int64_t partition) {
	if (!match_wake(match, name, partition))
		return false;
	((struct match_type *)table_get(match->types, name))->queues[partition].untold = true;
	return true;
}

void match_poll(struct match *match, uint64_t slice, uint64_t slices) {
	size_t at = 0;
	struct slice name;
	void *value;
	while (table_next(match->types, &at, &name, &value)) {
		struct match_type *type = value;
		if (type->in_line == 0 || id_hash(name) % slices != slice)
			continue;
		for (int64_t p = 0; p < match->partitions; p++) {
			if (!is_warm(&type->queues[p]))
				type->queues[p].burst = 1;
			hint(match, type, p);
		}
	}
}

void match_set_down(struct match *match, int64_t partition, bool down) {
	if (match->down[partition] == down)
		return;
	match->down[partition] = down;
	size_t at = 0;
	struct slice name;
	void *value;
	while (down && table_next(match->types, &at, &name, &value))
		check_later(match, value);
}

/* Coming and going --------------------------------------------------------------------------------------------------- */

static struct match_line *line_of(struct match_waiter *waiter) {
	return waiter->once ? &waiter->type->once : &waiter->type->patient;
}

static void stand_in_line(struct match *match, struct match_waiter *waiter) {
	waiter->place = MATCH_IN_LINE;
	waiter->type->in_line++;
	match->waiting++;
	heap_add(match, waiter);
	if (waiter->once)
		check_later(match, waiter->type);
}

static void leave_line(struct match *match, struct match_waiter *waiter) {
	line_remove(line_of(waiter), waiter);
	heap_remove(match, waiter);
	waiter->place = MATCH_NOWHERE;
	waiter->type->in_line--;
	match->waiting--;
}

static void leave_call(struct match *match, struct match_waiter *waiter) {
	waiter->place = MATCH_NOWHERE;
	match->waiting--;
	if (--waiter->type->in_call == 0)
		check_later(match, waiter->type);
}

void match_add(struct match *match, struct match_waiter *waiter, struct slice name) {
	struct match_type *type = type_of(match, name);
	waiter->type = type;
	waiter->ticket = match->next_ticket++;
	/* Who comes behind others that wait in the cold need not ask what they have asked. */
	bool first = type->in_line == 0 || waiter->once;
	waiter->informed = !first && is_cold(match, type) && !match_all_down(match);
	for (int64_t p = 0; first && p < match->partitions; p++)
		hint(match, type, p);
	line_append(line_of(waiter), waiter);
	stand_in_line(match, waiter);
}

void match_put_back(struct match *match, struct match_waiter *waiter) {
	line_insert(line_of(waiter), waiter);
	stand_in_line(match, waiter);
}

void match_remove(struct match *match, struct match_waiter *waiter) {
	if (waiter->place == MATCH_IN_LINE) {
		leave_line(match, waiter);
		check_later(match, waiter->type);
	} else if (waiter->place == MATCH_IN_CALL) {
		leave_call(match, waiter);
	}
}

size_t match_waiting(const struct match *match) {
	return match->waiting;
}

void match_add_types(const struct match *match, struct text *out, size_t most) {
	size_t at = 0, count = 0;
	struct slice name;
	void *value;
	text_add_char(out, '{');
	while (count < most && table_next(match->types, &at, &name, &value)) {
		const struct match_type *type = value;
		if (type->in_line + type->in_call == 0)
			continue;
		text_add(out, count++ > 0 ? ",\"" : "\"");
		text_add_slice(out, name);
		text_printf(out, "\":%zu", type->in_line + type->in_call);
	}
	text_add_char(out, '}');
}

/* One call ----------------------------------------------------------------------------------------------------------- */

void match_begin(struct match *match, int64_t partition) {
	for (struct match_queue *queue = match->warm[partition].first; queue != NULL; queue = queue->next) {
		queue->taken = 0;
		queue->asked = false;
	}
}

static struct match_waiter *eldest(const struct match_type *type) {
	struct match_waiter *a = type->patient.first, *b = type->once.first;
	if (a == NULL || b == NULL)
		return a != NULL ? a : b;
	return a->ticket < b->ticket ? a : b;
}

const char *match_type_name(const struct match_waiter *waiter) {
	return waiter->type->name;
}

/* max, or what fits into a reply. */
static int64_t ask_of(const struct match_waiter *waiter) {
	return waiter->max < waiter->type->fits ? waiter->max : waiter->type->fits;
}

struct match_waiter *match_take(struct match *match, int64_t partition, int64_t *room) {
	struct match_queue *queue;
	while ((queue = list_pop(&match->warm[partition])) != NULL) {
		struct match_waiter *waiter = eldest(queue->type);
		if (waiter == NULL || !is_warm(queue) || queue->taken >= queue->burst || ask_of(waiter) > *room) {
			list_append(&match->set_aside[partition], queue);
			continue;
		}
		list_append(&match->warm[partition], queue); /* the next type's turn */
		queue->taken++;
		queue->asked = true;
		waiter->ask = ask_of(waiter);
		*room -= waiter->ask;
		leave_line(match, waiter);
		waiter->place = MATCH_IN_CALL;
		waiter->type->in_call++;
		match->waiting++;
		return waiter;
	}
	return NULL;
}

void match_end(struct match *match, int64_t partition) {
	struct match_list kept = { 0 };
	struct match_queue *queue;
	while ((queue = list_pop(&match->set_aside[partition])) != NULL) {
		struct match_type *type = queue->type;
		if (queue->asked)
			queue->built = match->next_ticket;
		if (queue->asked || type->in_line + type->in_call == 0)
			queue->hinted = queue->more = false;
		queue->listed = is_warm(queue);
		if (queue->listed) {
			list_append(&kept, queue);
		} else {
			check_later(match, type);
		}
	}
	must(match->warm[partition].first == NULL);
	match->warm[partition] = kept;
}

bool match_answered(struct match *match, struct match_waiter *waiter, int64_t partition, bool full) {
	struct match_queue *queue = &waiter->type->queues[partition];
	leave_call(match, waiter);
	if (queue->built > waiter->type->asked)
		waiter->type->asked = queue->built;
	queue->more = full;
	if (full) {
		queue->burst = queue->burst < BURST_MOST ? queue->burst + 1 : BURST_MOST;
		warm(match, waiter->type, partition);
	} else {
		queue->burst = BURST_LEAST;
		queue->untold = false;
	}
	bool tell = queue->untold && waiter->type->in_line + waiter->type->in_call == 0;
	queue->untold = queue->untold && !tell;
	return tell;
}

void match_failed(struct match *match, struct match_waiter *waiter, int64_t partition) {
	leave_call(match, waiter);
	hint(match, waiter->type, partition);
	match_put_back(match, waiter);
}

void match_fitted(struct match_waiter *waiter, int64_t got, int64_t fitted, bool roomy) {
	struct match_type *type = waiter->type;
	if (fitted < got)
		type->fits = fitted > 0 ? fitted : 1;
	else if (got >= type->fits && roomy)
		type->fits = 2 * type->fits;
}

/* Who can be answered ------------------------------------------------------------------------------------------------ */

struct match_waiter *match_next_cold(struct match *match) {
	struct match_type *type;
	while ((type = match->check) != NULL) {
		struct match_waiter *waiter = type->once.first;
		if (waiter != NULL && is_cold(match, type)) {
			leave_line(match, waiter);
			return waiter;
		}
		match->check = type->next_check;
		type->in_check = false;
		forget_type(match, type);
	}
	return NULL;
}

struct match_waiter *match_next_expired(struct match *match, int64_t now_us) {
	if (match->heap_count == 0 || match->heap[0]->deadline_us > now_us)
		return NULL;
	struct match_waiter *waiter = match->heap[0];
	leave_line(match, waiter);
	check_later(match, waiter->type);
	return waiter;
}

struct match_waiter *match_next_any(struct match *match) {
	return match_next_expired(match, INT64_MAX);
}

int64_t match_next_deadline(const struct match *match) {
	return match->heap_count > 0 ? match->heap[0]->deadline_us : 0;
}

bool match_was_asked(const struct match_waiter *waiter) {
	return waiter->informed || waiter->ticket < waiter->type->asked;
}

bool match_is_cold(const struct match *match, const struct match_waiter *waiter) {
	return is_cold(match, waiter->type);
}

bool match_is_warm(const struct match *match, int64_t partition) {
	for (struct match_queue *queue = match->warm[partition].first; queue != NULL; queue = queue->next)
		if (queue->type->in_line > 0)
			return true;
	return false;
}
