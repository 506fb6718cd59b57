/* Places for the tasks of a plan: layers from left to right, few crossings, edges as straight as can be. After Sugiyama:
 * an edge over several layers goes through a point in each; the order in a layer by medians of neighbours, the heights by
 * least squares. Pure. */
#ifndef CORDER_CLI_GRAPH_LAYOUT_H
#define CORDER_CLI_GRAPH_LAYOUT_H

#include "plan.h"

/* A task, or a point of an edge where it passes a layer. */
struct graph_item {
	size_t layer, place;                               /* place: in its layer, from the top */
	double y;                                          /* in rows */
	size_t *before, before_count, *after, after_count; /* items of the layers beside */
};

struct graph_layout {
	struct graph_item *items; /* the plan's nodes first, then points */
	size_t count;
	size_t **layers, *layer_counts, layer_count; /* items by place */
	double height;                               /* in rows; the smallest y is 0 */
	bool has_points;                             /* false when there would be too many: edges go straight */
};

void graph_layout_make(struct graph_layout *layout, const struct plan *plan);
void graph_layout_release(struct graph_layout *layout);

#endif
