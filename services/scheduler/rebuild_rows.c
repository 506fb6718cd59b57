/* A task from its row; see rebuild_rows.h. */
#include "rebuild_rows.h"

#include "shared/task/record.h"

static char wait_letter(struct slice word) {
	return slice_is(word, "dependency") ? 'd' : slice_is(word, "time") ? 't' : slice_is(word, "approval") ? 'a' : 'k';
}

static void add_waits(struct text *out, struct slice words) {
	while (words.bytes != NULL && words.length > 0)
		text_add_char(out, wait_letter(slice_cut(&words, ',')));
}

void rebuild_add_task(struct text *out, const struct db_result *rows, size_t row, int64_t lease_us) {
	char status = record_status_letter(db_value(rows, row, 5));
	for (size_t column = 0; column < 20; column++) {
		if (column == 5)
			text_add_char(out, status);
		else if (column == 8)
			add_waits(out, db_value(rows, row, column));
		else
			text_add_slice(out, db_value(rows, row, column));
		text_add_char(out, RECORD_US);
	}
	text_add_int(out, lease_us);
	text_add_char(out, RECORD_US);
	text_add_slice(out, db_value(rows, row, 34));
	text_add_char(out, RECORD_US);
	text_add_json_body(out, db_value(rows, row, 35));
	text_add_char(out, RECORD_US);
	if (status == RECORD_COMPLETED) {
		text_add_char(out, '=');
		text_add_slice(out, db_value(rows, row, 20));
		text_add_char(out, RECORD_US);
		text_add_slice(out, db_value(rows, row, 33));
		return;
	}
	struct specification s = {
		.flags = db_value(rows, row, 21),
		.max_retries = db_int(rows, row, 22),
		.timeout_us = db_int(rows, row, 23),
		.not_before_us = db_int(rows, row, 24),
		.backoff = db_value(rows, row, 25),
		.concurrency_key = db_value(rows, row, 26),
		.concurrency_limit = db_int(rows, row, 27),
		.hash = db_value(rows, row, 20),
		.service_name = db_value(rows, row, 28),
		.estimated_duration = db_value(rows, row, 29),
		.traceparent = db_value(rows, row, 30),
		.dependencies = db_value(rows, row, 31),
		.execution_context = db_value(rows, row, 32),
	};
	record_add_specification(out, &s);
}
