/* What the pictures of `corder graph` and `timeline` stand on: places of a graph, the critical path, ids of traces. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/test.h"
#include "clients/cli/graph_layout.h"
#include "clients/cli/graph_svg.h"
#include "clients/cli/plan.h"
#include "clients/cli/svg.h"
#include "clients/cli/trace.h"
#include "shared/base/memory.h"

/* A task of a timeline reply; times in seconds of one minute, -1: not yet. after: "a,b" */
static void add_task(struct text *out, const char *id, const char *after, int started, int finished, double estimate) {
	text_printf(out, "%s{\"task_id\":\"%s\",\"task_type\":\"t\",\"status\":\"%s\"", out->length > 1 ? "," : "", id,
	            finished >= 0 ? "completed" : "pending");
	text_add(out, ",\"created_at\":\"2026-01-01T00:00:00Z\"");
	if (started >= 0)
		text_printf(out, ",\"started_at\":\"2026-01-01T00:00:%02dZ\"", started);
	if (finished >= 0)
		text_printf(out, ",\"finished_at\":\"2026-01-01T00:00:%02dZ\"", finished);
	if (estimate >= 0)
		text_printf(out, ",\"estimated_duration\":%g", estimate);
	text_add(out, ",\"attempts\":[],\"dependencies\":[");
	struct slice rest = slice_of(after);
	for (bool first = true; rest.bytes != NULL && rest.length > 0; first = false) {
		struct slice one = slice_cut(&rest, ',');
		text_printf(out, "%s{\"task_id\":\"%.*s\"}", first ? "" : ",", (int)one.length, one.bytes);
	}
	text_add(out, "]}");
}

struct graph {
	struct text text;
	struct json *json;
	struct plan plan;
};

static void open_graph(struct graph *graph, struct text *tasks) {
	text_add_char(tasks, ']');
	graph->text = *tasks;
	graph->json = json_read((struct slice){ tasks->bytes, tasks->length }, NULL);
	assert_non_null(graph->json);
	plan_make(&graph->plan, json_root(graph->json));
}

static void close_graph(struct graph *graph) {
	plan_release(&graph->plan);
	json_close(&graph->json);
	text_release(&graph->text);
}

static const int64_t now_us = INT64_C(1767225660) * 1000000; /* 2026-01-01T00:01:00Z */

static void expect_critical(const struct plan *plan, const char *ids) {
	struct text found = { 0 };
	for (size_t i = 0; i < plan->count; i++)
		if (plan->nodes[i].is_critical)
			text_printf(&found, "%s%.*s", found.length > 0 ? " " : "", (int)plan->nodes[i].task_id.length,
			            plan->nodes[i].task_id.bytes);
	assert_string_equal(found.bytes, ids);
	text_release(&found);
}

static void of_what_is_over_the_chain_that_ended_last_is_critical(void **state) {
	(void)state;
	struct text tasks = { 0 };
	struct graph graph;
	text_add_char(&tasks, '[');
	add_task(&tasks, "a", "", 0, 10, 1);
	add_task(&tasks, "b", "", 0, 20, 1);
	add_task(&tasks, "c", "a,b", 20, 30, 1);
	add_task(&tasks, "d", "a", 10, 12, 99);
	open_graph(&graph, &tasks);
	plan_find_critical(&graph.plan, now_us);
	expect_critical(&graph.plan, "b c");
	assert_int_equal(graph.plan.nodes[2].critical_after, 2);
	close_graph(&graph);
}

static void of_what_is_to_come_the_longest_chain_is_critical(void **state) {
	(void)state;
	struct text tasks = { 0 };
	struct graph graph;
	text_add_char(&tasks, '[');
	add_task(&tasks, "a", "", 0, 10, -1);
	add_task(&tasks, "short", "a", -1, -1, 5);
	add_task(&tasks, "guess", "a", -1, -1, -1); /* as long as its type takes: 10 s */
	add_task(&tasks, "end", "short,guess", -1, -1, 1);
	open_graph(&graph, &tasks);
	plan_find_critical(&graph.plan, now_us);
	expect_critical(&graph.plan, "a guess end");
	assert_int_equal(graph.plan.nodes[3].ends_us, now_us + 11 * INT64_C(1000000));
	close_graph(&graph);
}

