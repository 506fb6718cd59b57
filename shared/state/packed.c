/* See packed.h. What an event says is derived as record() in lua/prelude_moves.lua has left it out. */
#include "packed.h"

#include <string.h>

/* What is left of the bytes; a read past the end makes it invalid. */
struct reader {
	const unsigned char *at, *end;
	bool valid;
};

static int64_t take(struct reader *reader, size_t bytes) {
	uint64_t value = 0;
	if ((size_t)(reader->end - reader->at) < bytes) {
		reader->valid = false;
		return 0;
	}
	for (size_t i = 0; i < bytes; i++)
		value = value << 8 | *reader->at++;
	return (int64_t)value;
}

static struct slice take_text(struct reader *reader) {
	const unsigned char *start = reader->at;
	const unsigned char *stop = memchr(start, '\0', (size_t)(reader->end - start));
	if (stop == NULL) {
		reader->valid = false;
		return SLICE("");
	}
	reader->at = stop + 1;
	return (struct slice){ (const char *)start, (size_t)(stop - start) };
}

static void read_fixed(struct slice fixed, struct packed *packed) {
	struct slice identity = slice_cut(&fixed, RECORD_RS);
	packed->project = slice_cut(&identity, RECORD_US);
	packed->task_type = slice_cut(&identity, RECORD_US);
	packed->task_id = slice_cut(&identity, RECORD_US);
	packed->batch_id = slice_cut(&identity, RECORD_US);
	packed->traceparent = identity.bytes != NULL ? identity : SLICE("");
}

bool packed_read(struct slice bytes, struct packed *packed) {
	struct reader reader = { (const unsigned char *)bytes.bytes, NULL, bytes.bytes != NULL };
	if (!reader.valid)
		return false;
	reader.end = reader.at + bytes.length;
	*packed = (struct packed){ .number = take(&reader, 6) };
	packed->status = (char)take(&reader, 1);
	packed->priority = take(&reader, 1);
	packed->flags = take(&reader, 1);
	packed->waits = take(&reader, 1);
	packed->policy = take(&reader, 1);
	packed->retry_count = take(&reader, 1);
	take(&reader, 2); /* special, group bytes: the scripts' own */
	packed->degree = take(&reader, 2);
	packed->left = take(&reader, 3);
	packed->version = take(&reader, 3);
	packed->attempt = take(&reader, 3);
	packed->created_us = take(&reader, 7);
	packed->ready_us = take(&reader, 7);
	packed->due_us = take(&reader, 7);
	packed->started_us = take(&reader, 7);
	packed->seq = take(&reader, 6);
	struct slice fixed = take_text(&reader);
	packed->worker = take_text(&reader);
	packed->lease = take_text(&reader);
	packed->because = take_text(&reader);
	if (!reader.valid)
		return false;
	read_fixed(fixed, packed);
	return true;
}

void packed_add_member(struct text *out, int64_t number) {
	for (int shift = 40; shift >= 0; shift -= 8)
		text_add_char(out, (char)(number >> shift));
}

int64_t packed_member(const char *bytes) {
	struct reader reader = { (const unsigned char *)bytes, (const unsigned char *)bytes + PACKED_MEMBER_BYTES, true };
	return take(&reader, PACKED_MEMBER_BYTES);
}

int64_t packed_lease_number(struct slice lease) {
	const char *dash = lease.length > 0 ? memrchr(lease.bytes, '-', lease.length) : NULL;
	if (dash == NULL)
		return 0;
	int64_t number = slice_int((struct slice){ dash + 1, lease.length - (size_t)(dash + 1 - lease.bytes) }, 0);
	return number > 0 && number < INT64_C(1) << 48 ? number : 0;
}

/* Outbox ------------------------------------------------------------------------------------------------------------- */

bool outbox_is_direct(const struct kv_reply *fields) {
	return slice_is(kv_text(kv_at(fields, 0)), "d");
}

bool outbox_read_header(const struct kv_reply *fields, struct outbox_header *header) {
	struct slice rest = kv_text(kv_at(fields, 1)), f[5];
	header->log = rest;
	for (size_t i = 0; i < 5; i++) {
		if (rest.bytes == NULL)
			return false;
		f[i] = slice_cut(&rest, RECORD_US);
	}
	if (rest.bytes == NULL)
		return false;
	header->log.length = (size_t)(rest.bytes - header->log.bytes) - 1;
	header->id = f[0];
	header->previous = f[1];
	header->first_seq = slice_int(f[2], -1);
	header->last_seq = slice_int(f[3], -1);
	header->epoch = f[4];
	header->at_us = slice_int(rest, -1);
	return header->first_seq > 0 && header->last_seq >= header->first_seq && header->at_us >= 0;
}

