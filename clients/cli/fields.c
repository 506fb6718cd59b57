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

static int about_task(struct cli *cli, const char *subject, const struct task_name *name,
                      void (*add)(const struct term *term, struct text *out, struct json_value root)) {
	struct text body = { 0 }, out = { 0 };
	struct answer answer;
	bool printed;
	text_add(&body, "{\"project\":");
	text_add_json(&body, name->project);
	text_add(&body, ",\"task_id\":");
	text_add_json(&body, name->task_id);
	text_add_char(&body, '}');
	int code = client_ask_or_print(cli, subject, text_slice(&body), &answer, &printed);
	if (!printed)
		add(&cli->out, &out, answer.root);
	term_write(&cli->out, &out);
	answer_release(&answer);
	text_release(&out);
	text_release(&body);
	return code;
}

int about_each_task(struct cli *cli, const char *subject, const char *project,
                    void (*add)(const struct term *term, struct text *out, struct json_value root)) {
	int code = EXIT_DONE;
	for (size_t i = 0; i < cli->arguments.count && (code == EXIT_DONE || code == EXIT_REFUSED); i++) {
		struct task_name name;
		int one = client_task_name(cli->arguments.words[i], project, &name);
		if (one == EXIT_DONE)
			one = about_task(cli, subject, &name, add);
		code = one != EXIT_DONE ? one : code;
	}
	return code;
}
