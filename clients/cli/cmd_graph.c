/* `corder graph`: the tasks as a tree with their statuses. A task with several dependencies stands under the deepest, and
 * names the others. --dot writes the whole graph for Graphviz. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../shared/base/clock.h"
#include "commands.h"
#include "fields.h"
#include "graph_svg.h"
#include "plan.h"
#include "svg.h"

struct graph_options {
	const char *project, *batch, *svg;
	bool dot, all;
};

enum { OTHERS_SHOWN = 3, FOLD_FROM = 6, FOLD_KEEP = 3, PREFIX_MOST_BYTES = 320 };

struct picture {
	const struct term *term;
	const struct plan *plan;
	struct text *out;
	bool fold; /* alike leaves in one line */
};

static const char *const branch[2][2] = { { "|-- ", "`-- " }, { "├── ", "└── " } };
static const char *const trunk[2][2] = { { "|   ", "    " }, { "│   ", "    " } };

static void add_took(const struct picture *picture, const struct plan_node *node) {
	int64_t started_us = field_time(json_member(node->task, "started_at"));
	int64_t finished_us = field_time(json_member(node->task, "finished_at"));
	size_t tries = json_count(json_member(node->task, "attempts"));
	struct text took = { 0 };
	if (started_us > 0) {
		text_add_duration(&took, (double)((finished_us > 0 ? finished_us : clock_wall_us()) - started_us) / 1e6);
		term_say(picture->term, picture->out, SHADE_DIM, "  %s", took.bytes);
	}
	if (tries > 1)
		term_say(picture->term, picture->out, SHADE_MAGENTA, "  %zu tries", tries);
	text_release(&took);
}

static void add_others(const struct picture *picture, const struct plan_node *node) {
	size_t shown = 0;
	for (size_t p = 0; p < node->parent_count; p++) {
		if (node->has_parent && node->parents[p] == node->drawn_under)
			continue;
		if (shown == OTHERS_SHOWN) {
			term_say(picture->term, picture->out, SHADE_DIM, " and %zu more", node->parent_count - 1 - shown);
			return;
		}
		term_say(picture->term, picture->out, SHADE_DIM, shown++ == 0 ? "  also after " : ", ");
		term_add(picture->term, picture->out, SHADE_DIM, picture->plan->nodes[node->parents[p]].task_id);
	}
}

static void add_node(const struct picture *picture, const struct plan_node *node) {
	const struct term *term = picture->term;
	term_say(term, picture->out, term_status_shade(node->status), "%s ", term_status_mark(term, node->status));
	term_add(term, picture->out, node->is_critical ? SHADE_BOLD : SHADE_PLAIN, node->task_id);
	if (node->is_critical)
		term_say(term, picture->out, SHADE_BOLD, term->unicode ? " ◆" : " *");
	if (!slice_equal(node->task_id, node->task_type)) {
		text_add(picture->out, "  ");
		term_add(term, picture->out, SHADE_DIM, node->task_type);
	}
	if (!slice_is(node->status, "completed")) {
		text_add(picture->out, "  ");
		term_add(term, picture->out, term_status_shade(node->status), node->status);
	}
	add_took(picture, node);
	struct slice because = json_text(json_member(node->task, "because"));
	if (because.length > 0) {
		term_say(term, picture->out, SHADE_DIM, "  because of ");
		term_add(term, picture->out, SHADE_DIM, because);
	}
	add_others(picture, node);
	text_add_char(picture->out, '\n');
}

static bool is_alike(const struct plan_node *a, const struct plan_node *b) {
	return a->child_count == 0 && b->child_count == 0 && slice_equal(a->task_type, b->task_type) &&
	       slice_equal(a->status, b->status);
}

/* How many of the children from `first` on go into one folded line. */
static size_t alike_from(const struct picture *picture, const size_t *items, size_t first, size_t count) {
	size_t end = first + 1;
	const struct plan_node *nodes = picture->plan->nodes;
	while (end < count && is_alike(&nodes[items[first]], &nodes[items[end]]))
		end++;
	return end - first;
}

static void add_level(const struct picture *picture, struct text *prefix, const size_t *items, size_t count, bool top);

static void add_item(const struct picture *picture, struct text *prefix, const struct plan_node *node, bool last,
                     bool top) {
	size_t unicode = picture->term->unicode, length = prefix->length;
	if (!top) {
		text_append(picture->out, prefix->bytes, prefix->length);
		text_add(picture->out, branch[unicode][last]);
	}
	add_node(picture, node);
	if (!top && length < PREFIX_MOST_BYTES)
		text_add(prefix, trunk[unicode][last]);
	add_level(picture, prefix, node->children, node->child_count, false);
	prefix->length = length;
	if (prefix->bytes != NULL)
		prefix->bytes[length] = 0;
}

static void add_folded(const struct picture *picture, const struct text *prefix, const struct plan_node *node,
                       size_t count, bool last, bool top) {
	if (!top) {
		text_append(picture->out, prefix->bytes, prefix->length);
		text_add(picture->out, branch[picture->term->unicode][last]);
	}
	term_say(picture->term, picture->out, term_status_shade(node->status), "%s ",
	         term_status_mark(picture->term, node->status));
	text_printf(picture->out, "%zu more %.*s", count, (int)node->task_type.length, node->task_type.bytes);
	term_say(picture->term, picture->out, term_status_shade(node->status), "  %.*s\n", (int)node->status.length,
	         node->status.bytes);
}

