/* What a worker says: a line when a task starts and when it is settled, for people or as JSON lines. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../shared/base/clock.h"
#include "work.h"

static void add_task(const struct slot *slot, struct text *out) {
	const struct term *term = &slot->worker->cli->out;
	term_say(term, out, SHADE_DIM, "%s/", slot->run.project);
	text_add(out, slot->run.task_id);
}

static void add_json_start(const struct slot *slot, const char *event, struct text *out) {
	text_add(out, "{\"at\":");
	text_add_json_time(out, clock_wall_us());
	text_printf(out, ",\"event\":\"%s\",\"project\":\"%s\",\"task_id\":\"%s\",\"task_type\":\"%s\",\"attempt\":%lld",
	            event, slot->run.project, slot->run.task_id, slot->run.task_type, (long long)slot->run.attempt);
}

void work_log_started(const struct slot *slot) {
	struct cli *cli = slot->worker->cli;
	struct text out = { 0 };
	if (cli->common.json) {
		add_json_start(slot, "started", &out);
		text_add(&out, "}\n");
	} else {
		text_add_clock(&out, clock_wall_us(), false);
		text_add_char(&out, ' ');
		term_say(&cli->out, &out, SHADE_CYAN, "%s ", term_status_mark(&cli->out, SLICE("running")));
		add_task(slot, &out);
		term_say(&cli->out, &out, SHADE_DIM, "  %s", slot->run.task_type);
		if (slot->run.attempt > 1)
			term_say(&cli->out, &out, SHADE_MAGENTA, "  try %lld", (long long)slot->run.attempt);
		text_add_char(&out, '\n');
	}
	term_write(&cli->out, &out);
	text_release(&out);
}

void work_log_line(const struct slot *slot, struct slice line) {
	struct cli *cli = slot->worker->cli;
	if (!slot->worker->options->verbose)
		return;
	struct text out = { 0 };
	term_say(&cli->err, &out, SHADE_DIM, "%s %s ", slot->run.task_id, cli->err.unicode ? "│" : "|");
	term_add(&cli->err, &out, SHADE_PLAIN, line);
	text_add_char(&out, '\n');
	term_write(&cli->err, &out);
	text_release(&out);
}

static void count(struct worker *worker, bool ok, struct slice status) {
	if (ok && slice_is(status, "completed"))
		worker->completed++;
	else if (ok && (slice_is(status, "failed") || slice_is(status, "retry")))
		worker->failed++;
	else
		worker->other++;
}

static void add_verdict(const struct slot *slot, bool ok, struct slice status, struct json_value error,
                        struct text *out) {
	const struct term *term = &slot->worker->cli->out;
	text_add_clock(out, clock_wall_us(), false);
	text_add_char(out, ' ');
	if (ok)
		term_say(term, out, term_status_shade(status), "%s ", term_status_mark(term, status));
	else
		term_say(term, out, SHADE_YELLOW, "! ");
	add_task(slot, out);
	text_add(out, "  ");
	if (!slice_is(status, "completed")) {
		term_add(term, out, ok ? term_status_shade(status) : SHADE_YELLOW, ok ? status : SLICE("not counted: "));
		if (!ok)
			term_add(term, out, SHADE_PLAIN, json_text(json_member(error, "message")));
		text_add(out, "  ");
	}
	text_add_duration(out, slot->run.seconds);
}

/* Why it failed: what the settlement said. */
static void add_reason(const struct slot *slot, struct text *out) {
	struct json *json = json_read((struct slice){ slot->done.bytes, slot->done.length }, NULL);
	if (json == NULL)
		return;
	struct slice message = json_text(json_member(json_member(json_root(json), "error"), "message"));
	if (message.length > 0) {
		text_add(out, "  ");
		term_add(&slot->worker->cli->out, out, SHADE_PLAIN, message);
	}
	json_close(&json);
}

void work_log_settled(const struct slot *slot, struct json_value verdict) {
	struct cli *cli = slot->worker->cli;
	bool ok = json_bool(json_member(verdict, "ok"), false);
	struct slice status = json_text(json_member(verdict, "status"));
	struct text out = { 0 };
	count(slot->worker, ok, status);
	if (cli->common.json) {
		add_json_start(slot, ok ? "settled" : "not_settled", &out);
		text_printf(&out, ",\"seconds\":%.6f,\"verdict\":", slot->run.seconds);
		text_add_slice(&out, json_raw(verdict));
		text_add(&out, "}\n");
	} else {
		add_verdict(slot, ok, status, json_member(verdict, "error"), &out);
		add_reason(slot, &out);
		text_add_char(&out, '\n');
	}
	term_write(&cli->out, &out);
	text_release(&out);
}

void work_log_lost(const struct slot *slot) {
	struct cli *cli = slot->worker->cli;
	const struct run *run = &slot->run;
	bool timed_out = run->timeout_s > 0 && run->seconds >= run->timeout_s;
	struct text out = { 0 };
	slot->worker->other++;
	if (cli->common.json) {
		add_json_start(slot, timed_out ? "timeout" : "lease_lost", &out);
		text_printf(&out, ",\"seconds\":%.6f}\n", run->seconds);
	} else {
		text_add_clock(&out, clock_wall_us(), false);
		term_say(&cli->out, &out, SHADE_YELLOW, " ! ");
		add_task(slot, &out);
		text_add(&out, timed_out ? "  ended: it ran longer than its timeout  "
		                         : "  ended: it is no longer ours (cancelled, or the lease ran out)  ");
		text_add_duration(&out, run->seconds);
		text_add_char(&out, '\n');
	}
	term_write(&cli->out, &out);
	text_release(&out);
}

void work_log_note(const struct worker *worker, const char *format, ...) {
	const struct term *term = &worker->cli->err;
	enum shade shade = term->live ? SHADE_DIM : SHADE_PLAIN;
	struct text out = { 0 };
	va_list arguments;
	va_start(arguments, format);
	text_add(&out, term->live ? "" : "corder: ");
	term_begin(term, &out, shade);
	text_vprintf(&out, format, arguments);
	term_end(term, &out, shade);
	va_end(arguments);
	text_add_char(&out, '\n');
	term_write(term, &out);
	text_release(&out);
}
