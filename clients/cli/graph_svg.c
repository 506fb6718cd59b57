/* The graph as a picture: a card for each task, left to right, the critical path lit. */
#include "graph_svg.h"

#include <stdio.h>
#include <stdlib.h>

#include "../../shared/base/clock.h"
#include "fields.h"
#include "graph_layout.h"
#include "svg.h"
#include "term.h"

static const double card_width = 196, card_height = 38, column_gap = 64, row_height = 52, margin = 28, head = 56,
					foot = 44;
enum { NOTE_MOST = 26 };

struct picture {
	const struct plan *plan;
	const struct graph_layout *layout;
	struct text *out;
};

static double x_of(const struct graph_item *item) {
	return margin + (double)item->layer * (card_width + column_gap);
}

static double y_of(const struct graph_item *item) {
	return head + margin + item->y * row_height;
}

/* "testing · 3.2s · 2 tries" */
static void add_note(struct text *note, const struct plan_node *node) {
	size_t tries = json_count(json_member(node->task, "attempts"));
	text_add_slice(note, node->task_type);
	if (node->started_us > 0) {
		int64_t end_us = node->finished_us > 0 ? node->finished_us : clock_wall_us();
		text_add(note, " · ");
		text_add_duration(note, (double)(end_us - node->started_us) / 1e6);
	}
	if (tries > 1)
		text_printf(note, " · %zu tries", tries);
}

static void add_card(const struct picture *picture, size_t i) {
	const struct plan_node *node = &picture->plan->nodes[i];
	double x = x_of(&picture->layout->items[i]), y = y_of(&picture->layout->items[i]) - card_height / 2;
	struct text *out = picture->out, note = { 0 };
	add_note(&note, node);
	text_add(out, "<g><title>");
	svg_add_text(out, node->task_id, 0);
	text_printf(out, " %.*s, ", (int)node->status.length, node->status.bytes);
	svg_add_text(out, text_slice(&note), 0);
	text_printf(out, "</title><rect class=\"card%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.0f\" height=\"%.0f\" rx=\"6\"/>",
	            node->is_critical ? " hot" : "", x, y, card_width, card_height);
	svg_add_mark(out, node->status, x + 15, y + card_height / 2);
	text_printf(out, "<text%s x=\"%.1f\" y=\"%.1f\">", node->is_critical ? " class=\"hottext\"" : "", x + 30, y + 16);
	svg_add_name(out, node->task_id, card_width - (node->is_critical ? 52 : 36));
	text_printf(out, "</text><text class=\"s d\" x=\"%.1f\" y=\"%.1f\">", x + 30, y + 30);
	svg_add_text(out, text_slice(&note), NOTE_MOST);
	text_add(out, "</text></g>\n");
	text_release(&note);
}

/* From card to card, through the points of the layers between. */
static void add_edge(const struct picture *picture, size_t parent, size_t first, bool hot, struct text *out) {
	const struct graph_item *items = picture->layout->items;
	size_t tasks = picture->plan->count, item = first;
	double x = x_of(&items[parent]) + card_width, y = y_of(&items[parent]);
	text_printf(out, "<path class=\"edge%s\" d=\"M%.1f %.1f", hot ? " hot" : "", x, y);
	for (;;) {
		bool is_card = item < tasks;
		double to_x = x_of(&items[item]) - (is_card ? 5 : 0), to_y = y_of(&items[item]), half = (to_x - x) / 2;
		text_printf(out, " C%.1f %.1f %.1f %.1f %.1f %.1f", x + half, y, to_x - half, to_y, to_x, to_y);
		x = to_x;
		y = to_y;
		if (is_card)
			break;
		x += card_width; /* straight past the cards of its layer */
		text_printf(out, " H%.1f", x);
		item = items[item].after[0];
	}
	text_printf(out, "\"/><path class=\"tip%s\" d=\"M%.1f %.1f l6 0 l-7 -4 v8 l7 -4z\"/>\n", hot ? " hot" : "", x, y);
}

static size_t end_of_edge(const struct graph_layout *layout, size_t tasks, size_t item) {
	while (item >= tasks)
		item = layout->items[item].after[0];
	return item;
}

/* Lit edges last, so that they lie above the others. */
static void add_edges(const struct picture *picture) {
	const struct plan *plan = picture->plan;
	struct text lit = { 0 };
	for (size_t i = 0; i < plan->count; i++) {
		const struct graph_item *item = &picture->layout->items[i];
		for (size_t k = 0; k < item->after_count; k++) {
			size_t child = end_of_edge(picture->layout, plan->count, item->after[k]);
			bool hot = plan->nodes[child].is_critical && plan->nodes[child].critical_after == i + 1;
			add_edge(picture, i, item->after[k], hot, hot ? &lit : picture->out);
		}
	}
	text_add_slice(picture->out, text_slice(&lit));
	text_release(&lit);
}

static void add_legend(const struct picture *picture, double y) {
	unsigned seen = 0;
	for (size_t i = 0; i < picture->plan->count; i++)
		seen |= svg_status_bit(picture->plan->nodes[i].status);
	double x = svg_add_legend(picture->out, seen, margin, y);
	text_printf(picture->out,
	            "<path class=\"edge hot\" d=\"M%.1f %.1f h22\"/><text class=\"s d\" x=\"%.1f\" y=\"%.1f\">critical "
	            "path</text>\n",
	            x, y, x + 29, y + 4);
}

void graph_svg_add(const struct plan *plan, const char *title, struct text *out) {
	struct graph_layout layout;
	graph_layout_make(&layout, plan);
	struct picture picture = { plan, &layout, out };
	double width = margin * 2 + (double)layout.layer_count * (card_width + column_gap) - column_gap;
	double height = head + margin * 2 + layout.height * row_height + foot;
	width = width < 640 ? 640 : width;
	svg_open(out, width, height, title);
	text_printf(out, "<text class=\"h\" x=\"%.0f\" y=\"36\">", margin);
	svg_add_text(out, slice_of(title), 80);
	text_printf(out, "<tspan class=\"d\" dx=\"10\" font-size=\"12\">%zu tasks, %zu edges</tspan></text>\n", plan->count,
	            plan->edge_count);
	add_edges(&picture);
	for (size_t i = 0; i < plan->count; i++)
		add_card(&picture, i);
	add_legend(&picture, height - 24);
	svg_close(out);
	graph_layout_release(&layout);
}
