/* What a worker says: a line when a task starts and when it is settled, for people or as JSON lines. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../shared/base/clock.h"
#include "work.h"

static void add_task(const struct run *run, struct text *out) {
	const struct term *term = &run->worker->cli->out;
	term_say(term, out, SHADE_DIM, "%s/", corder_job_project(run->job));
	text_add(out, corder_job_id(run->job));
}

static void add_json_start(const struct run *run, const char *event, struct text *out) {
	text_add(out, "{\"at\":");
	text_add_json_time(out, clock_wall_us());
	text_printf(out, ",\"event\":\"%s\",\"project\":\"%s\",\"task_id\":\"%s\",\"task_type\":\"%s\",\"attempt\":%lld",
	            event, corder_job_project(run->job), corder_job_id(run->job), corder_job_type(run->job),
	            (long long)corder_job_attempt(run->job));
}

void work_log_started(const struct run *run) {
	struct cli *cli = run->worker->cli;
	struct text out = { 0 };
	if (cli->common.json) {
		add_json_start(run, "started", &out);
		text_add(&out, "}\n");
	} else {
		text_add_clock(&out, clock_wall_us(), false);
		text_add_char(&out, ' ');
		term_say(&cli->out, &out, SHADE_CYAN, "%s ", term_status_mark(&cli->out, SLICE("running")));
		add_task(run, &out);
		term_say(&cli->out, &out, SHADE_DIM, "  %s", corder_job_type(run->job));
		if (corder_job_attempt(run->job) > 1)
			term_say(&cli->out, &out, SHADE_MAGENTA, "  try %lld", (long long)corder_job_attempt(run->job));
		text_add_char(&out, '\n');
	}
	term_write(&cli->out, &out);
	text_release(&out);
}

void work_log_line(const struct run *run, struct slice line) {
	struct cli *cli = run->worker->cli;
	if (!run->worker->options->verbose)
		return;
	struct text out = { 0 };
	term_say(&cli->err, &out, SHADE_DIM, "%s %s ", corder_job_id(run->job), cli->err.unicode ? "│" : "|");
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

static void add_verdict(const struct run *run, bool ok, struct slice status, struct json_value error,
                        struct text *out) {
	const struct term *term = &run->worker->cli->out;
	text_add_clock(out, clock_wall_us(), false);
	text_add_char(out, ' ');
	if (ok)
		term_say(term, out, term_status_shade(status), "%s ", term_status_mark(term, status));
	else
		term_say(term, out, SHADE_YELLOW, "! ");
	add_task(run, out);
	text_add(out, "  ");
	if (!slice_is(status, "completed")) {
		term_add(term, out, ok ? term_status_shade(status) : SHADE_YELLOW, ok ? status : SLICE("not counted: "));
		if (!ok)
			term_add(term, out, SHADE_PLAIN, json_text(json_member(error, "message")));
		text_add(out, "  ");
	}
	text_add_duration(out, run->seconds);
}

static void add_reason(const struct run *run, struct text *out) {
	if (run->message == NULL)
		return;
	text_add(out, "  ");
	term_add(&run->worker->cli->out, out, SHADE_PLAIN, slice_of(run->message));
}

void work_log_settled(const struct run *run, struct json_value verdict) {
	struct cli *cli = run->worker->cli;
	bool ok = json_bool(json_member(verdict, "ok"), false);
	struct slice status = json_text(json_member(verdict, "status"));
	struct text out = { 0 };
	count(run->worker, ok, status);
	if (cli->common.json) {
		add_json_start(run, ok ? "settled" : "not_settled", &out);
		text_printf(&out, ",\"seconds\":%.6f,\"verdict\":", run->seconds);
		text_add_slice(&out, json_raw(verdict));
		text_add(&out, "}\n");
	} else {
		add_verdict(run, ok, status, json_member(verdict, "error"), &out);
		add_reason(run, &out);
		text_add_char(&out, '\n');
	}
	term_write(&cli->out, &out);
	text_release(&out);
}

void work_log_lost(const struct run *run) {
	struct cli *cli = run->worker->cli;
	double timeout_s = corder_job_timeout_s(run->job);
	bool timed_out = timeout_s > 0 && run->seconds >= timeout_s;
	struct text out = { 0 };
	run->worker->other++;
	if (cli->common.json) {
		add_json_start(run, timed_out ? "timeout" : "lease_lost", &out);
		text_printf(&out, ",\"seconds\":%.6f}\n", run->seconds);
	} else {
		text_add_clock(&out, clock_wall_us(), false);
		term_say(&cli->out, &out, SHADE_YELLOW, " ! ");
		add_task(run, &out);
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
