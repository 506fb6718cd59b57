/* The Gantt chart as a picture: waiting light, running solid, each try a bar, the critical path lit and linked. */
#include "timeline_svg.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/memory.h"
#include "fields.h"
#include "svg.h"
#include "term.h"

static const double width = 1240, margin = 28, head = 84, foot = 52, row_height = 24, bar_height = 12, after = 84;
enum { NAME_MOST = 38, NAME_LEAST = 12, TICKS_LEAST = 5 };

struct chart {
	const struct plan *plan;
	struct text *out;
	size_t first;
	double left, wide; /* where the bars are */
	int64_t from_us, to_us, now_us;
	bool is_over;
	double *rows; /* the middle of each task's row; 0: not shown */
};

static double x_of(const struct chart *chart, int64_t at_us) {
	double part = (double)(at_us - chart->from_us) / (double)(chart->to_us - chart->from_us);
	return chart->left + chart->wide * (part < 0 ? 0 : part > 1 ? 1 : part);
}

static void measure(struct chart *chart) {
	size_t most = NAME_LEAST;
	const struct plan *plan = chart->plan;
	chart->from_us = INT64_MAX;
	chart->is_over = true;
	for (size_t i = chart->first; i < plan->count; i++) {
		const struct plan_node *node = &plan->nodes[i];
		int64_t end_us = node->finished_us > 0 ? node->finished_us : chart->now_us;
		size_t columns = term_columns(node->task_id);
		chart->from_us = node->created_us < chart->from_us ? node->created_us : chart->from_us;
		chart->to_us = end_us > chart->to_us ? end_us : chart->to_us;
		chart->is_over = chart->is_over && node->finished_us > 0;
		most = columns > most ? columns : most;
	}
	if (chart->to_us <= chart->from_us)
		chart->to_us = chart->from_us + 1000;
	most = most > NAME_MOST ? NAME_MOST : most;
	chart->left = margin + 24 + 8.0 * (double)most;
	chart->wide = width - margin - after - chart->left;
}

/* 1, 2 or 5 times a power of ten seconds; above a minute what clocks count in. */
static double step_s(double length_s) {
	static const double long_steps[] = { 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400 };
	double rough = length_s / TICKS_LEAST, power = pow(10, floor(log10(rough)));
	double step = rough / power >= 5 ? 5 * power : rough / power >= 2 ? 2 * power : power;
	if (step < 50)
		return step;
	size_t i = 0;
	while (i + 1 < COUNT(long_steps) && long_steps[i + 1] <= rough)
		i++;
	return rough >= 2 * 86400 ? floor(rough / 86400) * 86400 : long_steps[i];
}

static void add_axis(const struct chart *chart, double bottom) {
	double length_s = (double)(chart->to_us - chart->from_us) / 1e6, step = step_s(length_s);
	struct text label = { 0 };
	for (double at_s = 0; at_s <= length_s; at_s += step) {
		double x = x_of(chart, chart->from_us + (int64_t)(at_s * 1e6));
		text_clear(&label);
		text_add_char(&label, '+');
		text_add_duration(&label, at_s);
		text_printf(
			chart->out,
			"<path class=\"rule\" d=\"M%.1f %.1f V%.1f\"/><text class=\"s d m\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", x,
			head - 6, bottom, x, head - 12, at_s > 0 ? label.bytes : "0");
	}
	text_release(&label);
}

static void add_bar(const struct chart *chart, const char *class, int64_t from_us, int64_t to_us, double y,
                    double height, const char *tip) {
	double x = x_of(chart, from_us), end = x_of(chart, to_us);
	double least = end - x < 1.5 ? 1.5 : end - x;
	text_printf(
		chart->out,
		"<rect class=\"%s\" x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\" rx=\"2\"><title>%s</title></rect>",
		class, x, y - height / 2, least, height, tip);
}

static const char *class_of(struct slice outcome) {
	if (outcome.length == 0)
		return "f-running";
	if (slice_is(outcome, "completed"))
		return "f-completed";
	return slice_is(outcome, "released") || slice_is(outcome, "cancelled") ? "f-cancelled" : "f-failed";
}

