/* No more goes to the scheduler at a time than it can answer in time. What it gets beyond that would wait there until nobody
 * waits for its answer any more, be admitted all the same, and come once again: under more load than it can bear a system would
 * do nothing else, and go on with it long after the load has gone. So the rest waits here, in order, and not for long. */
#include "ingest.h"
#include "shared/base/clock.h"

static bool has_room(const struct submission *s) {
	const struct lane *lane = s->lane;
	return lane->tasks == 0 || lane->tasks + s->plan.count <= s->ingest->settings->admit_window;
}

static void start(struct submission *s) {
	s->lane->tasks += s->plan.count;
	admit_now(s);
}

static void step_out(struct submission *s) {
	struct lane *lane = s->lane;
	*(s->lane_before != NULL ? &s->lane_before->lane_next : &lane->first) = s->lane_next;
	*(s->lane_next != NULL ? &s->lane_next->lane_before : &lane->last) = s->lane_before;
	s->waits = false;
	loop_timer_stop(s->ingest->loop, &s->timer);
}

static void let_in(struct lane *lane) {
	while (lane->first != NULL && has_room(lane->first)) {
		struct submission *s = lane->first;
		step_out(s);
		start(s);
	}
}

static void on_too_long(void *context) {
	struct submission *s = context;
	s->timer = NULL;
	submission_unavailable(s, "more is submitted than can be taken at the moment");
}

void lane_take(struct submission *s) {
	struct ingest *ingest = s->ingest;
	struct lane *lane = s->lane = &ingest->lanes[admit_partition(s)];
	if (lane->first == NULL && has_room(s)) {
		start(s);
		return;
	}
	s->waits = true;
	s->lane_before = lane->last;
	*(lane->last != NULL ? &lane->last->lane_next : &lane->first) = s;
	lane->last = s;
	s->timer = loop_timer_start(ingest->loop, clock_mono_us() + ingest->settings->admit_wait_ms * 1000, on_too_long, s);
}

void lanes_stop(struct ingest *ingest) {
	for (int64_t i = 0; i < ingest->settings->common.partitions; i++)
		while (ingest->lanes[i].first != NULL)
			submission_unavailable(ingest->lanes[i].first, "this instance stops");
}

void lane_leave(struct submission *s) {
	struct lane *lane = s->lane;
	if (lane == NULL)
		return;
	if (s->waits)
		step_out(s);
	else
		lane->tasks -= s->plan.count;
	s->lane = NULL;
	let_in(lane);
}
