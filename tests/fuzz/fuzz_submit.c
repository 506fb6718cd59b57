/* submit and enqueue on any bytes: what is taken becomes records that are read back as they were written, and slices
 * that hold each of them once, dependencies first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/ingest/plan.h"
#include "shared/base/id.h"
#include "shared/task/requests.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check_record(struct slice record, const struct task *task) {
	struct task_record back;
	struct record_dependency edge;
	size_t edges = 0;
	must(task_record_parse(record, &back));
	must(slice_equal(back.task_id, task->task_id) && slice_equal(back.task_type, task->task_type));
	must(back.priority == task->priority && back.specification.max_retries == task->max_retries);
	must(back.specification.timeout_us == task->timeout_us && back.specification.not_before_us == task->not_before_us);
	must(slice_equal(back.specification.execution_context, task->execution_context));
	must(slice_equal(back.specification.service_name, task->service_name));
	must(slice_equal(back.specification.concurrency_key, task->concurrency_key));
	must(slice_equal(back.specification.backoff, task->backoff));
	for (struct slice rest = back.specification.dependencies; record_next_dependency(&rest, &edge); edges++) {
		must(slice_equal(edge.task_id, task->dependencies[edges].task_id));
		must(edge.condition == task->dependencies[edges].condition && edge.future == task->dependencies[edges].future);
	}
	must(edges == task->dependency_count);
}

static void check_plan(struct text *records) {
	struct plan plan = { 0 };
	struct error err = { 0 };
	struct text tasks = { 0 }, slice = { 0 };
	must(plan_take(&plan, records));
	if (plan_sort(&plan, &err, &tasks) == STATUS_OK) {
		uint32_t at = 0, check_at = 0, seen = 0, taken;
		while ((taken = plan_slice(&plan, &at, &slice)) > 0) {
			seen += taken;
			text_clear(&slice);
			must(plan_slice_to_check(&plan, &check_at, &slice) == taken && check_at == at);
			text_clear(&slice);
		}
		must(seen == plan.count);
	} else {
		must(strcmp(err.code, "cycle") == 0 || strcmp(err.code, "duplicate_id") == 0);
		must(tasks.length > 2);
	}
	text_release(&tasks);
	text_release(&slice);
	plan_close(&plan);
}

static void check_request(struct submit_request *request) {
	struct text records = { 0 };
	must(id_is_token(request->project));
	for (size_t i = 0; i < request->task_count; i++) {
		char id[32];
		snprintf(id, sizeof(id), "generated-%zu", i);
		if (request->tasks[i].task_id.length == 0)
			request->tasks[i].task_id = slice_of(id);
		if (i > 0)
			text_add_char(&records, RECORD_RS);
		size_t start = records.length;
		task_add_record(&records, &request->tasks[i], SLICE(""));
		struct slice record = { records.bytes + start, records.length - start };
		must(memchr(record.bytes, RECORD_RS, record.length) == NULL &&
		     memchr(record.bytes, RECORD_GS, record.length) == NULL);
		check_record(record, &request->tasks[i]);
	}
	if (records.length > 0)
		check_plan(&records);
	text_release(&records);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
	static struct json *json;
	struct slice body = { (const char *)bytes, length };
	struct submit_request request;
	struct error err = { 0 };
	if (json == NULL)
		json = json_open();
	if (submit_request_parse(json, body, (struct slice){ NULL, 0 }, &task_limits_default, &request, &err) == STATUS_OK)
		check_request(&request);
	else
		must(err.code[0] != '\0' && err.message[0] != '\0');
	if (submit_request_parse(json, body, SLICE("shop"), &task_limits_default, &request, &err) == STATUS_OK)
		check_request(&request);
	return 0;
}