static struct slice waits_text(int64_t waits) {
	static const char *const texts[] = { "",  "d",  "t",  "dt",  "a",  "da",  "ta",  "dta",
		                                 "k", "dk", "tk", "dtk", "ak", "dak", "tak", "dtak" };
	return slice_of(texts[waits & 15]);
}

/* reason US code US message US because, and for an event about no task US extra. */
static void read_told(struct record *record, struct slice tail, bool has_extra) {
	record->reason = slice_cut(&tail, RECORD_US);
	record->error_code = slice_cut(&tail, RECORD_US);
	record->error_message = slice_cut(&tail, RECORD_US);
	record->because = has_extra ? slice_cut(&tail, RECORD_US) : tail;
	record->extra = has_extra ? tail : SLICE("");
}

static void read_tail(struct record *record, const struct packed *packed, struct slice tail) {
	if (record->number == 0) {
		read_told(record, tail, true);
		return;
	}
	if (record->version == 1) {
		record->because = packed->because;
		record->extra = tail;
		return;
	}
	if (record->status == RECORD_COMPLETED) {
		record->previous = RECORD_RUNNING;
		slice_cut(&tail, RECORD_US); /* "=" and its task_id */
		record->extra = tail;
		return;
	}
	record->previous = tail.bytes[0];
	if (tail.length > 1)
		read_told(record, (struct slice){ tail.bytes + 1, tail.length - 1 }, false);
}

static bool add_record(struct text *out, const struct outbox_header *header, int64_t seq, struct slice state,
                       struct slice tail) {
	struct packed packed;
	if (!packed_read(state, &packed) || packed.seq != seq ||
	    (tail.length == 0 && packed.number != 0 && packed.version != 1))
		return false;
	struct record record = {
		.seq = seq,
		.status = packed.status,
		.number = packed.number,
		.project = packed.project,
		.task_type = packed.task_type,
		.task_id = packed.task_id,
		.batch_id = packed.batch_id,
		.traceparent = packed.traceparent,
		.version = packed.version,
		.attempt = packed.attempt,
		.at_us = header->at_us,
		.ready_at_us = packed.ready_us,
		.due_at_us = packed.due_us,
		.retry_count = packed.retry_count,
		.priority = packed.priority,
		.waits = waits_text(packed.waits),
		.worker = packed.worker,
		.lease = packed.lease,
	};
	read_tail(&record, &packed, tail);
	if (record.status == RECORD_RUNNING && record.previous != RECORD_RUNNING)
		record.lease_until_us = packed.due_us;
	if (seq > header->first_seq)
		text_add_char(out, RECORD_RS);
	record_add(out, &record);
	return true;
}

/* A text after its length in 4 bytes. */
static bool cut_joined(struct slice *rest, struct slice *text) {
	struct reader reader = { (const unsigned char *)rest->bytes, (const unsigned char *)rest->bytes + rest->length,
		                     true };
	int64_t length = take(&reader, 4);
	if (!reader.valid || reader.end - reader.at < length)
		return false;
	*text = (struct slice){ (const char *)reader.at, (size_t)length };
	*rest = (struct slice){ (const char *)reader.at + length, (size_t)(reader.end - reader.at - length) };
	return true;
}

static bool add_joined(struct text *out, const struct outbox_header *header, int64_t *seq, struct slice rest) {
	struct slice state, tail;
	while (rest.length > 0)
		if (!cut_joined(&rest, &state) || !cut_joined(&rest, &tail) || !add_record(out, header, (*seq)++, state, tail))
			return false;
	return true;
}

bool outbox_add_entry(struct text *out, const struct outbox_header *header, const struct kv_reply *fields) {
	int64_t seq = header->first_seq;
	text_add_slice(out, header->log);
	text_add_char(out, RECORD_GS);
	for (size_t i = 2; i + 1 < kv_count(fields); i += 2) {
		struct slice state = kv_text(kv_at(fields, i)), tail = kv_text(kv_at(fields, i + 1));
		if (state.length == 0 ? !add_joined(out, header, &seq, tail) : !add_record(out, header, seq++, state, tail))
			return false;
	}
	return seq == header->last_seq + 1;
}
