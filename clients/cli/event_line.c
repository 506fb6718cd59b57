/* "14:03:07.123 ✔ shop/test-3  completed  1.2s  worker-7". */
#include "event_line.h"

#include "fields.h"

enum { STATUS_COLUMNS = 9 };

static void add_detail(const struct term *term, struct text *out, const char *before, struct slice detail) {
	if (detail.length == 0)
		return;
	text_add(out, "  ");
	term_say(term, out, SHADE_DIM, "%s", before);
	term_add(term, out, SHADE_DIM, detail);
}

void event_line_add(const struct term *term, struct text *out, struct json_value event, bool with_project) {
	struct slice status = json_text(json_member(event, "status"));
	struct slice previous = json_text(json_member(event, "previous"));
	struct json_value error = json_member(event, "error");
	text_add_clock(out, field_time(json_member(event, "at")), true);
	text_add_char(out, ' ');
	term_say(term, out, term_status_shade(status), "%s ", term_status_mark(term, status));
	term_add_cell(term, out, term_status_shade(status), status, STATUS_COLUMNS, false);
	text_add(out, "  ");
	if (with_project) {
		term_add(term, out, SHADE_DIM, json_text(json_member(event, "project")));
		text_add_char(out, '/');
	}
	term_add(term, out, SHADE_PLAIN, json_text(json_member(event, "task_id")));
	add_detail(term, out, "", json_text(json_member(event, "task_type")));
	if (json_int(json_member(event, "attempt"), 0) > 1)
		term_say(term, out, SHADE_MAGENTA, "  try %lld", (long long)json_int(json_member(event, "attempt"), 0));
	if (slice_is(status, "running") && !slice_equal(status, previous))
		add_detail(term, out, "", json_text(json_member(event, "worker")));
	add_detail(term, out, "", json_text(json_member(event, "reason")));
	add_detail(term, out, "because of ", json_text(json_member(event, "because")));
	if (json_given(error)) {
		text_add(out, "  ");
		term_add(term, out, SHADE_RED, json_text(json_member(error, "code")));
		text_add(out, ": ");
		term_add(term, out, SHADE_PLAIN, json_text(json_member(error, "message")));
	}
}
