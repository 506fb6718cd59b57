/* task.cancel, .retry, .approve, .reject, .update: what people say about tasks. One request names a task, some, or a batch;
 * the reply says for each what became of it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command_inside.h"
#include "shared/base/memory.h"
#include "shared/task/record.h"
#include "shared/task/requests.h"

enum { SHOWN_TASKS = 1000 }; /* of a batch; a list of ids is no longer (LIMIT_TASK_IDS) */

static const char *const verbs[] = { "cancel", "retry", "approve", "reject", "update" };

static void end_run(struct command_run *run) {
	run->partition->scheduler->busy--;
	for (size_t i = 0; run->owned_ids != NULL && i < run->id_count; i++)
		free(run->owned_ids[i]);
	for (size_t i = 0; run->verdicts != NULL && i < run->id_count; i++)
		free(run->verdicts[i]);
	free(run->verdicts);
	free(run->left);
	free(run->owned_ids);
	free(run->ids);
	json_close(&run->json);
	free(run);
}

static void fail_run(struct command_run *run, const char *code, const char *why) {
	struct error err = { 0 };
	reject(&err, code, "", "%s", why);
	service_fail(run->request, &err, "");
	end_run(run);
}

/* verdict: a status letter, or code US message. */
static void add_item(struct text *out, bool first, struct slice id, struct slice verdict) {
	text_add(out, first ? "{\"task_id\":" : ",{\"task_id\":");
	text_add_json(out, id);
	if (verdict.length == 1) {
		text_printf(out, ",\"ok\":true,\"status\":\"%s\"}", record_status_word(verdict.bytes[0]));
		return;
	}
	struct slice code = slice_cut(&verdict, RECORD_US);
	text_add(out, ",\"ok\":false,\"error\":{\"code\":");
	text_add_json(out, code);
	text_add(out, ",\"message\":");
	text_add_json(out, verdict);
	text_add(out, "}}");
}

static void answer_run(struct command_run *run) {
	struct text reply = { 0 };
	size_t changed = 0;
	if (run->unsure) {
		fail_run(run, CODE_UNAVAILABLE, "the log did not confirm it in time: repeat the request");
		return;
	}
	text_add(&reply, "{\"ok\":true,\"tasks\":[");
	for (size_t i = 0; i < run->id_count; i++) {
		struct slice verdict = slice_of(run->verdicts[i]);
		changed += verdict.length == 1;
		if (i < SHOWN_TASKS)
			add_item(&reply, i == 0, run->ids[i], verdict);
	}
	text_add_char(&reply, ']');
	if (run->asked.task_id_count == 0)
		text_printf(&reply, ",\"total\":%zu", changed);
	text_add_char(&reply, '}');
	service_reply(run->request, (struct slice){ reply.bytes, reply.length });
	text_release(&reply);
	end_run(run);
}

static void on_safe(void *context, enum status status) {
	struct command_run *run = context;
	run->unsure = run->unsure || status != STATUS_OK;
	if (--run->waits == 0 && run->over)
		answer_run(run);
}

void command_give_up(struct command_run *run, const char *code, const char *why) {
	if (run->waits == 0) {
		fail_run(run, code, why);
		return;
	}
	run->over = run->unsure = true;
}

/* True when the database has to be asked what it takes. */
static bool take_verdict(struct command_run *run, size_t i, struct slice verdict) {
	struct slice by = verdict;
	if (slice_is(slice_cut(&by, RECORD_US), "left")) {
		snprintf(run->by, sizeof(run->by), "%.*s", (int)by.length, by.bytes);
		run->left[i] = true;
		return true;
	}
	if (verdict.length == 1 || run->proved)
		run->verdicts[i] = slice_copy(verdict);
	return false;
}

/* The entry of that call was full. With rows it goes with rows again. */
static void say_later(struct command_run *run, size_t i, bool with_rows) {
	if (with_rows)
		run->left[i] = true;
	else
		run->at = i;
}

