/* A task's record as admit.lua reads it: what the script decides by, packed, so that Lua takes nothing apart. The steps to
 * change it: RECORD in admit.lua, and FORMAT in prelude_data.lua for what is stored as it comes. */
#include "admit_record.h"

#include <string.h>

#include "../task/record.h"
#include "../task/task.h"
#include "subjects/subjects.h"

/* The year 3111: later than that fits into no 7 bytes, nor exactly into a double. Whoever says 9999 means never. */
#define NEVER_US (INT64_C(1) << 55)

static void add_big_endian(struct text *out, uint64_t value, int bytes) {
	for (int i = bytes - 1; i >= 0; i--)
		text_add_char(out, (char)(value >> (8 * i)));
}

static bool has_flag(struct slice flags, char letter) {
	return flags.length > 0 && memchr(flags.bytes, letter, flags.length) != NULL;
}

static void add_optional(struct text *out, int64_t value) {
	if (value != 0)
		text_add_int(out, value);
	text_add_char(out, RECORD_US);
}

/* Most tasks have nothing special. */
static bool is_special(const struct specification *s) {
	return specification_order(s).length > 0 || s->max_retries != DEFAULT_MAX_RETRIES || s->timeout_us != 0 ||
	       s->concurrency_limit != 1 || s->backoff.length > 0 || s->concurrency_key.length > 0;
}

/* As constants_of() in prelude_data.lua reads it. */
static void add_constants(struct text *out, const struct specification *s) {
	if (is_special(s)) {
		text_add_int(out, s->max_retries);
		text_add_char(out, RECORD_US);
		add_optional(out, s->timeout_us);
		text_add_int(out, s->concurrency_limit);
		text_add_char(out, RECORD_US);
		text_add_slice(out, s->backoff);
		text_add_char(out, RECORD_US);
		text_add_slice(out, s->concurrency_key);
		text_add_char(out, RECORD_US);
		text_add_slice(out, specification_order(s));
	}
}

/* How many there are, and a letter each; then a word each. */
static void add_letters(struct text *out, struct slice dependencies) {
	size_t count_at = out->length, count = 0;
	struct record_dependency dependency;
	add_big_endian(out, 0, 2);
	for (struct slice rest = dependencies; record_next_dependency(&rest, &dependency); count++)
		text_add_char(out, dependency.future ? (char)(dependency.condition & ~0x20) : dependency.condition);
	out->bytes[count_at] = (char)(count >> 8);
	out->bytes[count_at + 1] = (char)count;
}

static void add_name(struct words *out, struct slice project, struct slice task_id) {
	text_add_slice(&out->bytes, project);
	text_add_char(&out->bytes, '/');
	words_add(out, task_id);
}

static void add_fixed(struct text *out, struct slice project, struct slice batch_id, const struct task_record *task) {
	const struct slice identity[] = { project, task->task_type, task->task_id, batch_id };
	for (size_t i = 0; i < sizeof(identity) / sizeof(*identity); i++) {
		text_add_slice(out, identity[i]);
		text_add_char(out, RECORD_US);
	}
	text_add_slice(out, task->specification.traceparent);
	text_add_char(out, RECORD_RS);
	add_constants(out, &task->specification);
	text_add_char(out, RECORD_RS);
	text_add_slice(out, task->specification.hash);
}

bool admit_record_add(struct words *out, struct slice project, struct slice batch_id, struct slice record) {
	struct task_record task;
	if (!task_record_parse(record, &task))
		return false;
	const struct specification *s = &task.specification;
	add_name(out, project, task.task_id);
	add_big_endian(&out->bytes, (uint64_t)task.priority, 1);
	add_big_endian(&out->bytes, has_flag(s->flags, 'b') ? 1 : has_flag(s->flags, 'r') ? 2 : 0, 1);
	add_big_endian(&out->bytes, has_flag(s->flags, 'h'), 1);
	add_big_endian(&out->bytes, has_flag(s->flags, 'g'), 1);
	add_big_endian(&out->bytes, is_special(s), 1);
	add_big_endian(&out->bytes, project.length + 1 + task.task_type.length, 1);
	add_big_endian(&out->bytes, (uint64_t)(s->not_before_us < NEVER_US ? s->not_before_us : NEVER_US), 7);
	add_letters(&out->bytes, s->dependencies);
	words_end(out);
	add_fixed(&out->bytes, project, batch_id, &task);
	words_end(out);
	words_add(out, task.specification_bytes);
	struct record_dependency dependency;
	for (struct slice rest = s->dependencies; record_next_dependency(&rest, &dependency);)
		add_name(out, project, dependency.task_id);
	return true;
}
