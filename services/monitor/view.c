/* The JSON of tasks, edges and tries; see view.h. */
#include "view.h"

#include "score.h"

void view_add_optional(struct text *out, const char *name, struct slice value) {
	text_printf(out, ",\"%s\":", name);
	if (value.length > 0)
		text_add_json(out, value);
	else
		text_add(out, "null");
}

void view_add_time(struct text *out, const char *name, int64_t at_us) {
	text_printf(out, ",\"%s\":", name);
	text_add_json_time(out, at_us);
}

void view_add_error(struct text *out, struct slice code, struct slice message, bool message_is_plain) {
	if (code.length == 0) {
		text_add(out, "null");
		return;
	}
	text_add(out, "{\"code\":");
	text_add_json(out, code);
	text_add(out, message_is_plain ? ",\"message\":" : ",\"message\":\"");
	if (message_is_plain)
		text_add_json(out, message);
	else
		text_add_slice(out, message);
	text_add(out, message_is_plain ? "}" : "\"}");
}

static void add_identity(struct text *out, const struct view *view) {
	text_add(out, "\"project\":");
	text_add_json(out, view->project);
	text_add(out, ",\"task_id\":");
	text_add_json(out, view->task_id);
	text_add(out, ",\"task_type\":");
	text_add_json(out, view->task_type);
	text_add(out, ",\"batch_id\":");
	text_add_json(out, view->batch_id);
	text_printf(out, ",\"status\":\"%s\",\"waits_for\":", record_status_word(view->status));
	record_add_waits_json(out, view->status == RECORD_BLOCKED ? view->waits : SLICE(""));
}

static void add_duration(struct text *out, const struct view *view) {
	text_add(out, ",\"actual_duration\":");
	if (view->started_at_us == 0 || view->finished_at_us < view->started_at_us)
		text_add(out, "null");
	else
		score_add_number(out, (double)(view->finished_at_us - view->started_at_us) / 1e6);
}

void view_add_core(struct text *out, const struct view *view) {
	add_identity(out, view);
	text_printf(out, ",\"priority\":%lld,\"retry_count\":%lld,\"attempt\":%lld,\"version\":%lld",
	            (long long)view->priority, (long long)view->retry_count, (long long)view->attempt,
	            (long long)view->version);
	view_add_time(out, "created_at", view->created_at_us);
	view_add_time(out, "updated_at", view->updated_at_us);
	view_add_time(out, "ready_at", view->ready_at_us);
	view_add_time(out, "started_at", view->started_at_us);
	view_add_time(out, "finished_at", view->finished_at_us);
	view_add_time(out, "lease_until", view->status == RECORD_RUNNING ? view->lease_until_us : 0);
	add_duration(out, view);
	view_add_optional(out, "worker", view->worker);
	text_add(out, ",\"error\":");
	view_add_error(out, view->error_code, view->error_message, view->message_is_plain);
	view_add_optional(out, "because", view->because);
	text_printf(out, ",\"cancel_requested\":%s,", view->cancel_requested ? "true" : "false");
	record_add_specification_core_json(out, &view->specification);
}

void view_add_payload(struct text *out, const struct view *view) {
	text_add(out, ",\"execution_context\":");
	const struct slice *context = &view->specification.execution_context;
	text_add_slice(out, context->length > 0 ? *context : SLICE("{}"));
	text_add(out, ",\"result\":");
	text_add_slice(out, view->result.length > 0 ? view->result : SLICE("null"));
}

void view_add_item(struct text *out, const struct view *view) {
	text_add_char(out, '{');
	view_add_core(out, view);
	text_add_char(out, '}');
}

static void add_status(struct text *out, char status) {
	const char *word = record_status_word(status);
	text_printf(out, *word != '\0' ? ",\"status\":\"%s\"" : ",\"status\":null%s", word);
}

void view_add_dependency(struct text *out, const struct view_edge *edge, bool with_status) {
	text_add(out, "{\"task_id\":");
	text_add_json(out, edge->task_id);
	text_printf(out, ",\"when\":\"%s\"%s", record_condition_word(edge->condition),
	            edge->future ? ",\"future\":true" : "");
	if (with_status)
		add_status(out, edge->status);
	text_add_char(out, '}');
}

void view_add_dependent(struct text *out, const struct view_edge *edge) {
	text_add(out, "{\"task_id\":");
	text_add_json(out, edge->task_id);
	text_printf(out, ",\"when\":\"%s\"", record_condition_word(edge->condition));
	if (*record_status_word(edge->status) != '\0')
		add_status(out, edge->status);
	text_add_char(out, '}');
}

void view_add_attempt(struct text *out, const struct view_attempt *attempt) {
	text_printf(out, "{\"attempt\":%lld,\"worker\":", (long long)attempt->attempt);
	text_add_json(out, attempt->worker);
	view_add_time(out, "started_at", attempt->started_at_us);
	view_add_time(out, "finished_at", attempt->finished_at_us);
	view_add_optional(out, "outcome", attempt->outcome);
	text_add(out, ",\"error\":");
	view_add_error(out, attempt->error_code, attempt->error_message, attempt->message_is_plain);
	text_add_char(out, '}');
}

void view_waits_letters(struct text *out, struct slice words) {
	static const struct {
		const char *word;
		char letter;
	} known[] = { { "dependency", 'd' }, { "time", 't' }, { "approval", 'a' }, { "key", 'k' } };
	while (words.bytes != NULL) {
		struct slice word = slice_cut(&words, ',');
		for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
			if (slice_is(word, known[i].word))
				text_add_char(out, known[i].letter);
	}
}

int64_t view_dependency_count(struct slice dependencies) {
	struct record_dependency item;
	int64_t count = 0;
	while (record_next_dependency(&dependencies, &item))
		count++;
	return count;
}

void view_add_length(struct text *out, int64_t length_us) {
	long long s = length_us / 1000000;
	if (s < 60)
		text_printf(out, "%.3g s", (double)length_us / 1e6);
	else if (s < 3600)
		text_printf(out, "%lldm %02llds", s / 60, s % 60);
	else if (s < 86400)
		text_printf(out, "%lldh %02lldm", s / 3600, s % 3600 / 60);
	else
		text_printf(out, "%lldd %lldh", s / 86400, s % 86400 / 3600);
}