/* "try 2 on worker-1: failed after 3.2s" */
static void add_try(const struct chart *chart, struct json_value attempt, size_t number, double y) {
	int64_t from_us = field_time(json_member(attempt, "started_at"));
	int64_t end_us = field_time(json_member(attempt, "finished_at"));
	struct slice outcome = json_text(json_member(attempt, "outcome"));
	struct text tip = { 0 };
	text_printf(&tip, "try %zu on ", number);
	svg_add_text(&tip, json_text(json_member(attempt, "worker")), 0);
	text_add(&tip, ": ");
	svg_add_text(&tip, outcome.length > 0 ? outcome : SLICE("running"), 0);
	text_add(&tip, ", ");
	end_us = end_us > 0 ? end_us : chart->now_us;
	text_add_duration(&tip, (double)(end_us - from_us) / 1e6);
	add_bar(chart, class_of(outcome), from_us, end_us, y, bar_height, tip.bytes);
	text_release(&tip);
}

/* From the end of a try to the next one, or to now while it waits for one. */
static void add_backoff(const struct chart *chart, const struct plan_node *node, struct json_value attempt, double y) {
	struct json_value next = json_next(attempt);
	int64_t end_us = field_time(json_member(attempt, "finished_at"));
	int64_t next_us = field_time(json_member(next, "started_at"));
	if (next_us == 0 && (slice_is(node->status, "retry") || slice_is(node->status, "pending")))
		next_us = chart->now_us;
	if (end_us > 0 && next_us > end_us)
		add_bar(chart, "back", end_us, next_us, y, 5, "backoff");
}

static int64_t first_start_us(const struct plan_node *node) {
	return field_time(json_member(json_first(json_member(node->task, "attempts")), "started_at"));
}

static void add_bars(const struct chart *chart, const struct plan_node *node, double y) {
	struct json_value attempts = json_member(node->task, "attempts");
	int64_t ready_us = plan_first_ready_us(chart->plan, node);
	int64_t end_us = node->finished_us > 0 ? node->finished_us : chart->now_us;
	int64_t first_us = first_start_us(node);
	size_t number = 0;
	if (ready_us != node->created_us)
		text_printf(chart->out, "<path class=\"block\" d=\"M%.2f %.1f H%.2f\"/>", x_of(chart, node->created_us), y,
		            x_of(chart, ready_us > 0 ? ready_us : end_us));
	if (ready_us > 0)
		add_bar(chart, "wait", ready_us, first_us > 0 ? first_us : end_us, y, 5, "waiting");
	for (struct json_value attempt = json_first(attempts); json_present(attempt); attempt = json_next(attempt)) {
		add_backoff(chart, node, attempt, y);
		add_try(chart, attempt, ++number, y);
	}
	if (node->is_critical && node->started_us > 0)
		text_printf(chart->out, "<rect class=\"glow\" x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\" rx=\"4\"/>",
		            x_of(chart, first_us) - 2.5, y - bar_height / 2 - 2.5,
		            x_of(chart, end_us) - x_of(chart, first_us) + 5, bar_height + 5);
	if (number > 1)
		text_printf(chart->out, "<text class=\"s d\" x=\"%.1f\" y=\"%.1f\">×%zu</text>", width - margin - 26, y + 4,
		            number);
}

static void add_row(const struct chart *chart, size_t i) {
	const struct plan_node *node = &chart->plan->nodes[i];
	struct text *out = chart->out, took = { 0 };
	double y = chart->rows[i];
	svg_add_mark(out, node->status, margin + 6, y);
	text_printf(out, "<text%s x=\"%.1f\" y=\"%.1f\">", node->is_critical ? " class=\"hottext\"" : "", margin + 20,
	            y + 4);
	svg_add_name(out, node->task_id, chart->left - margin - (node->is_critical ? 48 : 24));
	text_printf(out, "<title>%.*s</title></text>", (int)node->status.length, node->status.bytes);
	add_bars(chart, node, y);
	if (node->started_us > 0) {
		int64_t end_us = node->finished_us > 0 ? node->finished_us : chart->now_us;
		text_add_duration(&took, (double)(end_us - node->started_us) / 1e6);
		text_printf(out, "<text class=\"s d r\" x=\"%.1f\" y=\"%.1f\">%s</text>", width - margin - 34, y + 4,
		            took.bytes);
	}
	text_add_char(out, '\n');
	text_release(&took);
}

