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
	const char *script; /* which must have it; NULL: it stands in the prelude of most */
};

/* The build has put numbers for the names of a task's fields (cmake/embed.cmake): 23 LEASE, 12 ATTEMPT, 14 READY. */
static const struct tooth teeth[] = {
	{ "mark-by-id", "verdict = seq <= mark_seq and 'ok' or 'wait'", "confirm" },
	{ "settle-token", "", "work" },
	{ "unique-token", "t[23] = 'try-' .. texts[t[12]]", "work" },
	{ "submit-idempotent", "local known, ghost = nil, s.ghosts[name]", "admit" },
	{ "dependency-count", "", NULL },
	{ "key-limit", "return false", NULL },
	{ "rank", "return t[14]", NULL },
	{ "lease-expiry", "elseif false then", "sweep" },
};

static struct kv_script *const scripts[] = {
	&state_script_admit, &state_script_audit, &state_script_command, &state_script_confirm, &state_script_evict,
	&state_script_load,  &state_script_mark,  &state_script_read,    &state_script_sweep,   &state_script_work,
};
enum { SCRIPT_COUNT = sizeof(scripts) / sizeof(scripts[0]) };

static struct slice originals[SCRIPT_COUNT];

static void replace(struct slice *source, const struct tooth *tooth) {
	char marker[64];
	size_t length = (size_t)snprintf(marker, sizeof(marker), " -- guard: %s\n", tooth->guard);
	const char *found = memmem(source->bytes, source->length, marker, length);
	must(found != NULL || tooth->script == NULL);
	if (found == NULL)
		return;
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
	for (size_t i = 0; i < SCRIPT_COUNT; i++) {
		if (originals[i].bytes == NULL)
			originals[i] = scripts[i]->source;
		struct slice source = originals[i];
		for (size_t k = 0; k < sizeof(teeth) / sizeof(teeth[0]); k++) {
			bool here = teeth[k].script == NULL || strcmp(teeth[k].script, scripts[i]->name) == 0;
			if (here && teeth_without(teeth[k].guard))
				replace(&source, &teeth[k]);
		}
		bool same = source.length == scripts[i]->source.length &&
		            memcmp(source.bytes, scripts[i]->source.bytes, source.length) == 0;
		if (!same) {
			scripts[i]->source = source;
			scripts[i]->sha1[0] = '\0';
		}
	}
}
#endif
