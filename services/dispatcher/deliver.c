/* See deliver.h. Ids and tokens hold nothing that JSON would escape: they were checked when they came in. */
#include "deliver.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/task/record.h"

bool delivery_read(const struct slice *fields, struct delivery *delivery) {
	delivery->specification = fields[1];
	delivery->edges = fields[2];
	return packed_read(fields[0], &delivery->task);
}

/* Both kinds begin with their number. */
static int compare(const void *a, const void *b) {
	const int64_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static int64_t number_at(const struct kv_reply *list, size_t place) {
	struct slice member = kv_text(kv_at(list, place));
	return member.length == PACKED_MEMBER_BYTES ? packed_member(member.bytes) : 0;
}

static void read_results(struct delivery_lists *lists, const struct kv_reply *list) {
	lists->result_count = kv_count(list) / DELIVER_RESULT_FIELDS;
	lists->results = memory_array(lists->result_count + 1, sizeof(*lists->results));
	for (size_t i = 0; i < lists->result_count; i++) {
		struct slice result = kv_text(kv_at(list, i * DELIVER_RESULT_FIELDS + 1));
		struct slice task_id = slice_cut(&result, RECORD_US);
		lists->results[i] = (struct delivery_result){
			.number = number_at(list, i * DELIVER_RESULT_FIELDS),
			.task_id = { task_id.bytes + 1, task_id.length - 1 }, /* behind "=" */
			.result = result,
		};
	}
	qsort(lists->results, lists->result_count, sizeof(*lists->results), compare);
}

static void read_errors(struct delivery_lists *lists, const struct kv_reply *list) {
	lists->error_count = kv_count(list) / DELIVER_ERROR_FIELDS;
	lists->errors = memory_array(lists->error_count + 1, sizeof(*lists->errors));
	for (size_t i = 0; i < lists->error_count; i++) {
		struct slice message = kv_text(kv_at(list, i * DELIVER_ERROR_FIELDS + 1));
		struct slice code = message.length > 0 ? slice_cut(&message, RECORD_US) : SLICE("");
		lists->errors[i] = (struct delivery_error){ number_at(list, i * DELIVER_ERROR_FIELDS), code, message };
	}
	qsort(lists->errors, lists->error_count, sizeof(*lists->errors), compare);
}

void delivery_lists_read(struct delivery_lists *lists, const struct kv_reply *results, const struct kv_reply *errors) {
	read_results(lists, results);
	read_errors(lists, errors);
}

void delivery_lists_release(struct delivery_lists *lists) {
	free(lists->results);
	free(lists->errors);
}

/* The result behind an edge; NULL when that dependency has none. */
static const struct delivery_result *result_at(const struct delivery *d, size_t edge) {
	int64_t number = packed_member(d->edges.bytes + edge * PACKED_EDGE_BYTES);
	return bsearch(&number, d->lists->results, d->lists->result_count, sizeof(*d->lists->results), compare);
}

static void add_text(struct text *out, const char *before, struct slice value) {
	text_add(out, before);
	text_add_slice(out, value);
}

static void add_time(struct text *out, const char *before, int64_t at_us) {
	text_add(out, before);
	text_add_json_time(out, at_us);
}

static size_t edge_count(const struct delivery *d) {
	return d->edges.length / PACKED_EDGE_BYTES;
}

/* Inputs up to most_bytes in all; the names of the others go into `omitted`. */
static void add_inputs(struct text *out, const struct delivery *d, size_t most_bytes, struct text *omitted) {
	size_t start = out->length;
	text_add(out, ",\"inputs\":{");
	bool first = true;
	for (size_t i = 0; i < edge_count(d); i++) {
		const struct delivery_result *input = result_at(d, i);
		if (input == NULL)
			continue;
		struct slice result = input->result.length > 0 ? input->result : SLICE("null");
		if (out->length - start + input->task_id.length + result.length + 4 > most_bytes) {
			text_add(omitted, omitted->length > 0 ? ",\"" : "\"");
			text_add_slice(omitted, input->task_id);
			text_add_char(omitted, '"');
			continue;
		}
		add_text(out, first ? "\"" : ",\"", input->task_id);
		add_text(out, "\":", result);
		first = false;
	}
	text_add_char(out, '}');
}

/* How many bytes the inputs take at most, and the names of those that are left out. */
static void measure_inputs(const struct delivery *d, size_t *bytes, size_t *names) {
	*bytes = *names = 0;
	for (size_t i = 0; i < edge_count(d); i++) {
		const struct delivery_result *input = result_at(d, i);
		if (input == NULL)
			continue;
		*bytes += input->task_id.length + input->result.length + 8;
		*names += input->task_id.length + 3;
	}
}

static void add_number(struct text *out, const char *before, int64_t value) {
	text_add(out, before);
	text_add_int(out, value);
}

/* Only what somebody has tried before has one. */
static void add_error(struct text *out, const struct delivery *d) {
	const struct delivery_error *error =
		bsearch(&d->task.number, d->lists->errors, d->lists->error_count, sizeof(*error), compare);
	if (error == NULL)
		return;
	add_text(out, ",\"error\":{\"code\":\"", error->code);
	add_text(out, "\",\"message\":\"", error->message);
	text_add(out, "\"}");
}

static void add_fixed(struct text *out, const struct delivery *d) {
	const struct packed *t = &d->task;
	struct specification specification;
	add_text(out, "{\"project\":\"", t->project);
	add_text(out, "\",\"task_id\":\"", t->task_id);
	add_text(out, "\",\"task_type\":\"", t->task_type);
	add_text(out, "\",\"batch_id\":\"", t->batch_id);
	add_number(out, "\",\"priority\":", t->priority);
	add_number(out, ",\"status\":\"running\",\"attempt\":", t->attempt);
	add_number(out, ",\"retry_count\":", t->retry_count);
	add_number(out, ",\"version\":", t->version);
	add_text(out, ",\"lease\":\"", t->lease);
	add_time(out, "\",\"lease_until\":", t->due_us);
	add_time(out, ",\"created_at\":", t->created_us);
	add_time(out, ",\"ready_at\":", t->ready_us);
	add_time(out, ",\"started_at\":", t->started_us);
	if (record_parse_specification(d->specification, &specification)) {
		text_add_char(out, ',');
		record_add_specification_json(out, &specification);
	}
	add_error(out, d);
}

bool delivery_add(struct text *out, const struct delivery *delivery, size_t most_bytes, bool must_fit) {
	size_t start = out->length;
	struct text omitted = { 0 };
	if (start > 0)
		text_add_char(out, ',');
	add_fixed(out, delivery);
	size_t used = out->length - start, room = most_bytes > used ? most_bytes - used : 0;
	if (must_fit) {
		size_t bytes, names; /* each name that is left out takes less than it would have taken */
		measure_inputs(delivery, &bytes, &names);
		size_t reserve = 32 + (bytes > room ? names : 0);
		add_inputs(out, delivery, room > reserve ? room - reserve : 0, &omitted);
	} else {
		add_inputs(out, delivery, SIZE_MAX, &omitted);
	}
	if (omitted.length > 0)
		add_text(out, ",\"inputs_omitted\":[", (struct slice){ omitted.bytes, omitted.length });
	text_add(out, omitted.length > 0 ? "]}" : "}");
	text_release(&omitted);
	if (must_fit || out->length - start <= most_bytes)
		return true;
	out->length = start;
	out->bytes[start] = '\0';
	return false;
}
