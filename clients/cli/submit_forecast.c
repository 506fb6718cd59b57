/* What a dry run foretells, in words: how long, which chain decides, who starts when. */
#include "fields.h"
#include "submit.h"

enum { LIST_MOST = 100, INDENT_COLUMNS = 2 };

static void add_seconds(struct text *out, struct json_value value) {
	text_add_duration(out, json_double(value, 0));
}

/* Ids with a sign between, in lines that fit; total: how many there are in all. */
static void add_ids(const struct term *term, struct text *out, struct json_value ids, size_t total, const char *sign) {
	size_t column = INDENT_COLUMNS, shown = 0;
	text_printf(out, "%*s", INDENT_COLUMNS, "");
	for (struct json_value id = json_first(ids); json_present(id) && shown < LIST_MOST; id = json_next(id), shown++) {
		size_t taken = term_columns(json_text(id)) + term_columns(slice_of(sign));
		if (shown > 0)
			term_say(term, out, SHADE_DIM, "%s", sign);
		if (shown > 0 && column + taken > term->width) {
			text_printf(out, "\n%*s", INDENT_COLUMNS, "");
			column = INDENT_COLUMNS;
		}
		term_add(term, out, SHADE_PLAIN, json_text(id));
		column += taken;
	}
	if (total > shown)
		text_printf(out, "%s… %zu more", sign, total - shown);
	text_add_char(out, '\n');
}

void forecast_add_text(const struct term *term, struct text *out, struct json_value forecast, size_t task_count) {
	int64_t workers = json_int(json_member(forecast, "workers"), 0);
	int64_t estimated = json_int(json_member(forecast, "estimated_count"), 0);
	if (!json_given(forecast))
		return;
	text_add_char(out, '\n');
	term_say(term, out, SHADE_BOLD, "Expected: ");
	add_seconds(out, json_member(forecast, "makespan_s"));
	if (workers > 0)
		text_printf(out, " with %lld worker%s", (long long)workers, workers == 1 ? "" : "s");
	else
		text_add(out, " with as many workers as there is work for (--workers N)");
	text_add(out, ", for ");
	add_seconds(out, json_member(forecast, "work_s"));
	text_add(out, " of work.\n");
	if (estimated < (int64_t)task_count)
		term_say(term, out, SHADE_DIM, "%lld of %zu tasks say how long they take; the others are taken for average.\n",
		         (long long)estimated, task_count);
	term_say(term, out, SHADE_BOLD, "Critical path: ");
	add_seconds(out, json_member(forecast, "critical_path_s"));
	text_add(out, " (more workers do not make it shorter)\n");
	add_ids(term, out, json_member(forecast, "critical_path"),
	        (size_t)json_int(json_member(forecast, "critical_path_count"), 0), term->unicode ? " → " : " -> ");
	term_say(term, out, SHADE_BOLD, "Order of starts:\n");
	add_ids(term, out, json_member(forecast, "order"), task_count, ", ");
}
