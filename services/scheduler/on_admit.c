/* internal.admit.<partition>: ingest asks whether a submission may come in. Answered when its entry is in the log. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler.h"
#include "shared/base/memory.h"
#include "shared/task/record.h"

struct admission {
	struct submission submission;
	struct partition *partition;
	struct service_request *request;
	bool archived;
	char *verdict;
	size_t verdict_length;
};

static size_t count_records(struct slice records) {
	size_t count = 0;
	while (records.bytes != NULL && records.length > 0) {
		slice_cut(&records, RECORD_RS);
		count++;
	}
	return count;
}

/* The ids of an error's GS part and the items of an ok go through as they are; only the head is ours to shape. */
void on_admit_answer(struct service_request *request, struct slice verdict) {
	struct slice rest = verdict;
	struct slice head = slice_cut(&rest, RECORD_GS);
	struct text reply = { 0 };
	if (slice_is(slice_cut(&head, RECORD_US), "ok")) {
		text_add(&reply, "ok");
	} else {
		text_add_slice(&reply, (struct slice){ verdict.bytes, (size_t)(rest.bytes - verdict.bytes) - 1 });
	}
	if (rest.length > 0) {
		text_add_char(&reply, RECORD_GS);
		text_add_slice(&reply, rest);
	}
	service_reply(request, (struct slice){ reply.bytes, reply.length });
	text_release(&reply);
}

void on_admit_fail(struct service_request *request, const struct error *err) {
	struct text reply = { 0 };
	bool known = strcmp(err->code, "internal") == 0 || strcmp(err->code, "limit_exceeded") == 0 ||
	             strcmp(err->code, "invalid_field") == 0;
	text_printf(&reply, "%s%c%s%c%s", known ? err->code : "unavailable", RECORD_US, err->message, RECORD_US, err->path);
	service_reply(request, (struct slice){ reply.bytes, reply.length });
	text_release(&reply);
}

static void answer(void *context, enum status status) {
	struct admission *admission = context;
	struct error err = { 0 };
	admission->partition->scheduler->busy--;
	if (status == STATUS_OK) {
		on_admit_answer(admission->request, (struct slice){ admission->verdict, admission->verdict_length });
	} else {
		fail(&err, STATUS_RETRY, "the log did not confirm it in time: repeat with the same ids");
		on_admit_fail(admission->request, &err);
	}
	free(admission->verdict);
	free(admission);
}

static void on_verdict(struct submission *submission, enum status status, const struct state_head *head,
                       struct slice verdict, const struct error *err) {
	struct admission *admission = submission->context;
	if (status != STATUS_OK) {
		admission->partition->scheduler->busy--;
		on_admit_fail(admission->request, err);
		free(admission);
		return;
	}
	struct scheduler *scheduler = admission->partition->scheduler;
	bool ok = verdict.length > 2 && memcmp(verdict.bytes, "ok\x1f", 3) == 0;
	*(ok ? scheduler->admitted : scheduler->refused) += submission->record_count;
	admission->verdict = memory_copy(verdict.bytes, verdict.length);
	admission->verdict_length = verdict.length;
	heads_wait(admission->partition, head, admission->archived && ok, answer, admission);
}

/* Above the limits new work is refused; history is never dropped. */
static bool is_full(struct partition *partition, struct error *err) {
	const struct scheduler_settings *settings = partition->scheduler->settings;
	int64_t log_most = settings->log_max_bytes;
	/* What was accepted goes on, so one block's room is kept for it. */
	if (log_most > 0 && partition->log_bytes + RELAY_BLOCK_BYTES > (uint64_t)log_most)
		fail(err, STATUS_RETRY, "the log is full, as CORDER_LOG_MAX_BYTES has it");
	else if (partition->persisted_known && partition->head_seq - partition->persisted_seq > settings->max_lag_events)
		fail(err, STATUS_RETRY, "the database is too far behind, as CORDER_MAX_LOG_LAG_EVENTS has it");
	else
		return false;
	snprintf(err->code, sizeof(err->code), "%s", CODE_UNAVAILABLE);
	return true;
}

void on_admit(struct service *service, struct service_request *request) {
	struct scheduler *scheduler = service_own(service);
	struct partition *partition = scheduler_partition_named(scheduler, service_last_token(request));
	struct error err = { 0 };
	struct slice records = service_body(request);
	struct slice header = records.bytes != NULL ? slice_cut(&records, RECORD_GS) : (struct slice){ 0 };
	struct slice f[5] = { { 0 } };
	for (size_t i = 0; i < 5 && header.bytes != NULL; i++)
		f[i] = slice_cut(&header, RECORD_US);
	if (partition == NULL || f[2].length == 0) {
		reject(&err, CODE_INTERNAL, "", "a malformed admit request: ingest and scheduler of different versions?");
		on_admit_fail(request, &err);
		return;
	}
	if (is_full(partition, &err)) {
		on_admit_fail(request, &err);
		return;
	}
	bool archived = slice_is(f[3], "archived");
	if (slice_is(f[2], "sliced")) {
		graph_admit(partition, request, f[0], f[1], archived, header);
		return;
	}
	struct admission *admission = memory_new(sizeof(*admission));
	admission->partition = partition;
	admission->request = request;
	admission->archived = archived;
	admission->submission = (struct submission){
		.project = f[0],
		.batch_id = f[1],
		.mode = slice_is(f[2], "check") ? "check" : "admit",
		.records = records,
		.record_count = count_records(records),
		.done = on_verdict,
		.context = admission,
	};
	scheduler->busy++;
	admit_submit(partition, &admission->submission);
}
