/* One function a kind of reason, in the order in which they matter; see reasons.h. */
#include "reasons.h"

#include "score.h"

enum { HOLDERS_NAMED = 5 };

struct writer {
	struct text *out;
	bool any;
};

/* Appends {"kind":…,"message":… and leaves the object open for more members. */
static void begin(struct writer *writer, const char *kind, const struct text *message) {
	text_printf(writer->out, "%s{\"kind\":\"%s\",\"message\":", writer->any ? "," : "", kind);
	text_add_json(writer->out, (struct slice){ message->bytes, message->length });
	writer->any = true;
}

static void add_simple(struct writer *writer, const char *kind, const char *message) {
	struct text text = { 0 };
	text_add(&text, message);
	begin(writer, kind, &text);
	text_add_char(writer->out, '}');
	text_release(&text);
}

enum reasons_edge reasons_judge_edge(const struct view_edge *edge) {
	if (!record_is_final(edge->status))
		return EDGE_OPEN;
	if (edge->condition == 'x' || edge->condition == edge->status)
		return EDGE_MET;
	return EDGE_IMPOSSIBLE;
}

static void add_ended(struct writer *writer, const struct view *view) {
	if (!record_is_final(view->status))
		return;
	struct text message = { 0 };
	text_printf(&message, "It has ended: %s.", record_status_word(view->status));
	if (view->because.length > 0) {
		text_add(&message, " The end of its dependency ");
		text_add_slice(&message, view->because);
		text_add(&message, " made it impossible.");
	}
	begin(writer, "ended", &message);
	if (view->because.length > 0) {
		text_add(writer->out, ",\"because\":");
		text_add_json(writer->out, view->because);
	}
	text_add_char(writer->out, '}');
	text_release(&message);
}

static void add_running(struct writer *writer, const struct view *view) {
	if (view->status != RECORD_RUNNING)
		return;
	struct text message = { 0 };
	text_printf(&message, "It is running: try %lld, leased to worker %.*s.%s", (long long)view->attempt,
	            (int)view->worker.length, view->worker.length > 0 ? view->worker.bytes : "",
	            view->cancel_requested ? " A cancel waits for the worker." : "");
	begin(writer, "running", &message);
	view_add_time(writer->out, "until", view->lease_until_us);
	if (view->worker.length > 0) {
		text_add(writer->out, ",\"worker\":");
		text_add_json(writer->out, view->worker);
	}
	text_add_char(writer->out, '}');
	text_release(&message);
}

static bool waits_for(const struct view *view, char letter) {
	for (size_t i = 0; view->status == RECORD_BLOCKED && i < view->waits.length; i++)
		if (view->waits.bytes[i] == letter)
			return true;
	return false;
}

static void describe_edge(struct text *message, const struct view_edge *edge, const struct view *view) {
	const char *status = record_status_word(edge->status);
	text_add(message, "Its dependency ");
	text_add_slice(message, edge->task_id);
	if (*status == '\0') {
		text_add(message, " was not submitted yet.");
		return;
	}
	text_printf(message, " is %s, and has to be %s.", status, record_condition_word(edge->condition));
	if (reasons_judge_edge(edge) == EDGE_IMPOSSIBLE && view->status == RECORD_BLOCKED)
		text_add(message, " Retry the dependency, or cancel this task.");
}

static void add_edge(struct writer *writer, const struct view_edge *edge, const struct view *view) {
	struct text message = { 0 };
	describe_edge(&message, edge, view);
	begin(writer, "dependency", &message);
	text_add(writer->out, ",\"dependency\":");
	view_add_dependency(writer->out, edge, true);
	text_add_char(writer->out, '}');
	text_release(&message);
}

static void add_dependencies(struct writer *writer, const struct reasons_input *input) {
	if (!waits_for(input->view, 'd'))
		return;
	for (size_t i = 0; i < input->edge_count; i++)
		if (reasons_judge_edge(&input->edges[i]) != EDGE_MET)
			add_edge(writer, &input->edges[i], input->view);
}

static void add_until(struct writer *writer, const char *kind, const char *sentence, int64_t until_us, int64_t now_us) {
	struct text message = { 0 };
	text_printf(&message, "%s in ", sentence);
	view_add_length(&message, until_us > now_us ? until_us - now_us : 0);
	text_add_char(&message, '.');
	begin(writer, kind, &message);
	view_add_time(writer->out, "until", until_us);
	text_add_char(writer->out, '}');
	text_release(&message);
}

