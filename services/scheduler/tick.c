/* What time asks of the scheduler: the sweep (what is due), the eviction of ended tasks, the audit. Several schedulers may
 * do this at once: each step of the scripts is atomic. The work says how long to sleep. */
#include <inttypes.h>
#include <stdio.h>

#include "scheduler.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/task/record.h"

enum { SWEEP_TASKS = 200, EVICT_TASKS = 200, AUDIT_TASKS = 200, EVICT_MS = 1000, SWEEP_LEAST_US = 10000 };

static void sweep(void *context);
static void evict(void *context);
static void audit(void *context);

static void again(struct partition *partition, struct loop_timer **timer, int64_t delay_us, loop_call *call) {
	loop_timer_stop(partition->scheduler->loop, timer);
	*timer = loop_timer_start(partition->scheduler->loop, clock_mono_us() + delay_us, call, partition);
}

void tick_open(struct partition *partition) {
	const struct scheduler_settings *settings = partition->scheduler->settings;
	snprintf(partition->audit_cursor, sizeof(partition->audit_cursor), "0");
	again(partition, &partition->sweep_timer, settings->sweep_ms * 1000, sweep);
	again(partition, &partition->evict_timer, EVICT_MS * 1000, evict);
	again(partition, &partition->audit_timer, settings->audit_ms * 1000, audit);
}

void tick_close(struct partition *partition) {
	struct loop *loop = partition->scheduler->loop;
	loop_timer_stop(loop, &partition->sweep_timer);
	loop_timer_stop(loop, &partition->evict_timer);
	loop_timer_stop(loop, &partition->audit_timer);
}

void tick_sweep_soon(struct partition *partition) {
	if (!partition->sweeping)
		again(partition, &partition->sweep_timer, 0, sweep);
}

/* What is due at about the same time is done together: a call costs as much for one task as for some. */
static void on_swept(void *context, enum status status, const struct state_head *head, const struct kv_reply *reply,
                     const struct error *err) {
	struct partition *partition = context;
	int64_t delay_us = partition->scheduler->settings->sweep_ms * 1000;
	partition->sweeping = false;
	if (status != STATUS_OK) {
		heads_problem(partition, err);
	} else {
		*partition->scheduler->swept += (uint64_t)kv_int(kv_at(reply, 1));
		heads_note(partition, head);
		int64_t next_us = slice_int(kv_text(kv_at(reply, 3)), 0);
		if (head->more)
			delay_us = 0;
		else if (next_us > 0 && next_us - head->now_us < delay_us)
			delay_us = next_us - head->now_us > SWEEP_LEAST_US ? next_us - head->now_us : SWEEP_LEAST_US;
	}
	again(partition, &partition->sweep_timer, delay_us, sweep);
}

static void sweep(void *context) {
	struct partition *partition = context;
	char most[16], lost[24];
	partition->sweep_timer = NULL;
	if (!bus_connected(partition->scheduler->bus)) { /* no worker can renew now: see sweep.lua */
		again(partition, &partition->sweep_timer, partition->scheduler->settings->sweep_ms * 1000, sweep);
		return;
	}
	partition->sweeping = true;
	snprintf(most, sizeof(most), "%d", SWEEP_TASKS);
	snprintf(lost, sizeof(lost), "%" PRId64, partition->scheduler->settings->max_lost);
	struct slice arguments[] = { slice_of(most), slice_of(lost) };
	state_call(partition->state, &state_script_sweep, arguments, 2, on_swept, partition);
}

static void on_evicted(void *context, enum status status, const struct state_head *head, const struct kv_reply *reply,
                       const struct error *err) {
	struct partition *partition = context;
	bool full = false;
	if (status != STATUS_OK) {
		heads_problem(partition, err);
	} else {
		heads_note(partition, head);
		*partition->scheduler->evicted_count += (uint64_t)kv_int(kv_at(reply, 1));
		full = kv_int(kv_at(reply, 2)) == 1;
	}
	again(partition, &partition->evict_timer, full ? 5000 : EVICT_MS * 1000, evict);
}

static void evict(void *context) {
	struct partition *partition = context;
	char keep[24], most[16];
	partition->evict_timer = NULL;
	snprintf(keep, sizeof(keep), "%" PRId64, partition->scheduler->settings->keep_ended_s * 1000000);
	snprintf(most, sizeof(most), "%d", EVICT_TASKS);
	struct slice arguments[] = { slice_of(keep), slice_of(most) };
	state_call(partition->state, &state_script_evict, arguments, 2, on_evicted, partition);
	graph_tick(partition);
	heads_tick(partition);
}

static void report_violation(struct slice text) {
	char task[220], missing[120];
	struct slice name = slice_cut(&text, RECORD_US);
	snprintf(task, sizeof(task), "%.*s", (int)name.length, name.bytes);
	snprintf(missing, sizeof(missing), "%.*s", (int)text.length, text.bytes != NULL ? text.bytes : "");
	log_error("a task has no cause to move on: report this, and cancel or retry it", "task", task, "missing", missing,
	          NULL);
}

static void on_audited(void *context, enum status status, const struct state_head *head, const struct kv_reply *reply,
                       const struct error *err) {
	struct partition *partition = context;
	if (status != STATUS_OK) {
		heads_problem(partition, err);
	} else {
		heads_note(partition, head);
		struct slice cursor = kv_text(kv_at(reply, 1));
		snprintf(partition->audit_cursor, sizeof(partition->audit_cursor), "%.*s", (int)cursor.length, cursor.bytes);
		for (size_t i = 3; i < kv_count(reply); i++) {
			report_violation(kv_text(kv_at(reply, i)));
			partition->round_violations++;
		}
		if (slice_is(cursor, "0")) {
			partition->last_violations = partition->round_violations;
			partition->round_violations = 0;
			*partition->scheduler->violations = (uint64_t)partition->last_violations;
		}
	}
	again(partition, &partition->audit_timer, partition->scheduler->settings->audit_ms * 1000, audit);
}

static void audit(void *context) {
	struct partition *partition = context;
	char most[16];
	partition->audit_timer = NULL;
	snprintf(most, sizeof(most), "%d", AUDIT_TASKS);
	struct slice arguments[] = { slice_of(partition->audit_cursor), slice_of(most) };
	state_call(partition->state, &state_script_audit, arguments, 2, on_audited, partition);
}
