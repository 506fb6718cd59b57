/* Times, statuses, labels; bodies. */
#include "fields.h"

#include <string.h>

#include "../../shared/base/clock.h"

enum { LABEL_COLUMNS = 14 };

int64_t field_time(struct json_value value) {
	struct slice text = json_text(value);
	int64_t at_us;
	return text.length > 0 && clock_parse(text.bytes, text.length, &at_us) ? at_us : 0;
}

void field_add_ago(struct text *out, int64_t at_us) {
	double seconds = (double)(clock_wall_us() - at_us) / 1e6;
	if (at_us == 0) {
		text_add_char(out, '-');
		return;
	}
	if (seconds < 0)
		text_add(out, "in ");
	text_add_duration(out, seconds < 0 ? -seconds : seconds);
	if (seconds >= 0)
		text_add(out, " ago");
}

static void begin_member(struct text *body, const char *name) {
	text_add_char(body, body->length == 0 ? '{' : ',');
	text_printf(body, "\"%s\":", name);
}

void body_add(struct text *body, const char *name, const char *value) {
	if (value == NULL)
		return;
	begin_member(body, name);
	text_add_json(body, slice_of(value));
}

void body_add_int(struct text *body, const char *name, int64_t value) {
	begin_member(body, name);
	text_add_int(body, value);
}

void body_end(struct text *body) {
	text_add(body, body->length == 0 ? "{}" : "}");
}

struct slice text_slice(const struct text *text) {
	return (struct slice){ text->bytes, text->length };
}

void field_add_status(const struct term *term, struct text *out, struct slice status) {
	term_say(term, out, term_status_shade(status), "%s ", term_status_mark(term, status));
	term_add(term, out, term_status_shade(status), status);
}

void field_add_label(const struct term *term, struct text *out, const char *label) {
	term_say(term, out, SHADE_DIM, "  %-*s", LABEL_COLUMNS, label);
}

void field_add_task_head(const struct term *term, struct text *out, struct json_value task) {
	term_add(term, out, SHADE_DIM, json_text(json_member(task, "project")));
	text_add_char(out, '/');
	term_add(term, out, SHADE_BOLD, json_text(json_member(task, "task_id")));
	text_add(out, "  ");
	field_add_status(term, out, json_text(json_member(task, "status")));
	text_add_char(out, '\n');
}

void field_add_title(struct text *out, const char *project, const char *batch) {
	text_add(out, project);
	if (batch != NULL)
		text_printf(out, " / %s", batch);
}