static void add_times(struct writer *writer, const struct reasons_input *input) {
	const struct view *view = input->view;
	if (waits_for(view, 'a'))
		add_simple(writer, "approval", "It is on hold until it is approved.");
	if (waits_for(view, 't'))
		add_until(writer, "time", "Its not_before comes",
		          view->due_at_us > 0 ? view->due_at_us : view->specification.not_before_us, input->now_us);
	if (view->status == RECORD_RETRY)
		add_until(writer, "backoff", "It waits after a failed try; its next one may start", view->due_at_us,
		          input->now_us);
}

static bool key_is_taken(const struct reasons_input *input) {
	const struct specification *its = &input->view->specification;
	bool asks = input->view->status == RECORD_PENDING && its->concurrency_key.length > 0;
	return waits_for(input->view, 'k') || (asks && input->key_running >= its->concurrency_limit);
}

static void describe_key(struct text *message, const struct reasons_input *input) {
	const struct specification *its = &input->view->specification;
	text_add(message, "Its concurrency key ");
	text_add_slice(message, its->concurrency_key);
	text_add(message, " is held by ");
	for (size_t i = 0; i < input->holder_count && i < HOLDERS_NAMED; i++) {
		text_add(message, i > 0 ? ", " : "");
		text_add_slice(message, input->holders[i]);
	}
	if (input->holder_count == 0)
		text_printf(message, "%lld that run", (long long)input->key_running);
	else if (input->holder_count > HOLDERS_NAMED)
		text_printf(message, " and %zu more", input->holder_count - HOLDERS_NAMED);
	text_printf(message, "; %lld may run with it at once.", (long long)its->concurrency_limit);
}

static void add_key(struct writer *writer, const struct reasons_input *input) {
	if (!key_is_taken(input))
		return;
	struct text message = { 0 };
	describe_key(&message, input);
	begin(writer, "key", &message);
	text_add(writer->out, ",\"holders\":[");
	for (size_t i = 0; i < input->holder_count; i++) {
		if (i > 0)
			text_add_char(writer->out, ',');
		text_add_json(writer->out, input->holders[i]);
	}
	text_add(writer->out, "]}");
	text_release(&message);
}

static void add_pauses(struct writer *writer, const struct reasons_input *input) {
	if (record_is_final(input->view->status) || input->view->status == RECORD_RUNNING)
		return;
	if (input->type_paused)
		add_simple(writer, "pause", "Its type is paused.");
	if (input->project_paused)
		add_simple(writer, "pause", "Its project is paused.");
}

static void add_queue(struct writer *writer, const struct reasons_input *input) {
	if (input->view->status != RECORD_PENDING)
		return;
	struct text message = { 0 };
	if (input->workers_known && input->workers == 0)
		add_simple(writer, "no_workers", "No worker waits for its type, and none holds a task of it.");
	if (input->position == 1)
		text_add(&message, "It is ready, and next in the queue of its type.");
	else if (input->position > 1)
		text_printf(&message, "It is ready; %lld tasks of its type come before it.", (long long)(input->position - 1));
	else
		text_add(&message, "It is ready.");
	begin(writer, "queue", &message);
	text_add_char(writer->out, '}');
	text_release(&message);
}

static void add_score(struct text *out, const struct reasons_input *input) {
	const struct view *view = input->view;
	if (view->status != RECORD_PENDING) {
		text_add(out, ",\"position\":null,\"score\":null,\"terms\":null");
		return;
	}
	if (input->position > 0)
		text_printf(out, ",\"position\":%lld,", (long long)input->position);
	else
		text_add(out, ",\"position\":null,");
	struct score score = score_of(input->now_us, view->ready_at_us, view->priority, view->degree,
	                              specification_order(&view->specification), view->retry_count, input->hour_weight);
	score_add_json(out, &score);
}

void reasons_add_json(struct text *out, const struct reasons_input *input) {
	const struct view *view = input->view;
	bool held = input->type_paused || input->project_paused || key_is_taken(input);
	bool runnable = view->status == RECORD_PENDING && !held;
	text_add(out, "{\"ok\":true,\"project\":");
	text_add_json(out, view->project);
	text_add(out, ",\"task_id\":");
	text_add_json(out, view->task_id);
	text_printf(out, ",\"status\":\"%s\",\"runnable\":%s,\"reasons\":[", record_status_word(view->status),
	            runnable ? "true" : "false");
	struct writer writer = { out, false };
	add_ended(&writer, view);
	add_running(&writer, view);
	add_dependencies(&writer, input);
	add_times(&writer, input);
	add_key(&writer, input);
	add_pauses(&writer, input);
	add_queue(&writer, input);
	text_add_char(out, ']');
	add_score(out, input);
}
