/* See deliver.h. Ids and tokens hold nothing that JSON would escape: they were checked when they came in. */
#include "deliver.h"

#include "shared/task/record.h"

void delivery_read(const struct slice *fields, struct delivery *delivery) {
	struct slice times = fields[10];
	*delivery = (struct delivery){
		.number = fields[0],
		.project = fields[1],
		.task_id = fields[2],
		.task_type = fields[3],
		.batch_id = fields[4],
		.priority = fields[5],
		.attempt = fields[6],
		.retry_count = fields[7],
		.lease = fields[8],
		.lease_until_us = slice_int(fields[9], 0),
		.specification = fields[11],
		.inputs = fields[12],
		.version = SLICE(""),
	};
	int64_t *const slots[] = { &delivery->created_us, &delivery->ready_us, &delivery->started_us };
	for (size_t i = 0; i < 3 && times.bytes != NULL; i++)
		*slots[i] = slice_int(slice_cut(&times, ' '), 0);
	if (times.bytes != NULL)
		delivery->version = times;
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
