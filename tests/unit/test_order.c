/* The order of graphs: valid, stable, exact about loops, and linear. */
#include "../support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/task/order.h"

/* edges: pairs "task dependency", tasks rising, ended by -1. */
static enum status order_of(uint32_t tasks, const int *edges, char *order_text, char *loop_text) {
	struct order_graph graph;
	uint32_t order[64], *loop = NULL;
	size_t loop_length = 0;
	struct error err = { 0 };
	order_open(&graph, tasks);
	for (; edges[0] >= 0; edges += 2)
		order_add_edge(&graph, (uint32_t)edges[0], (uint32_t)edges[1]);
	enum status status = order_run(&graph, order, &loop, &loop_length, &err);
	*order_text = *loop_text = '\0';
	for (uint32_t i = 0; status == STATUS_OK && i < tasks; i++)
		sprintf(order_text + strlen(order_text), "%u ", order[i]);
	for (size_t i = 0; i < loop_length; i++)
		sprintf(loop_text + strlen(loop_text), "%u ", loop[i]);
	if (status != STATUS_OK)
		assert_string_equal(err.code, "cycle");
	free(loop);
	order_close(&graph);
	return status;
}

static void check_order(uint32_t tasks, const int *edges, const char *expected) {
	char order[256], loop[256];
	assert_int_equal(order_of(tasks, edges, order, loop), STATUS_OK);
	assert_string_equal(order, expected);
	assert_string_equal(loop, "");
}

static void check_loop(uint32_t tasks, const int *edges, const char *expected) {
	char order[256], loop[256];
	assert_int_equal(order_of(tasks, edges, order, loop), STATUS_REJECT);
	assert_string_equal(loop, expected);
}

static void an_order_that_is_right_stays(void **state) {
	(void)state;
	check_order(4, (int[]){ -1 }, "0 1 2 3 ");
	check_order(5, (int[]){ 1, 0, 3, 1, 4, 0, -1 }, "0 1 2 3 4 ");
	check_order(0, (int[]){ -1 }, "");
}

static void a_task_comes_after_its_dependencies(void **state) {
	(void)state;
	check_order(3, (int[]){ 0, 1, 1, 2, -1 }, "2 1 0 ");
	check_order(4, (int[]){ 0, 1, 0, 2, 1, 3, 2, 3, -1 }, "3 1 2 0 ");
	check_order(4, (int[]){ 0, 3, -1 }, "1 2 3 0 ");
}

static void a_loop_is_reported_exactly(void **state) {
	(void)state;
	check_loop(1, (int[]){ 0, 0, -1 }, "0 0 ");
	check_loop(3, (int[]){ 0, 1, 1, 2, 2, 0, -1 }, "0 1 2 0 ");
	check_loop(6, (int[]){ 0, 1, 1, 2, 2, 3, 3, 1, 4, 3, 5, 5, -1 }, "1 2 3 1 ");
	check_loop(4, (int[]){ 0, 3, 1, 3, 2, 1, 3, 2, -1 }, "3 2 1 3 ");
}

static uint32_t random_below(uint64_t *seed, uint32_t limit) {
	*seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)((*seed >> 33) % limit);
}

/* Task i stands at a shuffled place; it depends on up to `most` tasks of a lower rank. */
static void build_random(struct order_graph *graph, uint32_t tasks, uint32_t most, uint64_t seed, uint32_t *rank) {
	uint32_t *of_rank = malloc((tasks + 1) * sizeof(*of_rank));
	for (uint32_t i = 0; i < tasks; i++)
		rank[i] = i;
	for (uint32_t i = tasks; i > 1; i--) {
		uint32_t j = random_below(&seed, i), swap = rank[i - 1];
		rank[i - 1] = rank[j];
		rank[j] = swap;
	}
	for (uint32_t i = 0; i < tasks; i++)
		of_rank[rank[i]] = i;
	order_open(graph, tasks);
	for (uint32_t i = 0; i < tasks; i++)
		for (uint32_t j = 0; rank[i] > 0 && j < most; j++)
			order_add_edge(graph, i, of_rank[random_below(&seed, rank[i])]);
	free(of_rank);
}

static void check_random(uint32_t tasks, uint32_t most, uint64_t seed) {
	struct order_graph graph;
	uint32_t *rank = malloc((tasks + 1) * sizeof(*rank)), *order = malloc((tasks + 1) * sizeof(*order)), *loop;
	size_t loop_length;
	build_random(&graph, tasks, most, seed, rank);
	int64_t start_us = clock_mono_us();
	assert_int_equal(order_run(&graph, order, &loop, &loop_length, NULL), STATUS_OK);
	if (tasks >= 1000000)
		print_message("%u tasks, %u edges: %lld ms\n", tasks, graph.edge_count,
		              (long long)(clock_mono_us() - start_us) / 1000);
	memset(rank, 0xFF, tasks * sizeof(*rank));
	for (uint32_t i = 0; i < tasks; i++) {
		assert_int_equal(rank[order[i]], UINT32_MAX);
		rank[order[i]] = i;
		for (uint32_t e = graph.first_edge[order[i]]; e < graph.first_edge[order[i] + 1]; e++)
			if (rank[graph.edges[e]] >= i)
				fail_msg("%u before %u", order[i], graph.edges[e]);
	}
	order_close(&graph);
	free(rank);
	free(order);
}

static void random_graphs_are_put_in_order(void **state) {
	(void)state;
	for (uint64_t seed = 0; seed < 300; seed++)
		check_random((uint32_t)(seed * 7 % 300), (uint32_t)(seed % 5), seed);
	check_random(5000, 3, 1);
}

static void a_million_tasks_take_about_a_second(void **state) {
	(void)state;
	check_random(1000000, 3, 7);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_order_that_is_right_stays),        cmocka_unit_test(a_task_comes_after_its_dependencies),
		cmocka_unit_test(a_loop_is_reported_exactly),          cmocka_unit_test(random_graphs_are_put_in_order),
		cmocka_unit_test(a_million_tasks_take_about_a_second),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
