/* How a command's end becomes the outcome of its task: the exit code decides, stdout is the result, the last lines of
 * stderr say why it failed. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "../../subjects/subjects.h"
#include "utf8.h"
#include "work.h"

enum { RESULT_SPARE_BYTES = 64 };

void run_add_item_start(const struct run *run, const char *outcome, struct text *item) {
	text_add(item, "{\"project\":");
	text_add_json(item, slice_of(run->project));
	text_add(item, ",\"task_id\":");
	text_add_json(item, slice_of(run->task_id));
	text_add(item, ",\"lease\":");
	text_add_json(item, slice_of(run->lease));
	text_printf(item, ",\"outcome\":\"%s\"", outcome);
}

void run_add_released(const struct run *run, struct text *item) {
	run_add_item_start(run, "released", item);
	text_add_char(item, '}');
}

static struct slice trimmed(const struct text *text) {
	struct slice out = { text->bytes, text->length };
	while (out.length > 0 && strchr(" \t\r\n", out.bytes[0]) != NULL) {
		out.bytes++;
		out.length--;
	}
	while (out.length > 0 && strchr(" \t\r\n", out.bytes[out.length - 1]) != NULL)
		out.length--;
	return out;
}

/* stdout as the result: JSON as it is, other text as {"output": …}, nothing as null. */
static void add_result(const struct run *run, struct text *item) {
	struct slice output = trimmed(&run->output_text);
	struct json *json = output.length > 0 && !run->output_cut ? json_read(output, NULL) : NULL;
	text_add(item, ",\"result\":");
	if (output.length == 0) {
		text_add(item, "null");
	} else if (json != NULL) {
		text_add_slice(item, output);
	} else {
		text_add(item, "{\"output\":");
		bool whole = utf8_add_json(item, output, LIMIT_RESULT_BYTES - RESULT_SPARE_BYTES);
		text_add(item, whole && !run->output_cut ? "}" : ",\"truncated\":true}");
	}
	json_close(&json);
}

static void add_cause(const struct slot *slot, int wait_status, struct text *message) {
	const struct run *run = &slot->run;
	if (run->ending == ENDING_CANCEL)
		text_add(message, "cancelled while it ran");
	else if (run->ending == ENDING_TIMEOUT)
		text_printf(message, "ran longer than its timeout of %.6g s", run->timeout_s);
	else if (WIFSIGNALED(wait_status))
		text_printf(message, "ended by signal %d (%s)", WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)));
	else
		text_printf(message, "exit code %d", WEXITSTATUS(wait_status));
}

static void add_error(const struct slot *slot, int wait_status, struct text *item) {
	const struct run *run = &slot->run;
	struct text message = { 0 };
	struct slice said = trimmed(&run->error_tail);
	add_cause(slot, wait_status, &message);
	if (said.length == 0) {
		said = trimmed(&run->output_text);
		size_t spare = said.length > ERROR_LINES_BYTES ? said.length - ERROR_LINES_BYTES : 0;
		said = (struct slice){ said.bytes + spare, said.length - spare };
	}
	if (said.length > 0) {
		text_add(&message, ": ");
		text_add_slice(&message, said);
	}
	bool final = run->ending == ENDING_CANCEL ||
	             (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == slot->worker->options->no_retry_code);
	text_add(item, ",\"error\":{\"message\":");
	utf8_add_json(item, (struct slice){ message.bytes, message.length }, LIMIT_ERROR_MESSAGE_BYTES);
	text_printf(item, ",\"retryable\":%s}", final ? "false" : "true");
	text_release(&message);
}

void run_add_settlement(const struct slot *slot, int wait_status, struct text *item) {
	const struct run *run = &slot->run;
	bool ended_well = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0;
	if (run->ending == ENDING_STOP && !ended_well) {
		run_add_released(run, item);
		return;
	}
	run_add_item_start(run, ended_well ? "completed" : "failed", item);
	if (ended_well)
		add_result(run, item);
	else
		add_error(slot, wait_status, item);
	text_add_char(item, '}');
}