static void on_commanded(void *context, enum status status, const struct state_head *head, const struct kv_reply *reply,
                         const struct error *err) {
	struct command_run *run = context;
	bool had_rows = run->rows_by != NULL, lacks_some = false;
	free(run->rows_by);
	run->rows_by = NULL;
	if (status != STATUS_OK) {
		heads_problem(run->partition, err);
		command_give_up(run, status == STATUS_RETRY ? CODE_UNAVAILABLE : CODE_INTERNAL, err->message);
		return;
	}
	heads_note(run->partition, head);
	for (size_t i = run->called_count; i-- > 0;) {
		struct slice verdict = kv_text(kv_at(reply, i + 1));
		if (slice_is(verdict, "later"))
			say_later(run, run->called[i], had_rows);
		else
			lacks_some |= take_verdict(run, run->called[i], verdict);
	}
	run->tries += had_rows && lacks_some;
	run->waits++;
	heads_wait(run->partition, head, false, on_safe, run);
	command_next(run);
}

static void on_proof(void *context, enum status status) {
	struct command_run *run = context;
	if (status != STATUS_OK) {
		command_give_up(run, CODE_UNAVAILABLE, "the log is away, and without it nothing can be refused: repeat later");
		return;
	}
	run->proved = true;
	command_next(run);
}

static void add_argument(struct command_run *run, struct text *out, struct slice id) {
	text_printf(out, "%s%c%.*s/%.*s%c", verbs[run->command], RECORD_US, (int)run->asked.project.length,
	            run->asked.project.bytes, (int)id.length, id.bytes, RECORD_US);
	if (run->command == COMMAND_UPDATE) {
		text_add_int(out, run->asked.priority);
		text_add_char(out, RECORD_US);
	} else if (run->command == COMMAND_RETRY) {
		char nothing_read[2] = { RECORD_US, 0 };
		text_printf(out, "%c%c%s%c", run->asked.cascade ? '1' : '0', RECORD_US,
		            run->rows_by != NULL ? run->rows_by : nothing_read, RECORD_US);
	}
	text_add_slice(out, run->asked.reason);
}

void command_call(struct command_run *run, struct text *rows, size_t row_count) {
	size_t count = row_count + run->called_count;
	struct text *texts = memory_array(count, sizeof(*texts));
	struct slice *arguments = memory_array(count, sizeof(*arguments));
	if (row_count > 0)
		memcpy(texts, rows, row_count * sizeof(*texts));
	for (size_t i = 0; i < run->called_count; i++)
		add_argument(run, &texts[row_count + i], run->ids[run->called[i]]);
	for (size_t i = 0; i < count; i++)
		arguments[i] = (struct slice){ texts[i].bytes, texts[i].length };
	state_call_proved(run->partition->state, run->proof, &state_script_command, arguments, count, on_commanded, run);
	for (size_t i = 0; i < count; i++)
		text_release(&texts[i]);
	free(arguments);
	free(texts);
}

static void prepare(struct command_run *run) {
	run->verdicts = memory_array(run->id_count, sizeof(*run->verdicts));
	run->left = memory_array(run->id_count, sizeof(*run->left));
}

/* All are said once. What was refused is said again, to a Redis that is surely not behind the log; then what has left it, with
 * what the database knows of it. */
void command_next(struct command_run *run) {
	if (run->verdicts == NULL)
		prepare(run);
	run->called_count = 0;
	for (; run->at < run->id_count && run->called_count < CALL_TASKS; run->at++)
		if (run->verdicts[run->at] == NULL && !run->left[run->at])
			run->called[run->called_count++] = run->at;
	if (run->called_count > 0) {
		command_call(run, NULL, 0);
		return;
	}
	size_t open = 0;
	for (size_t i = 0; i < run->id_count; i++)
		open += run->verdicts[i] == NULL;
	if (open > 0 && !run->proved) {
		run->at = 0;
		proof_ask(run->partition, run->proof, on_proof, run);
	} else if (open > 0) {
		command_bring_back(run);
	} else if (!command_look_up(run)) {
		run->over = true;
		if (run->waits == 0)
			answer_run(run);
	}
}

/* No task of the batch can be meant: that is an empty list when there is such a batch. */
static void on_existence(void *context, enum status status, unsigned number, const struct error *err,
                         const struct db_result *result) {
	struct command_run *run = context;
	(void)number;
	(void)err;
	if (status != STATUS_OK)
		fail_run(run, CODE_UNAVAILABLE, "the database, which knows the batch's tasks, is away: repeat later");
	else if (db_rows(result) == 0)
		fail_run(run, CODE_NOT_FOUND, "no such batch in the project");
	else
		answer_run(run);
}

static void add_batch(const struct command_run *run, struct text *sql) {
	text_add(sql, " FROM tasks WHERE project=");
	db_quote(sql, run->asked.project);
	text_add(sql, " AND batch_id=");
	db_quote(sql, run->asked.batch_id);
}

