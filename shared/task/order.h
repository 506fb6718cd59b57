/* The order of a graph of tasks: each after all it depends on (Kahn, 1962). Among tasks that could come next, the one
 * submitted first does, so that a submission that is already in order stays as it is. Linear in tasks and edges (the
 * queue of what could come next is a tree of bits: four steps for a million tasks). Pure. */
#ifndef CORDER_TASK_ORDER_H
#define CORDER_TASK_ORDER_H

#include <stddef.h>
#include <stdint.h>

#include "../base/error.h"
#include "../base/text.h"

/* Who depends on whom, by number. Filled by the caller, released by order_close. Edges to tasks that are not in the
 * graph are not in it. */
struct order_graph {
	uint32_t task_count;
	uint32_t *first_edge; /* task_count + 1 of them: where the dependencies of each task begin in `edges` */
	uint32_t *edges;      /* numbers of the dependencies */
	uint32_t edge_count, edge_capacity;
};

void order_open(struct order_graph *graph, uint32_t task_count);
/* Tasks in rising number; the edges of a task are added before those of the next. */
void order_add_edge(struct order_graph *graph, uint32_t task, uint32_t dependency);
void order_close(struct order_graph *graph);

/* Fills order (task_count numbers). STATUS_REJECT, code cycle, when there is a loop: then *loop has it, each task
 * depending on the one after it, the last one being the first again (*loop_length of them). The caller frees *loop. */
enum status order_run(struct order_graph *graph, uint32_t *order, uint32_t **loop, size_t *loop_length,
                      struct error *err);

#endif
