/* See deliver.h. Ids and tokens hold nothing that JSON would escape: they were checked when they came in. */
#include "deliver.h"

#include "shared/task/record.h"

static void cut(struct slice bytes, struct slice *fields, size_t count) {
	for (size_t i = 0; i < count; i++)
		fields[i] = bytes.bytes != NULL ? slice_cut(&bytes, RECORD_US) : SLICE("");
}

void delivery_read(const struct slice *fields, struct delivery *delivery) {
	struct slice identity[5], numbers[8];
	cut(fields[0], identity, 5);
	cut(fields[2], numbers, 8);
	*delivery = (struct delivery){
		.project = identity[0],
		.task_type = identity[1],
		.task_id = identity[2],
		.batch_id = identity[3], /* traceparent: the specification has it too */
		.lease = fields[1],
		.priority = numbers[0],
		.attempt = numbers[1],
		.retry_count = numbers[2],
		.lease_until_us = slice_int(numbers[3], 0),
		.created_us = slice_int(numbers[4], 0),
		.ready_us = slice_int(numbers[5], 0),
		.started_us = slice_int(numbers[6], 0),
		.version = numbers[7],
		.specification = fields[3],
		.inputs = fields[4],
	};
}

static void add_text(struct text *out, const char *before, struct slice value) {
	text_add(out, before);
	text_add_slice(out, value);
}

static void add_time(struct text *out, const char *before, int64_t at_us) {
	text_add(out, before);
	text_add_json_time(out, at_us);
}

static struct slice result_of(struct slice input) {
	return input.bytes != NULL && input.length > 0 ? input : SLICE("null");
}

/* Inputs up to most_bytes in all; the names of the others go into `omitted`. */
static void add_inputs(struct text *out, struct slice inputs, size_t most_bytes, struct text *omitted) {
	struct slice rest = inputs;
	size_t start = out->length;
	text_add(out, ",\"inputs\":{");
	bool first = true;
	while (rest.bytes != NULL && rest.length > 0) {
		struct slice result = slice_cut(&rest, RECORD_RS);
		struct slice task_id = slice_cut(&result, RECORD_US);
		result = result_of(result);
		if (out->length - start + task_id.length + result.length + 4 > most_bytes) {
			text_add(omitted, omitted->length > 0 ? ",\"" : "\"");
			text_add_slice(omitted, task_id);
			text_add_char(omitted, '"');
			continue;
		}
		add_text(out, first ? "\"" : ",\"", task_id);
		add_text(out, "\":", result);
		first = false;
	}
	text_add_char(out, '}');
}

static void add_fixed(struct text *out, const struct delivery *d) {
	struct specification specification;
	add_text(out, "{\"project\":\"", d->project);
	add_text(out, "\",\"task_id\":\"", d->task_id);
	add_text(out, "\",\"task_type\":\"", d->task_type);
	add_text(out, "\",\"batch_id\":\"", d->batch_id);
	add_text(out, "\",\"priority\":", d->priority);
	add_text(out, ",\"status\":\"running\",\"attempt\":", d->attempt);
	add_text(out, ",\"retry_count\":", d->retry_count);
	if (d->version.length > 0)
		add_text(out, ",\"version\":", d->version);
	add_text(out, ",\"lease\":\"", d->lease);
	add_time(out, "\",\"lease_until\":", d->lease_until_us);
	add_time(out, ",\"created_at\":", d->created_us);
	add_time(out, ",\"ready_at\":", d->ready_us);
	add_time(out, ",\"started_at\":", d->started_us);
	if (record_parse_specification(d->specification, &specification)) {
		text_add_char(out, ',');
		record_add_specification_json(out, &specification);
	}
}

bool delivery_add(struct text *out, const struct delivery *delivery, size_t most_bytes, bool must_fit) {
	size_t start = out->length;
	struct text omitted = { 0 };
	if (start > 0)
		text_add_char(out, ',');
	add_fixed(out, delivery);
	size_t used = out->length - start, room = most_bytes > used ? most_bytes - used : 0;
	if (must_fit) {
		size_t reserve = 32; /* each name that is left out takes less than it would have taken */
		for (size_t i = 0; delivery->inputs.length > room && i < delivery->inputs.length; i++)
			reserve += delivery->inputs.bytes[i] == RECORD_RS ? 136 : 0;
		add_inputs(out, delivery->inputs, room > reserve ? room - reserve : 0, &omitted);
	} else {
		add_inputs(out, delivery->inputs, SIZE_MAX, &omitted);
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
