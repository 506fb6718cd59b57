/* A table of pairs of histograms; see metrics_times.h. */
#include "metrics_times.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/base/table.h"
#include "shared/service/metrics_text.h"

enum { TYPES_MAX = 200 }; /* the first ones seen; each has some forty series */

struct pair {
	struct histogram wait, run;
};

struct times {
	struct table *by_type;
};

struct times *times_open(void) {
	struct times *times = memory_new(sizeof(*times));
	times->by_type = table_open();
	return times;
}

void times_close(struct times **times) {
	size_t at = 0;
	struct slice type;
	void *pair;
	if (*times == NULL)
		return;
	while (table_next((*times)->by_type, &at, &type, &pair))
		free(pair);
	table_close(&(*times)->by_type);
	free(*times);
	*times = NULL;
}

static struct pair *pair_of(struct times *times, struct slice task_type) {
	struct pair *pair = table_get(times->by_type, task_type);
	if (pair != NULL || table_count(times->by_type) >= TYPES_MAX)
		return pair;
	pair = memory_new(sizeof(*pair));
	table_put(times->by_type, task_type, pair);
	return pair;
}

void times_note(struct times *times, const struct record *record, int64_t ran_us) {
	bool starts = record->status == RECORD_RUNNING && record->previous != RECORD_RUNNING && record->ready_at_us > 0;
	struct pair *pair = starts || ran_us >= 0 ? pair_of(times, record->task_type) : NULL;
	if (pair != NULL && starts)
		histogram_add(&pair->wait, record->at_us - record->ready_at_us);
	if (pair != NULL && ran_us >= 0)
		histogram_add(&pair->run, ran_us);
}

static void add_family(const struct times *times, struct text *out, const char *name, const char *help, bool runs) {
	size_t at = 0;
	struct slice type;
	void *value;
	metrics_head(out, name, "histogram", help);
	while (table_next(times->by_type, &at, &type, &value)) {
		const struct pair *pair = value;
		struct text labels = { 0 };
		metrics_label(&labels, "task_type", type);
		histogram_add_series(out, name, labels.bytes, runs ? &pair->run : &pair->wait);
		text_release(&labels);
	}
}

void times_add_metrics(const struct times *times, struct text *out) {
	add_family(times, out, "corder_task_wait_seconds",
	           "From ready to started, by type, of all tries since this monitor started.", false);
	add_family(times, out, "corder_task_run_seconds",
	           "From started to ended, by type, of all tries since this monitor started.", true);
}
