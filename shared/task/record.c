/* Parsing and building of the stored form. Owns nothing; see record.h for the grammar. */
#include "record.h"

#include <string.h>

enum { FIELD_COUNT = 25, SPECIFICATION_FIELDS = 13 };

/* Cuts bytes at US into at most count fields; the last takes the rest. Returns how many there were. */
static size_t cut_fields(struct slice bytes, struct slice *fields, size_t count) {
	size_t used = 0;
	const char *at = bytes.bytes;
	const char *end = at + bytes.length;
	while (used + 1 < count) {
		const char *stop = memchr(at, RECORD_US, (size_t)(end - at));
		if (stop == NULL)
			break;
		fields[used++] = (struct slice){ at, (size_t)(stop - at) };
		at = stop + 1;
	}
	fields[used++] = (struct slice){ at, (size_t)(end - at) };
	return used;
}

bool record_parse(struct slice bytes, struct record *record) {
	struct slice f[FIELD_COUNT];
	if (bytes.bytes == NULL || cut_fields(bytes, f, FIELD_COUNT) != FIELD_COUNT || f[1].length != 1)
		return false;
	*record = (struct record){
		.seq = slice_int(f[0], -1),
		.status = f[1].bytes[0],
		.number = slice_int(f[2], -1),
		.project = f[3],
		.task_type = f[4],
		.task_id = f[5],
		.batch_id = f[6],
		.traceparent = f[7],
		.previous = f[8].length > 0 ? f[8].bytes[0] : 0,
		.version = slice_int(f[9], 0),
		.attempt = slice_int(f[10], 0),
		.at_us = slice_int(f[11], -1),
		.ready_at_us = slice_int(f[12], 0),
		.due_at_us = slice_int(f[13], 0),
		.retry_count = slice_int(f[14], 0),
		.priority = slice_int(f[15], 0),
		.waits = f[16],
		.worker = f[17],
		.lease = f[18],
		.lease_until_us = slice_int(f[19], 0),
		.reason = f[20],
		.error_code = f[21],
		.error_message = f[22],
		.because = f[23],
		.extra = f[24],
	};
	return record->seq > 0 && record->number >= 0 && record->at_us >= 0;
}

bool record_parse_specification(struct slice bytes, struct specification *specification) {
	struct slice f[SPECIFICATION_FIELDS];
	if (bytes.bytes == NULL || cut_fields(bytes, f, SPECIFICATION_FIELDS) != SPECIFICATION_FIELDS)
		return false;
	*specification = (struct specification){
		.flags = f[0],
		.max_retries = slice_int(f[1], 0),
		.timeout_us = slice_int(f[2], 0),
		.not_before_us = slice_int(f[3], 0),
		.backoff = f[4],
		.concurrency_key = f[5],
		.concurrency_limit = slice_int(f[6], 1),
		.hash = f[7],
		.service_name = f[8],
		.estimated_duration = f[9],
		.traceparent = f[10],
		.dependencies = f[11],
		.execution_context = f[12],
	};
	return true;
}

static bool parse_entry(struct slice bytes, struct record_entry *entry) {
	struct slice rest = bytes;
	struct slice header = slice_cut(&rest, RECORD_GS);
	struct slice f[5];
	if (rest.bytes == NULL || cut_fields(header, f, 5) != 5)
		return false;
	*entry = (struct record_entry){
		.id = f[0],
		.previous = f[1],
		.first_seq = slice_int(f[2], -1),
		.last_seq = slice_int(f[3], -1),
		.epoch = f[4],
		.records = rest,
	};
	return entry->first_seq >= 0 && entry->last_seq >= entry->first_seq && entry->id.length > 0;
}

bool record_next_entry(struct slice *rest, struct record_entry *entry, bool *valid) {
	if (rest->bytes == NULL)
		return false;
	*valid = parse_entry(slice_cut(rest, RECORD_FS), entry);
	return true;
}

bool record_next(struct slice *rest, struct record *record, bool *valid) {
	if (rest->bytes == NULL)
		return false;
	*valid = record_parse(slice_cut(rest, RECORD_RS), record);
	return true;
}

bool record_next_dependency(struct slice *rest, struct record_dependency *dependency) {
	if (rest->bytes == NULL || rest->length == 0)
		return false;
	struct slice item = slice_cut(rest, ',');
	if (item.length < 2)
		return false;
	char letter = item.bytes[0];
	*dependency = (struct record_dependency){
		.condition = (char)(letter | 0x20),
		.future = letter < 'a',
		.task_id = { item.bytes + 1, item.length - 1 },
	};
	return true;
}

struct slice specification_order(const struct specification *specification) {
	struct slice flags = specification->flags;
	const char *at = flags.length > 0 ? memchr(flags.bytes, 'o', flags.length) : NULL;
	return at != NULL ? (struct slice){ at + 1, (size_t)(flags.bytes + flags.length - at - 1) } : SLICE("");
}

bool record_last_entry(struct slice block, struct record_entry *entry) {
	if (block.bytes == NULL)
		return false;
	const char *start = memrchr(block.bytes, RECORD_FS, block.length);
	start = start == NULL ? block.bytes : start + 1;
	return parse_entry((struct slice){ start, block.length - (size_t)(start - block.bytes) }, entry);
}

static void add_field(struct text *out, struct slice field) {
	text_add_slice(out, field);
	text_add_char(out, RECORD_US);
}

static void add_number(struct text *out, int64_t value) {
	text_add_int(out, value);
	text_add_char(out, RECORD_US);
}

static void add_optional(struct text *out, int64_t value) {
	if (value != 0)
		text_add_int(out, value);
	text_add_char(out, RECORD_US);
}

void record_add_specification(struct text *out, const struct specification *s) {
	add_field(out, s->flags);
	add_number(out, s->max_retries);
	add_optional(out, s->timeout_us);
	add_optional(out, s->not_before_us);
	add_field(out, s->backoff);
	add_field(out, s->concurrency_key);
	add_number(out, s->concurrency_limit);
	add_field(out, s->hash);
	add_field(out, s->service_name);
	add_field(out, s->estimated_duration);
	add_field(out, s->traceparent);
	add_field(out, s->dependencies);
	text_add_slice(out, s->execution_context);
}

void record_add(struct text *out, const struct record *r) {
	add_number(out, r->seq);
	text_add_char(out, r->status);
	text_add_char(out, RECORD_US);
	add_number(out, r->number);
	add_field(out, r->project);
	add_field(out, r->task_type);
	add_field(out, r->task_id);
	add_field(out, r->batch_id);
	add_field(out, r->traceparent);
	if (r->previous != 0)
		text_add_char(out, r->previous);
	text_add_char(out, RECORD_US);
	add_number(out, r->version);
	add_number(out, r->attempt);
	add_number(out, r->at_us);
	add_optional(out, r->ready_at_us);
	add_optional(out, r->due_at_us);
	add_number(out, r->retry_count);
	add_number(out, r->priority);
	add_field(out, r->waits);
	add_field(out, r->worker);
	add_field(out, r->lease);
	add_optional(out, r->lease_until_us);
	add_field(out, r->reason);
	add_field(out, r->error_code);
	add_field(out, r->error_message);
	add_field(out, r->because);
	text_add_slice(out, r->extra);
}

void record_add_entry_header(struct text *out, const struct record_entry *entry) {
	add_field(out, entry->id);
	add_field(out, entry->previous);
	add_number(out, entry->first_seq);
	add_number(out, entry->last_seq);
	text_add_slice(out, entry->epoch);
	text_add_char(out, RECORD_GS);
}
