/* A task's record as admit.lua reads it: what the script decides by, packed, so that Lua takes nothing apart. The steps to
 * change it: RECORD in admit.lua, and FORMAT in prelude.lua for what is stored as it comes. */
#include "admit_record.h"

#include <string.h>

#include "../task/record.h"
#include "../task/task.h"
#include "subjects/subjects.h"

static void add_big_endian(struct text *out, uint64_t value, int bytes) {
	for (int i = bytes - 1; i >= 0; i--)
		text_add_char(out, (char)(value >> (8 * i)));
}

static void end_text(struct text *out) {
	text_add_char(out, '\0');
}

static bool has_flag(struct slice flags, char letter) {
	return flags.length > 0 && memchr(flags.bytes, letter, flags.length) != NULL;
}

static void add_optional(struct text *out, int64_t value) {
	if (value != 0)
		text_add_int(out, value);
	text_add_char(out, RECORD_US);
}

/* As constants_of() in prelude.lua reads it; most tasks have nothing special. */
static void add_constants(struct text *out, const struct specification *s) {
	bool usual = s->max_retries == DEFAULT_MAX_RETRIES && s->timeout_us == 0 && s->concurrency_limit == 1 &&
	             s->backoff.length == 0 && s->concurrency_key.length == 0;
	if (!usual) {
		text_add_int(out, s->max_retries);
		text_add_char(out, RECORD_US);
		add_optional(out, s->timeout_us);
		text_add_int(out, s->concurrency_limit);
		text_add_char(out, RECORD_US);
		text_add_slice(out, s->backoff);
		text_add_char(out, RECORD_US);
		text_add_slice(out, s->concurrency_key);
	}
	end_text(out);
}

static void add_dependencies(struct text *out, struct slice project, struct slice dependencies) {
	struct slice rest = dependencies;
	while (rest.bytes != NULL && rest.length > 0) {
		struct slice item = slice_cut(&rest, ',');
		if (item.length < 2)
			continue;
		text_add_char(out, item.bytes[0]);
		text_add_slice(out, project);
		text_add_char(out, '/');
		text_append(out, item.bytes + 1, item.length - 1);
		if (rest.bytes != NULL)
			text_add_char(out, ',');
	}
	end_text(out);
}

bool admit_record_add(struct text *out, struct slice project, struct slice batch_id, struct slice record,
                      struct slice *specification) {
	struct task_record task;
	if (!task_record_parse(record, &task))
		return false;
	const struct specification *s = &task.specification;
	add_big_endian(out, (uint64_t)task.priority, 1);
	add_big_endian(out, has_flag(s->flags, 'b') ? 1 : has_flag(s->flags, 'r') ? 2 : 0, 1);
	add_big_endian(out, has_flag(s->flags, 'h'), 1);
	add_big_endian(out, has_flag(s->flags, 'g'), 1);
	add_big_endian(out, (uint64_t)s->not_before_us, 7);
	add_big_endian(out, project.length + 1 + task.task_type.length, 1);
	const struct slice identity[] = { project, task.task_type, task.task_id, batch_id };
	for (size_t i = 0; i < sizeof(identity) / sizeof(*identity); i++) {
		text_add_slice(out, identity[i]);
		text_add_char(out, RECORD_US);
	}
	text_add_slice(out, s->traceparent);
	end_text(out);
	add_constants(out, s);
	text_add_slice(out, s->hash);
	end_text(out);
	add_dependencies(out, project, s->dependencies);
	*specification = task.specification_bytes;
	return true;
}
