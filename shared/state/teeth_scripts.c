/* The scripts' guards as texts to replace. Each text has to stand exactly once in each script it belongs to: a guard that
 * was rewritten must be found again here. Empty in every build but a test build with CORDER_TEETH. */
#include "teeth_scripts.h"

#ifdef CORDER_TEETH
#include <stdlib.h>
#include <string.h>

#include "../base/memory.h"
#include "../base/teeth.h"
#include "state.h"

struct tooth {
	const char *guard;
	const char *script; /* "": all of them, for it stands in the prelude */
	const char *text, *instead;
};

static const struct tooth teeth[] = {
	{ "mark-by-id", "confirm", "if found[1] and string.match(found[1][2][2], '^[^\\31]*') == ARGV[i + 1] then",
	  "if true then" },
	{ "settle-token", "work", "if t[LEASE] ~= lease or lease == '' then return 'stale_lease' end", "" },
	{ "unique-token", "work", "t[LEASE] = entry_id .. '-' .. texts[lease_count]",
	  "t[LEASE] = 'try-' .. texts[t[ATTEMPT]]" },
	{ "submit-idempotent", "admit", "local known, ghost = ids[name], s.ghosts[name]",
	  "local known, ghost = nil, s.ghosts[name]" },
	{ "dependency-count", "", "if child[LEFT] > 0 then return end", "" },
	{ "key-limit", "", "return has_key(t) and key_running(key_name(t)) >= constants_of(t).limit", "return false" },
	{ "rank", "", "return t[READY] - points * us_per_point", "return t[READY]" },
	{ "lease-expiry", "sweep", "elseif t[STATUS] == 'r' then", "elseif false then" },
};

static struct kv_script *const scripts[] = {
	&state_script_admit, &state_script_audit, &state_script_command, &state_script_confirm, &state_script_evict,
	&state_script_load,  &state_script_mark,  &state_script_read,    &state_script_sweep,   &state_script_work,
};
enum { SCRIPT_COUNT = sizeof(scripts) / sizeof(scripts[0]) };

static struct slice originals[SCRIPT_COUNT];

static void replace(struct slice *source, const struct tooth *tooth) {
	size_t length = strlen(tooth->text);
	const char *found = memmem(source->bytes, source->length, tooth->text, length);
	must(found != NULL);
	size_t before = (size_t)(found - source->bytes), after = source->length - before - length;
	must(memmem(found + length, after, tooth->text, length) == NULL);
	struct text made = { 0 };
	text_append(&made, source->bytes, before);
	text_add(&made, tooth->instead);
	text_append(&made, found + length, after);
	*source = (struct slice){ made.bytes, made.length }; /* the old one may still be in use; a test build may leak it */
}

void teeth_scripts(void) {
	for (size_t i = 0; i < SCRIPT_COUNT; i++) {
		if (originals[i].bytes == NULL)
			originals[i] = scripts[i]->source;
		struct slice source = originals[i];
		for (size_t k = 0; k < sizeof(teeth) / sizeof(teeth[0]); k++) {
			bool here = teeth[k].script[0] == '\0' || strcmp(teeth[k].script, scripts[i]->name) == 0;
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
