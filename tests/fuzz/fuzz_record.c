/* The stored form on any bytes: no piece is read beyond its end, and a record that is one comes out as it went in. */
#include <stdlib.h>
#include <string.h>

#include "shared/base/error.h"
#include "shared/task/task.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check_specification(struct slice bytes) {
	struct specification first, second;
	struct text out = { 0 };
	if (!record_parse_specification(bytes, &first))
		return;
	record_add_specification(&out, &first);
	must(record_parse_specification((struct slice){ out.bytes, out.length }, &second));
	must(slice_equal(first.execution_context, second.execution_context) && slice_equal(first.hash, second.hash));
	must(slice_equal(first.dependencies, second.dependencies) && first.timeout_us == second.timeout_us);
	text_clear(&out);
	record_add_specification_json(&out, &first);
	text_release(&out);
}

static void check_record(const struct record *record, const struct record_entry *entry) {
	struct text out = { 0 };
	struct record again;
	record_add(&out, record);
	must(record_parse((struct slice){ out.bytes, out.length }, &again));
	must(again.seq == record->seq && again.status == record->status && slice_equal(again.extra, record->extra));
	must(slice_equal(again.task_id, record->task_id) && again.version == record->version);
	text_clear(&out);
	record_add_event_json(&out, record, entry, 0);
	text_release(&out);
	check_specification(record->extra);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
	struct slice rest = { (const char *)bytes, length };
	struct record_entry entry, last;
	struct record record;
	struct task_record admitted;
	struct record_dependency edge;
	bool valid = false;
	record_last_entry(rest, &last);
	if (task_record_parse(rest, &admitted))
		while (record_next_dependency(&admitted.specification.dependencies, &edge))
			must(edge.task_id.length > 0);
	check_specification(rest);
	while (record_next_entry(&rest, &entry, &valid)) {
		if (!valid)
			continue;
		struct slice records = entry.records;
		while (record_next(&records, &record, &valid))
			if (valid)
				check_record(&record, &entry);
	}
	return 0;
}