static void add_level(const struct picture *picture, struct text *prefix, const size_t *items, size_t count, bool top) {
	for (size_t i = 0; i < count;) {
		size_t alike = picture->fold ? alike_from(picture, items, i, count) : 1;
		size_t shown = alike >= FOLD_FROM ? FOLD_KEEP : alike;
		for (size_t k = 0; k < shown; k++)
			add_item(picture, prefix, &picture->plan->nodes[items[i + k]], i + k + 1 == count, top);
		if (shown < alike)
			add_folded(picture, prefix, &picture->plan->nodes[items[i]], alike - shown, i + alike == count, top);
		i += alike;
	}
}

static void add_dot(const struct plan *plan, const char *name, struct text *out) {
	static const char *const colours[][2] = { { "completed", "palegreen" },
		                                      { "running", "lightcyan" },
		                                      { "failed", "salmon" },
		                                      { "pending", "lightyellow" },
		                                      { "retry", "plum" } };
	text_printf(out, "digraph \"%s\" {\n\trankdir=LR;\n\tnode [shape=box, style=filled, fillcolor=whitesmoke];\n",
	            name);
	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_node *node = &plan->nodes[i];
		const char *colour = "whitesmoke";
		for (size_t c = 0; c < COUNT(colours); c++)
			if (slice_is(node->status, colours[c][0]))
				colour = colours[c][1];
		text_printf(out, "\t\"%.*s\" [fillcolor=%s, tooltip=\"%.*s\"];\n", (int)node->task_id.length,
		            node->task_id.bytes, colour, (int)node->status.length, node->status.bytes);
		for (size_t p = 0; p < node->parent_count; p++) {
			struct slice parent = plan->nodes[node->parents[p]].task_id;
			text_printf(out, "\t\"%.*s\" -> \"%.*s\";\n", (int)parent.length, parent.bytes, (int)node->task_id.length,
			            node->task_id.bytes);
		}
	}
	text_add(out, "}\n");
}

static int write_svg(const struct plan *plan, const struct graph_options *options, const char *project) {
	struct text svg = { 0 }, title = { 0 };
	field_add_title(&title, project, options->batch);
	graph_svg_add(plan, title.bytes, &svg);
	int code = svg_write(&svg, options->svg);
	text_release(&title);
	text_release(&svg);
	return code;
}

static int draw(struct cli *cli, const void *values, const char *project, struct json_value root) {
	const struct graph_options *options = values;
	struct plan plan;
	struct text out = { 0 }, prefix = { 0 };
	int code = EXIT_DONE;
	plan_make(&plan, json_member(root, "tasks"));
	plan_find_critical(&plan, clock_wall_us());
	struct picture picture = { &cli->out, &plan, &out, !options->all };
	if (options->svg != NULL) {
		code = write_svg(&plan, options, project);
	} else if (options->dot) {
		add_dot(&plan, project, &out);
	} else {
		term_say(&cli->out, &out, SHADE_BOLD, "%s", project);
		term_say(&cli->out, &out, SHADE_DIM, "  %zu tasks, %zu edges\n", plan.count, plan.edge_count);
		add_level(&picture, &prefix, plan.roots, plan.root_count, true);
		if (plan.edge_count > 0)
			term_say(&cli->out, &out, SHADE_DIM,
			         "%s the critical path: the chain that decides when the last one ends\n",
			         cli->out.unicode ? "◆" : "*");
		if (json_bool(json_member(root, "truncated"), false))
			text_add(&out, "There are more tasks than a message holds: look at one batch with --batch ID.\n");
	}
	term_write(&cli->out, &out);
	text_release(&out);
	text_release(&prefix);
	plan_release(&plan);
	return code;
}

static int graph_run(struct cli *cli, const void *values) {
	const struct graph_options *options = values;
	return about_timeline(cli, &command_graph, options->project, options->batch, draw, options);
}

static const struct option_row graph_options[] = {
	{ "project", 'p', OPTION_TEXT, offsetof(struct graph_options, project), "NAME", "the project; else CORDER_PROJECT",
	  0, 0 },
	{ "batch", 'b', OPTION_TEXT, offsetof(struct graph_options, batch), "ID", "only this batch", 0, 0 },
	{ "all", 'a', OPTION_FLAG, offsetof(struct graph_options, all), NULL, "a line for every task, also for many alike",
	  0, 0 },
	{ "svg", 0, OPTION_TEXT, offsetof(struct graph_options, svg), "FILE", "as a picture for a browser; - is stdout", 0,
	  0 },
	{ "dot", 0, OPTION_FLAG, offsetof(struct graph_options, dot), NULL,
	  "for Graphviz: corder graph … --dot | dot -Tsvg", 0, 0 },
};

const struct command command_graph = {
	.name = "graph",
	.group = "Look at it",
	.summary = "the tasks as a tree, with their statuses",
	.usage = "--project NAME [--batch ID] [--svg FILE]",
	.examples = "corder graph --project shop --batch nightly-12\ncorder graph --project shop --svg shop.svg",
	.options = graph_options,
	.option_count = COUNT(graph_options),
	.values_bytes = sizeof(struct graph_options),
	.run = graph_run,
};
