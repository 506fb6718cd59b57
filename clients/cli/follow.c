/* A wait that shows how far it is. */
#include "follow.h"

#include <stdio.h>

#include "../../shared/base/clock.h"

enum { BAR_COLUMNS = 30, DRAW_US = 100000, FAILURES_SHOWN = 5 };

void follow_add_counts(const struct term *term, struct text *out, const size_t *counts) {
	static const enum tracked order[] = { TRACKED_COMPLETED, TRACKED_RUNNING, TRACKED_PENDING, TRACKED_BLOCKED,
		                                  TRACKED_RETRY,     TRACKED_FAILED,  TRACKED_SKIPPED, TRACKED_CANCELLED };
	const char *gap = "";
	for (size_t i = 0; i < COUNT(order); i++) {
		if (counts[order[i]] == 0)
			continue;
		text_add(out, gap);
		term_say(term, out, term_status_shade(slice_of(tracked_words[order[i]])), "%zu %s", counts[order[i]],
		         tracked_words[order[i]]);
		gap = "  ";
	}
}

static size_t total_of(const size_t *counts) {
	size_t total = 0;
	for (size_t i = 0; i < TRACKED_STATUSES; i++)
		total += counts[i];
	return total;
}

void follow_add_bar(const struct term *term, struct text *out, const size_t *counts, size_t width) {
	struct term_part parts[] = {
		{ (double)counts[TRACKED_COMPLETED], SHADE_GREEN },
		{ (double)counts[TRACKED_FAILED], SHADE_RED },
		{ (double)(counts[TRACKED_SKIPPED] + counts[TRACKED_CANCELLED]), SHADE_DIM },
		{ (double)counts[TRACKED_RUNNING], SHADE_CYAN },
	};
	term_add_bar(term, out, parts, COUNT(parts), (double)total_of(counts), width);
}

static void draw(struct cli *cli, struct live *live, const struct tracker *tracker, int64_t started_us) {
	struct text picture = { 0 };
	const size_t *counts = tracker_counts(tracker);
	size_t ended = tracker_total(tracker) - tracker_open_count(tracker);
	follow_add_bar(&cli->err, &picture, counts, BAR_COLUMNS);
	text_printf(&picture, " %zu/%zu  ", ended, tracker_total(tracker));
	follow_add_counts(&cli->err, &picture, counts);
	text_add(&picture, "  ");
	text_add_duration(&picture, (double)(clock_mono_us() - started_us) / 1e6);
	text_add_char(&picture, '\n');
	live_draw(live, &cli->err, &picture);
	text_release(&picture);
}

int follow_until_done(struct cli *cli, struct tracker *tracker) {
	struct live live = { 0 };
	int code = EXIT_DONE;
	int64_t started_us = clock_mono_us(), drawn_us = 0;
	while (code == EXIT_DONE && !tracker_rejected(tracker)) {
		bool done = tracker_open_count(tracker) == 0 && !tracker_misses(tracker);
		if (cli->err.live && (done || clock_mono_us() - drawn_us >= DRAW_US)) {
			draw(cli, &live, tracker, started_us);
			drawn_us = clock_mono_us();
		}
		if (done)
			break;
		code = tracker_turn(tracker, DRAW_US);
	}
	live_erase(&live, &cli->err);
	if (code != EXIT_DONE)
		return code;
	if (tracker_rejected(tracker))
		return EXIT_REFUSED;
	return tracker_counts(tracker)[TRACKED_COMPLETED] == tracker_total(tracker) ? EXIT_DONE : EXIT_FAILED;
}

static void print_json(const struct tracker *tracker, const char *project, const char *batch_id) {
	struct text out = { 0 };
	text_add(&out, "{\"project\":");
	text_add_json(&out, slice_of(project));
	text_add(&out, ",\"batch_id\":");
	if (batch_id != NULL)
		text_add_json(&out, slice_of(batch_id));
	else
		text_add(&out, "null");
	text_printf(&out, ",\"total\":%zu,\"counts\":{", tracker_total(tracker));
	for (size_t i = 0; i < TRACKED_STATUSES; i++)
		text_printf(&out, "%s\"%s\":%zu", i > 0 ? "," : "", tracked_words[i], tracker_counts(tracker)[i]);
	printf("%s}}\n", out.bytes);
	text_release(&out);
}

void follow_print_result(struct cli *cli, const struct tracker *tracker, const char *project, const char *batch_id) {
	if (cli->common.json) {
		print_json(tracker, project, batch_id);
		return;
	}
	if (tracker_total(tracker) == 0)
		return;
	struct text out = { 0 };
	follow_add_counts(&cli->out, &out, tracker_counts(tracker));
	text_add_char(&out, '\n');
	size_t at = 0, shown = 0;
	struct tracked_task *task;
	while (tracker_next(tracker, &at, &task) && shown < FAILURES_SHOWN) {
		if (task->status != TRACKED_FAILED)
			continue;
		struct slice status = slice_of(tracked_words[task->status]);
		term_say(&cli->out, &out, SHADE_RED, "%s %s/%s", term_status_mark(&cli->out, status), project, task->task_id);
		text_printf(&out, "   why: corder get %s/%s\n", project, task->task_id);
		shown++;
	}
	if (tracker_counts(tracker)[TRACKED_FAILED] > shown)
		text_printf(&out, "All of them: corder list --project %s --status failed%s%s\n", project,
		            batch_id != NULL ? " --batch " : "", batch_id != NULL ? batch_id : "");
	term_write(&cli->out, &out);
	text_release(&out);
}