static void random_graph(struct graph *graph, unsigned seed, size_t count) {
	struct text tasks = { 0 };
	text_add_char(&tasks, '[');
	for (size_t i = 0; i < count; i++) {
		char id[16], after[64] = "";
		snprintf(id, sizeof(id), "t%zu", i);
		for (size_t d = 0; d < 3 && i > 0; d++) {
			seed = seed * 1103515245u + 12345u;
			if ((seed >> 16) % 3 > 0)
				snprintf(after + strlen(after), sizeof(after) - strlen(after), "%st%zu", after[0] ? "," : "",
				         (size_t)(seed >> 8) % i);
		}
		add_task(&tasks, id, after, -1, -1, 1);
	}
	open_graph(graph, &tasks);
}

/* What must hold of any layout: edges go right, a layer keeps its order, and no two cards of it touch. */
static void check_layout(const struct plan *plan, const struct graph_layout *layout) {
	for (size_t i = 0; i < layout->count; i++) {
		assert_true(isfinite(layout->items[i].y) && layout->items[i].y >= -1e-6);
		for (size_t k = 0; k < layout->items[i].after_count; k++)
			assert_int_equal(layout->items[layout->items[i].after[k]].layer, layout->items[i].layer + 1);
	}
	for (size_t l = 0; l < layout->layer_count; l++)
		for (size_t i = 1; i < layout->layer_counts[l]; i++) {
			size_t above = layout->layers[l][i - 1], below = layout->layers[l][i];
			double distance = layout->items[below].y - layout->items[above].y;
			assert_true(distance > 0);
			if (above < plan->count && below < plan->count)
				assert_true(distance > 0.999);
		}
}

static void no_two_tasks_of_a_graph_stand_in_one_place(void **state) {
	(void)state;
	for (unsigned seed = 1; seed <= 20; seed++) {
		struct graph graph;
		struct graph_layout layout;
		random_graph(&graph, seed, 5 + seed * 7);
		graph_layout_make(&layout, &graph.plan);
		check_layout(&graph.plan, &layout);
		graph_layout_release(&layout);
		close_graph(&graph);
	}
}

static void markup_in_a_name_is_text_in_the_picture(void **state) {
	(void)state;
	struct text out = { 0 };
	svg_add_text(&out, SLICE("<a href=\"x\">&\x01\xff"), 0);
	assert_string_equal(out.bytes, "&lt;a href=&quot;x&quot;&gt;&amp;  ");
	text_clear(&out);
	svg_add_text(&out, SLICE("abcdef"), 4);
	assert_string_equal(out.bytes, "abc…");
	text_release(&out);
}

static void spans_follow_from_names_and_traces_from_the_submitter(void **state) {
	(void)state;
	const struct slice parent = SLICE("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
	struct trace_task task = { SLICE("shop"), SLICE("a"), SLICE("b-1"), SLICE("") }, other = task, traced = task;
	char one[TRACE_ID_BYTES], two[TRACE_ID_BYTES], span[SPAN_ID_BYTES], again[SPAN_ID_BYTES], next[TRACEPARENT_BYTES];
	other.task_id = SLICE("b");
	traced.traceparent = parent;
	trace_id(&task, one);
	trace_id(&other, two);
	assert_string_equal(one, two); /* of one batch */
	trace_id(&traced, two);
	assert_string_equal(two, "4bf92f3577b34da6a3ce929d0e0e4736");
	trace_submitter(&traced, span);
	assert_string_equal(span, "00f067aa0ba902b7");
	trace_submitter(&task, span);
	assert_string_equal(span, "");
	trace_task_span(&task, 1, span);
	trace_task_span(&other, 1, again);
	assert_string_not_equal(span, again);
	trace_try_span(&traced, 2, 0, span);
	trace_try_parent(&traced, 2, next);
	assert_int_equal(strlen(next), 55);
	assert_memory_equal(next, "00-4bf92f3577b34da6a3ce929d0e0e4736-", 36);
	assert_memory_equal(next + 36, span, 16);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_what_is_over_the_chain_that_ended_last_is_critical),
		cmocka_unit_test(of_what_is_to_come_the_longest_chain_is_critical),
		cmocka_unit_test(no_two_tasks_of_a_graph_stand_in_one_place),
		cmocka_unit_test(markup_in_a_name_is_text_in_the_picture),
		cmocka_unit_test(spans_follow_from_names_and_traces_from_the_submitter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