static void ask_whether_it_exists(struct command_run *run) {
	struct text sql = { 0 };
	text_add(&sql, "SELECT 1");
	add_batch(run, &sql);
	text_add(&sql, " LIMIT 1");
	db_query(run->partition->scheduler->db, (struct slice){ sql.bytes, sql.length }, on_existence, run);
	text_release(&sql);
}

/* A cancel leaves ended tasks alone, a retry those that need none: a batch names only those it can mean. */
static void on_batch(void *context, enum status status, unsigned number, const struct error *err,
                     const struct db_result *result) {
	struct command_run *run = context;
	(void)number;
	(void)err;
	if (status != STATUS_OK) {
		fail_run(run, CODE_UNAVAILABLE, "the database, which knows the batch's tasks, is away: repeat later");
		return;
	}
	size_t count = db_rows(result);
	if (count == 0) {
		ask_whether_it_exists(run);
		return;
	}
	run->ids = memory_array(count, sizeof(*run->ids));
	run->owned_ids = memory_array(count, sizeof(*run->owned_ids));
	run->id_count = count;
	for (size_t i = 0; i < count; i++) {
		run->owned_ids[i] = slice_copy(db_value(result, i, 0));
		run->ids[i] = slice_of(run->owned_ids[i]);
	}
	command_next(run);
}

static void ask_batch(void *context, enum status status) {
	struct command_run *run = context;
	if (status != STATUS_OK) {
		fail_run(run, CODE_UNAVAILABLE, "the database is behind: repeat later");
		return;
	}
	struct text sql = { 0 };
	text_add(&sql, "SELECT task_id");
	add_batch(run, &sql);
	if (run->command == COMMAND_RETRY)
		text_add(&sql, " AND status IN ('failed','cancelled','skipped')");
	else
		text_add(&sql, " AND status IN ('blocked','pending','running','retry')");
	if (run->command == COMMAND_APPROVE || run->command == COMMAND_REJECT)
		text_add(&sql, " AND FIND_IN_SET('approval', waits_for)");
	text_add(&sql, " ORDER BY number");
	db_query(run->partition->scheduler->db, (struct slice){ sql.bytes, sql.length }, on_batch, run);
	text_release(&sql);
}

/* The batch's tasks are read from the database, so it must have what Redis has now. */
static void on_now(void *context, enum status status, const struct state_head *head, const struct kv_reply *reply,
                   const struct error *err) {
	struct command_run *run = context;
	(void)reply;
	if (status != STATUS_OK) {
		heads_problem(run->partition, err);
		fail_run(run, CODE_UNAVAILABLE, err->message);
		return;
	}
	heads_wait(run->partition, head, true, ask_batch, run);
}

static void start_run(struct service *service, struct service_request *request, enum command command) {
	struct scheduler *scheduler = service_own(service);
	struct command_run *run = memory_new(sizeof(*run));
	struct error err = { 0 };
	run->request = request;
	run->command = command;
	run->json = json_open();
	scheduler->busy++;
	(*scheduler->commands)++;
	run->partition = scheduler->partitions[0];
	if (command_request_parse(run->json, service_body(request), command, &scheduler->settings->limits, &run->asked,
	                          &err) != STATUS_OK) {
		service_fail(request, &err, "");
		end_run(run);
		return;
	}
	run->partition = scheduler_partition_of(scheduler, run->asked.project);
	if (run->asked.task_id_count == 0) {
		state_call(run->partition->state, &state_script_confirm, NULL, 0, on_now, run);
		return;
	}
	run->id_count = run->asked.task_id_count;
	run->ids = memory_array(run->id_count, sizeof(*run->ids));
	memcpy(run->ids, run->asked.task_ids, run->id_count * sizeof(*run->ids));
	command_next(run);
}

void on_cancel(struct service *service, struct service_request *request) {
	start_run(service, request, COMMAND_CANCEL);
}

void on_retry(struct service *service, struct service_request *request) {
	start_run(service, request, COMMAND_RETRY);
}

void on_approve(struct service *service, struct service_request *request) {
	start_run(service, request, COMMAND_APPROVE);
}

void on_reject(struct service *service, struct service_request *request) {
	start_run(service, request, COMMAND_REJECT);
}

void on_update(struct service *service, struct service_request *request) {
	start_run(service, request, COMMAND_UPDATE);
}
