/* task.list: a page of tasks, newest first, from MySQL. With several partitions their pages are merged by the time of
 * submission; the place for `after` is exact in each of them. */
#include "history.h"
#include "monitor.h"
#include "rows.h"
#include "subjects/subjects.h"

struct list {
	struct list_request request;
	struct page page;
};

/* Where the merge stands in the rows of each partition, which come one partition after the other. */
struct merge {
	size_t next[PAGES_PARTITIONS], end[PAGES_PARTITIONS];
};

static void merge_start(struct merge *merge, const struct db_result *result) {
	*merge = (struct merge){ 0 };
	for (size_t row = 0; row < db_rows(result); row++) {
		size_t partition = rows_partition(result, row);
		if (partition >= PAGES_PARTITIONS)
			continue;
		if (merge->end[partition] == 0)
			merge->next[partition] = row;
		merge->end[partition] = row + 1;
	}
}

/* The newest row not yet taken; false at the end. */
static bool merge_take(struct merge *merge, const struct page *page, const struct db_result *result,
                       struct text *scratch, struct view *view) {
	size_t best = page->partitions;
	int64_t best_at_us = -1;
	for (size_t i = 0; i < page->partitions; i++) {
		if (merge->next[i] >= merge->end[i])
			continue;
		int64_t at_us = rows_created_at(result, merge->next[i]);
		if (at_us > best_at_us) {
			best = i;
			best_at_us = at_us;
		}
	}
	if (best == page->partitions)
		return false;
	rows_read_view(result, merge->next[best]++, scratch, view);
	return true;
}

/* Adds items until the limit or the size of a message is reached. Returns whether there is more. */
static bool add_items(struct question *question, const struct db_result *result) {
	struct list *list = question->own;
	struct text scratch = { 0 }, item = { 0 };
	struct merge merge;
	struct view view;
	int64_t count = 0;
	bool more = false;
	merge_start(&merge, result);
	while (merge_take(&merge, &list->page, result, &scratch, &view)) {
		text_clear(&item);
		view_add_item(&item, &view);
		more = count == list->request.limit || question->out.length + item.length > question->most_bytes;
		if (more)
			break;
		if (count++ > 0)
			text_add_char(&question->out, ',');
		text_append(&question->out, item.bytes, item.length);
		list->page.below[monitor_partition_of(question->monitor, view.project)] = view.number;
	}
	text_release(&scratch);
	text_release(&item);
	return more;
}

static void on_rows(void *context, enum status status, unsigned error_number, const struct error *err,
                    const struct db_result *result) {
	struct question *question = context;
	const struct list *list = question->own;
	(void)error_number;
	if (status != STATUS_OK) {
		question_fail_status(question, status, err);
		return;
	}
	text_add(&question->out, "{\"ok\":true,\"tasks\":[");
	bool more = add_items(question, result);
	page_end_reply(&question->out, &list->page, more);
	question_answer(question);
}

static enum status parse(struct question *question, struct list *list, struct error *err) {
	struct monitor *monitor = question->monitor;
	enum status status = list_request_parse(question->json, question->text, &task_limits_default, &list->request, err);
	if (status != STATUS_OK)
		return status;
	if (list->request.limit > monitor->settings->list_limit)
		list->request.limit = monitor->settings->list_limit;
	page_start(&list->page, monitor_partitions(monitor));
	if (list->request.after.length > 0 && !page_parse(&list->page, monitor_partitions(monitor), list->request.after))
		return reject(err, CODE_INVALID_FIELD, "/after", "this is no `next` of an earlier page");
	return STATUS_OK;
}

void on_list(struct monitor *monitor, struct slice body, const struct asker *asker) {
	struct question *question = question_open(monitor, body, sizeof(struct list), asker);
	if (question == NULL)
		return;
	struct list *list = question->own;
	struct error error = { 0 };
	if (parse(question, list, &error) != STATUS_OK) {
		question_fail(question, &error);
		return;
	}
	size_t first = 0, end = list->page.partitions;
	if (list->request.project.length > 0) {
		first = monitor_partition_of(monitor, list->request.project);
		end = first + 1;
	}
	struct text sql = { 0 };
	rows_ask_list(&sql, &list->request, &list->page, first, end);
	history_select(monitor->history, &sql, on_rows, question);
	text_release(&sql);
}
