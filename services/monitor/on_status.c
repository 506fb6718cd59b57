/* status: counts, health, waiting time and throughput. */
#include "monitor.h"
#include "shared/base/clock.h"
#include "snapshot.h"

struct status_question {
	struct status_request request;
};

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
	struct tally_view view = {
		.project = own->request.project, .tally = &snapshot->tally, .facts = &facts, .limits = &limits
	};
	view.window_s = own->request.window_s;
	view.known_s =
		window_sum(monitor->window, own->request.project, clock_wall_us(), own->request.window_s, &view.window);
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
