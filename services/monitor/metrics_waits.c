/* A table of histograms; see metrics_waits.h. */
#include "metrics_waits.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/base/table.h"
#include "shared/service/metrics_text.h"

enum { TYPES_MAX = 200 }; /* the first ones seen; each has some twenty series */

struct waits {
	struct table *by_type;
};

struct waits *waits_open(void) {
	struct waits *waits = memory_new(sizeof(*waits));
	waits->by_type = table_open();
	return waits;
}

void waits_close(struct waits **waits) {
	size_t at = 0;
	struct slice type;
	void *histogram;
	if (*waits == NULL)
		return;
	while (table_next((*waits)->by_type, &at, &type, &histogram))
		free(histogram);
	table_close(&(*waits)->by_type);
	free(*waits);
	*waits = NULL;
}

void waits_note(struct waits *waits, const struct record *record) {
	if (record->status != RECORD_RUNNING || record->previous == RECORD_RUNNING || record->ready_at_us == 0)
		return;
	struct histogram *histogram = table_get(waits->by_type, record->task_type);
	if (histogram == NULL) {
		if (table_count(waits->by_type) >= TYPES_MAX)
			return;
		histogram = memory_new(sizeof(*histogram));
		table_put(waits->by_type, record->task_type, histogram);
	}
	histogram_add(histogram, record->at_us - record->ready_at_us);
}

void waits_add_metrics(const struct waits *waits, struct text *out) {
	size_t at = 0;
	struct slice type;
	void *histogram;
	metrics_head(out, "corder_task_wait_seconds", "histogram",
	             "From ready to started, by type, of all tries since this monitor started.");
	while (table_next(waits->by_type, &at, &type, &histogram)) {
		struct text labels = { 0 };
		metrics_label(&labels, "task_type", type);
		histogram_add_series(out, "corder_task_wait_seconds", labels.bytes, histogram);
		text_release(&labels);
	}
}
