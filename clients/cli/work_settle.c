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

/* stdout as the result: JSON as it is, unless it is nested too deep for a message; other text as {"output": …}, nothing as null. */
static void complete(const struct run *run) {
	struct slice output = trimmed(&run->output_text);
	struct text result = { 0 };
	if (output.length > 0 && !run->output_cut && corder_is_value(output, NULL)) {
		text_add_slice(&result, output);
	} else if (output.length > 0) {
		text_add(&result, "{\"output\":");
		bool whole = utf8_add_json(&result, output, LIMIT_RESULT_BYTES - RESULT_SPARE_BYTES);
		text_add(&result, whole && !run->output_cut ? "}" : ",\"truncated\":true}");
	}
	corder_job_complete(run->job, result.bytes);
	text_release(&result);
}

static void add_cause(const struct run *run, int wait_status, struct text *message) {
	if (run->ending == ENDING_CANCEL)
		text_add(message, "cancelled while it ran");
	else if (run->ending == ENDING_TIMEOUT)
		text_printf(message, "ran longer than its timeout of %.6g s", corder_job_timeout_s(run->job));
	else if (WIFSIGNALED(wait_status))
		text_printf(message, "ended by signal %d (%s)", WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)));
	else
		text_printf(message, "exit code %d", WEXITSTATUS(wait_status));
}

/* The cause, and the last that was said; of bytes that are no UTF-8, what can be read. */
static char *make_message(const struct run *run, int wait_status) {
	struct text message = { 0 }, quoted = { 0 };
	struct slice said = trimmed(&run->error_tail);
	add_cause(run, wait_status, &message);
	if (said.length == 0) {
		said = trimmed(&run->output_text);
		size_t spare = said.length > ERROR_LINES_BYTES ? said.length - ERROR_LINES_BYTES : 0;
		said = (struct slice){ said.bytes + spare, said.length - spare };
	}
	if (said.length > 0) {
		text_add(&message, ": ");
		text_add_slice(&message, said);
	}
	utf8_add_json(&quoted, (struct slice){ message.bytes, message.length }, LIMIT_ERROR_MESSAGE_BYTES);
	struct json *json = json_read((struct slice){ quoted.bytes, quoted.length }, NULL);
	must(json != NULL);
	char *clean = slice_copy(json_text(json_root(json)));
	json_close(&json);
	text_release(&quoted);
	text_release(&message);
	return clean;
}

void run_settle(struct run *run, int wait_status) {
	bool ended_well = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0;
	bool final = run->ending == ENDING_CANCEL ||
	             (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == run->worker->options->no_retry_code);
	if (ended_well) {
		complete(run);
	} else if (run->ending == ENDING_STOP) {
		corder_job_release(run->job);
	} else {
		run->message = make_message(run, wait_status);
		corder_job_fail(run->job, run->message, !final);
	}
}
