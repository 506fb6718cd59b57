/* status: counts, health, waiting time and throughput. */
#include "monitor.h"
#include "pulse.h"
#include "shared/base/clock.h"
#include "snapshot.h"

struct status_question {
	struct status_request request;
};

/* A type's rates are kept for a day. */
static int64_t read_type(const struct monitor *monitor, const struct status_request *request,
                         struct window_counts *counts) {
	struct pulse_sum sum;
	struct text name = { 0 };
	bool both = request->project.length > 0;
	if (both) {
		text_add_slice(&name, request->project);
		text_add_char(&name, '/');
	}
	text_add_slice(&name, request->task_type);
	int64_t known_s =
		pulse_read(monitor->pulse, both ? PULSE_BOTH : PULSE_TYPE, (struct slice){ name.bytes, name.length }, 0,
	               clock_wall_us(), request->window_s, &sum);
	*counts = (struct window_counts){
		.started = sum.wait.count, .completed = sum.completed, .failed = sum.failed, .wait_us = sum.wait.sum_us
	};
	text_release(&name);
	return known_s;
}

static void on_fresh(void *context, struct monitor *monitor) {
	struct question *question = context;
	const struct status_question *own = question->own;
	const struct snapshot_view *snapshot = snapshot_view(monitor->snapshot);
	if (!snapshot->has_live) {
		struct error error = { 0 };
		question_fail_status(question, fail(&error, STATUS_RETRY, "Redis does not answer, or is being rebuilt"),
		                     &error);
		return;
	}
	struct health_facts facts;
	struct health_limits limits = monitor_health_limits(monitor);
	snapshot_facts(monitor->snapshot, &facts);
	struct tally_view view = { .project = own->request.project,
		                       .task_type = own->request.task_type,
		                       .window_s = own->request.window_s,
		                       .tally = &snapshot->tally,
		                       .facts = &facts,
		                       .limits = &limits };
	if (view.task_type.length > 0)
		view.known_s = read_type(monitor, &own->request, &view.window);
	else
		view.known_s = window_sum(monitor->window, view.project, clock_wall_us(), view.window_s, &view.window);
	tally_add_json(&question->out, &view);
	question_answer(question);
}

void on_status(struct monitor *monitor, struct slice body, const struct asker *asker) {
	struct question *question = question_open(monitor, body, sizeof(struct status_question), asker);
	if (question == NULL)
		return;
	struct status_question *own = question->own;
	struct error error = { 0 };
	if (status_request_parse(question->json, question->text, &task_limits_default, &own->request, &error) != STATUS_OK)
		question_fail(question, &error);
	else
		snapshot_refresh(monitor->snapshot, on_fresh, question);
}