/* From the end of one task of the critical path to the start of the next. */
static void add_links(const struct chart *chart) {
	for (size_t i = chart->first; i < chart->plan->count; i++) {
		const struct plan_node *node = &chart->plan->nodes[i];
		if (!node->is_critical || node->critical_after == 0 || node->started_us == 0)
			continue;
		size_t parent = node->critical_after - 1;
		if (parent < chart->first || chart->plan->nodes[parent].finished_us == 0)
			continue;
		double x = x_of(chart, chart->plan->nodes[parent].finished_us) + 2.5,
			   to = x_of(chart, first_start_us(node)) - 2.5;
		double bend = to - 4 > x ? to - 4 : x;
		text_printf(chart->out, "<path class=\"link\" d=\"M%.2f %.1f H%.2f V%.1f H%.2f\"/>\n", x, chart->rows[parent],
		            bend, chart->rows[i], to);
	}
}

static void add_head(const struct chart *chart, const char *title) {
	struct text took = { 0 };
	text_add_duration(&took, (double)(chart->to_us - chart->from_us) / 1e6);
	text_printf(chart->out, "<text class=\"h\" x=\"%.0f\" y=\"36\">", margin);
	svg_add_text(chart->out, slice_of(title), 80);
	text_printf(chart->out, "<tspan class=\"d\" dx=\"10\" font-size=\"12\">%zu tasks, %s%s</tspan></text>\n",
	            chart->plan->count - chart->first, took.bytes, chart->is_over ? "" : " so far");
	text_release(&took);
}

static void add_legend(const struct chart *chart, double y) {
	unsigned seen = 0;
	for (size_t i = chart->first; i < chart->plan->count; i++)
		seen |= svg_status_bit(chart->plan->nodes[i].status);
	double x = svg_add_legend(chart->out, seen, margin, y);
	text_printf(chart->out,
	            "<path class=\"block\" d=\"M%.1f %.1f h20\"/><text class=\"s d\" x=\"%.1f\" y=\"%.1f\">blocked until "
	            "ready</text><rect class=\"wait\" x=\"%.1f\" y=\"%.1f\" width=\"20\" height=\"5\" rx=\"2\"/>"
	            "<text class=\"s d\" x=\"%.1f\" y=\"%.1f\">waiting</text><rect class=\"back\" x=\"%.1f\" y=\"%.1f\" "
	            "width=\"20\" height=\"5\" rx=\"2\"/><text class=\"s d\" x=\"%.1f\" y=\"%.1f\">backoff</text><rect "
	            "class=\"glow\" x=\"%.1f\" y=\"%.1f\" "
	            "width=\"20\" height=\"12\" rx=\"4\"/><text class=\"s d\" x=\"%.1f\" y=\"%.1f\">critical path</text>\n",
	            x, y, x + 26, y + 4, x + 142, y - 2.5, x + 168, y + 4, x + 226, y - 2.5, x + 252, y + 4, x + 312, y - 6,
	            x + 338, y + 4);
}

void timeline_svg_add(const struct plan *plan, size_t first, const char *title, struct text *out) {
	struct chart chart = { .plan = plan, .out = out, .first = first, .now_us = clock_wall_us() };
	double bottom = head + row_height * (double)(plan->count - first);
	measure(&chart);
	chart.rows = memory_array(plan->count + 1, sizeof *chart.rows);
	svg_open(out, width, bottom + foot, title);
	add_head(&chart, title);
	for (size_t i = first; i < plan->count; i++) {
		chart.rows[i] = head + row_height * ((double)(i - first) + 0.5);
		if ((i - first) % 2 == 1)
			text_printf(out, "<rect class=\"zebra\" x=\"%.0f\" y=\"%.1f\" width=\"%.0f\" height=\"%.0f\"/>", margin - 8,
			            chart.rows[i] - row_height / 2, width - 2 * margin + 16, row_height);
	}
	add_axis(&chart, bottom);
	for (size_t i = first; i < plan->count; i++)
		add_row(&chart, i);
	add_links(&chart);
	if (!chart.is_over)
		text_printf(out,
		            "<path class=\"now\" d=\"M%.1f %.1f V%.1f\"/><text class=\"s hotfill m\" x=\"%.1f\" "
		            "y=\"%.1f\">now</text>\n",
		            x_of(&chart, chart.now_us), head - 6, bottom + 4, x_of(&chart, chart.now_us), bottom + 15);
	add_legend(&chart, bottom + 28);
	svg_close(out);
	free(chart.rows);
}
