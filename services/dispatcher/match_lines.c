/* The containers of match.c: lines in order of arrival, and a binary heap of deadlines. */
#include "match_inside.h"

#include "shared/base/memory.h"

void line_append(struct match_line *line, struct match_waiter *waiter) {
	waiter->next = NULL;
	waiter->previous = line->last;
	*(line->last != NULL ? &line->last->next : &line->first) = waiter;
	line->last = waiter;
}

void line_insert(struct match_line *line, struct match_waiter *waiter) {
	struct match_waiter *before = NULL, *after = line->first;
	while (after != NULL && after->ticket < waiter->ticket) {
		before = after;
		after = after->next;
	}
	waiter->previous = before;
	waiter->next = after;
	*(before != NULL ? &before->next : &line->first) = waiter;
	*(after != NULL ? &after->previous : &line->last) = waiter;
}

void line_remove(struct match_line *line, struct match_waiter *waiter) {
	*(waiter->previous != NULL ? &waiter->previous->next : &line->first) = waiter->next;
	*(waiter->next != NULL ? &waiter->next->previous : &line->last) = waiter->previous;
	waiter->next = waiter->previous = NULL;
}

static void heap_place(struct match *match, size_t at, struct match_waiter *waiter) {
	match->heap[at] = waiter;
	waiter->heap_at = at;
}

static void heap_up(struct match *match, size_t at, struct match_waiter *waiter) {
	while (at > 0 && match->heap[(at - 1) / 2]->deadline_us > waiter->deadline_us) {
		heap_place(match, at, match->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	heap_place(match, at, waiter);
}

static void heap_down(struct match *match, size_t at, struct match_waiter *waiter) {
	for (;;) {
		size_t child = 2 * at + 1;
		if (child + 1 < match->heap_count && match->heap[child + 1]->deadline_us < match->heap[child]->deadline_us)
			child++;
		if (child >= match->heap_count || match->heap[child]->deadline_us >= waiter->deadline_us)
			break;
		heap_place(match, at, match->heap[child]);
		at = child;
	}
	heap_place(match, at, waiter);
}

void heap_add(struct match *match, struct match_waiter *waiter) {
	if (match->heap_count == match->heap_room) {
		match->heap_room = match->heap_room > 0 ? 2 * match->heap_room : 64;
		match->heap = memory_resize(match->heap, match->heap_room, sizeof(*match->heap));
	}
	heap_up(match, match->heap_count++, waiter);
}

void heap_remove(struct match *match, struct match_waiter *waiter) {
	size_t at = waiter->heap_at;
	struct match_waiter *last = match->heap[--match->heap_count];
	if (last == waiter)
		return;
	if (last->deadline_us < waiter->deadline_us)
		heap_up(match, at, last);
	else
		heap_down(match, at, last);
}
