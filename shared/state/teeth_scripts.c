/* The scripts' guards: lines of theirs that end with "-- guard: <name>", and what stands there instead when one is switched
 * off. Empty in every build but a test build with CORDER_TEETH. */
#include "teeth_scripts.h"

#ifdef CORDER_TEETH
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/memory.h"
#include "../base/teeth.h"
#include "state.h"

struct tooth {
	const char *guard, *instead;
};

/* The build has put numbers for the names of a task's fields (cmake/embed.cmake): 23 LEASE, 15 ATTEMPT,
 * 3 MEMBER, 17 READY, 13 LEFT. */
static const struct tooth teeth[] = {
	{ "mark-by-id", "verdict = seq <= mark_seq and 'ok' or 'wait'" },
	{ "settle-token", "" },
	{ "unique-token", "t[23] = 'try-' .. texts[t[15]] .. '-' .. texts[number_of(t[3])]" },
	{ "submit-idempotent", "local known, ghost = nil, ghosts[name]" },
	{ "dependency-count", "tasks[member][13] = 1" },
	{ "key-limit", "return false" },
	{ "rank", "return t[17]" },
	{ "lease-expiry", "elseif false then" },
	{ "retry-whole", "if true then return true end" },
};

static struct slice original;

static void replace(struct slice *source, const struct tooth *tooth) {
	char marker[64];
	size_t length = (size_t)snprintf(marker, sizeof(marker), " -- guard: %s\n", tooth->guard);
	const char *found = memmem(source->bytes, source->length, marker, length);
	must(found != NULL);
	const char *start = memrchr(source->bytes, '\n', (size_t)(found - source->bytes));
	size_t before = (size_t)(start + 1 - source->bytes), end = (size_t)(found - source->bytes) + length - 1;
	must(memmem(source->bytes + end, source->length - end, marker, length) == NULL);
	struct text made = { 0 };
	text_append(&made, source->bytes, before);
	text_add(&made, tooth->instead);
	text_append(&made, source->bytes + end, source->length - end);
	*source = (struct slice){ made.bytes, made.length }; /* the old one may still be in use; a test build may leak it */
}

void teeth_scripts(void) {
	if (original.bytes == NULL)
		original = state_library.source;
	struct slice source = original;
	for (size_t k = 0; k < sizeof(teeth) / sizeof(teeth[0]); k++)
		if (teeth_without(teeth[k].guard))
			replace(&source, &teeth[k]);
	bool same = source.length == state_library.source.length &&
	            memcmp(source.bytes, state_library.source.bytes, source.length) == 0;
	if (!same) {
		state_library.source = source;
		state_library.name[0] = '\0';
	}
}
#endif
