/* The graphs that are submitted, task by task. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"

static void add_task(const struct bench *bench, struct text *out, int64_t i) {
	text_add(out, "\"task_id\":\"t");
	text_add_int(out, i);
	text_add(out, "\",\"task_type\":\"");
	text_add(out, bench->type);
	if (bench->options.priority != 0) {
		text_add(out, "\",\"priority\":");
		text_add_int(out, bench->options.priority);
		text_add(out, ",\"execution_context\":");
	} else {
		text_add(out, "\",\"execution_context\":");
	}
	text_add(out, bench->context);
}

static void add_dependency(struct text *out, bool first, int64_t on) {
	text_add(out, first ? ",\"dependencies\":[\"t" : ",\"t");
	text_add_int(out, on);
	text_add_char(out, '"');
}

/* Each task of a layer depends on `degree` of the layer before: its own place and the next ones. */
static void layered(const struct bench *bench, struct text *out, int64_t i) {
	int64_t width = bench->options.width, degree = bench->options.degree;
	int64_t layer = i / width, place = i % width;
	add_task(bench, out, i);
	for (int64_t k = 0; layer > 0 && k < degree; k++)
		add_dependency(out, k == 0, (layer - 1) * width + (place + k) % width);
	if (layer > 0 && degree > 0)
		text_add_char(out, ']');
}

static void chain(const struct bench *bench, struct text *out, int64_t i) {
	add_task(bench, out, i);
	if (i > 0) {
		add_dependency(out, true, i - 1);
		text_add_char(out, ']');
	}
}

/* All but the last, then the last, which waits for all. A graph is `width` children and a parent, then comes another. */
static void fan_in(const struct bench *bench, struct text *out, int64_t i) {
	int64_t size = bench->options.width + 1, first = i / size * size;
	add_task(bench, out, i);
	if (i - first < size - 1)
		return;
	for (int64_t on = first; on < i; on++)
		add_dependency(out, on == first, on);
	text_add_char(out, ']');
}

static void fan_out(const struct bench *bench, struct text *out, int64_t i) {
	int64_t size = bench->options.width + 1, first = i / size * size;
	add_task(bench, out, i);
	if (i == first)
		return;
	add_dependency(out, true, first);
	text_add_char(out, ']');
}

static int64_t all_before(const struct options *options, int64_t from, int64_t last) {
	(void)options;
	(void)last;
	return from;
}

static int64_t layered_needs(const struct options *options, int64_t from, int64_t last) {
	int64_t layer = last / options->width, end = last % options->width + options->degree;
	int64_t needed = layer > 0 ? (layer - 1) * options->width + (end < options->width ? end : options->width) : 0;
	return needed < from ? needed : from;
}

static int64_t fan_in_needs(const struct options *options, int64_t from, int64_t last) {
	return (last + 1) / (options->width + 1) > from / (options->width + 1) ? from : 0;
}

static int64_t fan_out_needs(const struct options *options, int64_t from, int64_t last) {
	int64_t first = from / (options->width + 1) * (options->width + 1);
	(void)last;
	return first < from ? first + 1 : 0;
}

static const struct graph graphs[] = {
	{ "independent", "no dependencies", add_task, NULL },
	{ "layered", "layers of --width, --degree dependencies on the layer before", layered, layered_needs },
	{ "chain", "each task after the one before it", chain, all_before },
	{ "fan-in", "--width children, then a task that waits for all of them", fan_in, fan_in_needs },
	{ "fan-out", "a task, then --width children that wait for it", fan_out, fan_out_needs },
};

const struct graph *graph_named(const char *name) {
	for (size_t i = 0; i < sizeof(graphs) / sizeof(graphs[0]); i++)
		if (strcmp(graphs[i].name, name) == 0)
			return &graphs[i];
	return NULL;
}

void graphs_help(struct text *out) {
	for (size_t i = 0; i < sizeof(graphs) / sizeof(graphs[0]); i++)
		text_printf(out, "  %-16s %s\n", graphs[i].name, graphs[i].what);
}
