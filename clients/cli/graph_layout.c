/* Layers, points, order, heights. */
#include "graph_layout.h"

#include <stdlib.h>

#include "../../shared/base/memory.h"

enum { SWEEPS = 12, SETTLINGS = 16, POINTS_MOST = 60000 };

static const double point_room = 0.45; /* rows that a passing edge takes */

static void link(struct graph_item *items, size_t from, size_t to) {
	struct graph_item *a = &items[from], *b = &items[to];
	a->after = memory_resize(a->after, a->after_count + 1, sizeof *a->after);
	a->after[a->after_count++] = to;
	b->before = memory_resize(b->before, b->before_count + 1, sizeof *b->before);
	b->before[b->before_count++] = from;
}

static size_t count_points(const struct plan *plan) {
	size_t points = 0;
	for (size_t i = 0; i < plan->count; i++)
		for (size_t p = 0; p < plan->nodes[i].parent_count; p++)
			points += plan->nodes[i].depth - plan->nodes[plan->nodes[i].parents[p]].depth - 1;
	return points;
}

static void make_items(struct graph_layout *layout, const struct plan *plan) {
	size_t points = count_points(plan);
	layout->has_points = points <= POINTS_MOST;
	layout->count = plan->count;
	layout->items = memory_array(plan->count + (layout->has_points ? points : 0) + 1, sizeof *layout->items);
	for (size_t i = 0; i < plan->count; i++)
		layout->items[i].layer = plan->nodes[i].depth;
	for (size_t i = 0; i < plan->count; i++)
		for (size_t p = 0; p < plan->nodes[i].parent_count; p++) {
			size_t from = plan->nodes[i].parents[p];
			for (size_t layer = plan->nodes[from].depth + 1; layout->has_points && layer < plan->nodes[i].depth;
			     layer++) {
				layout->items[layout->count].layer = layer;
				link(layout->items, from, layout->count);
				from = layout->count++;
			}
			link(layout->items, from, i);
		}
}

static void make_layers(struct graph_layout *layout) {
	for (size_t i = 0; i < layout->count; i++)
		if (layout->items[i].layer >= layout->layer_count)
			layout->layer_count = layout->items[i].layer + 1;
	layout->layers = memory_array(layout->layer_count + 1, sizeof *layout->layers);
	layout->layer_counts = memory_array(layout->layer_count + 1, sizeof *layout->layer_counts);
	for (size_t i = 0; i < layout->count; i++)
		layout->layer_counts[layout->items[i].layer]++;
	for (size_t l = 0; l < layout->layer_count; l++) {
		layout->layers[l] = memory_array(layout->layer_counts[l] + 1, sizeof **layout->layers);
		layout->layer_counts[l] = 0;
	}
	for (size_t i = 0; i < layout->count; i++) {
		struct graph_item *item = &layout->items[i];
		item->place = layout->layer_counts[item->layer]++;
		layout->layers[item->layer][item->place] = i;
	}
}

/* order ---------------------------------------------------------------------------------------------------------- */

struct wish {
	size_t item;
	double at;
};

static int by_wish(const void *left, const void *right) {
	const struct wish *a = left, *b = right;
	if (a->at < b->at || a->at > b->at)
		return a->at < b->at ? -1 : 1;
	return (a->item > b->item) - (a->item < b->item);
}

static double mean_place(const struct graph_layout *layout, const size_t *neighbours, size_t count, double fallback) {
	double sum = 0;
	for (size_t i = 0; i < count; i++)
		sum += (double)layout->items[neighbours[i]].place;
	return count > 0 ? sum / (double)count : fallback;
}

static void order_layer(struct graph_layout *layout, size_t layer, bool by_before) {
	size_t count = layout->layer_counts[layer];
	struct wish *wishes = memory_array(count + 1, sizeof *wishes);
	for (size_t i = 0; i < count; i++) {
		const struct graph_item *item = &layout->items[layout->layers[layer][i]];
		wishes[i].item = layout->layers[layer][i];
		wishes[i].at = by_before ? mean_place(layout, item->before, item->before_count, (double)i)
		                         : mean_place(layout, item->after, item->after_count, (double)i);
	}
	qsort(wishes, count, sizeof *wishes, by_wish);
	for (size_t i = 0; i < count; i++) {
		layout->layers[layer][i] = wishes[i].item;
		layout->items[wishes[i].item].place = i;
	}
	free(wishes);
}

static void find_order(struct graph_layout *layout) {
	for (size_t sweep = 0; sweep < SWEEPS; sweep++)
		for (size_t i = 1; i < layout->layer_count; i++)
			if (sweep % 2 == 0)
				order_layer(layout, i, true);
			else
				order_layer(layout, layout->layer_count - 1 - i, false);
}

/* heights -------------------------------------------------------------------------------------------------------- */

/* A run of neighbours in a layer that stand as close as they may. */
struct run {
	double sum, weight; /* of the wishes, each less its offset */
	size_t count;
};

/* Of two neighbours in a layer: how far apart they have to be. */
static double apart(size_t tasks, size_t upper, size_t lower) {
	double a = upper < tasks ? 0.5 : point_room / 2, b = lower < tasks ? 0.5 : point_room / 2;
	return a + b;
}

/* The heights nearest to the wishes that keep order and distance: pools of adjacent violators. */
static void settle(struct graph_layout *layout, size_t tasks, size_t layer, const double *wishes) {
	size_t count = layout->layer_counts[layer], runs = 0;
	const size_t *order = layout->layers[layer];
	struct run *pool = memory_array(count + 1, sizeof *pool);
	double *offsets = memory_array(count + 1, sizeof *offsets);
	for (size_t i = 0; i < count; i++) {
		double weight = order[i] < tasks ? 1 : 2; /* long edges are the ones to be straight */
		offsets[i] = i > 0 ? offsets[i - 1] + apart(tasks, order[i - 1], order[i]) : 0;
		pool[runs++] = (struct run){ (wishes[i] - offsets[i]) * weight, weight, 1 };
		while (runs > 1 && pool[runs - 2].sum / pool[runs - 2].weight >= pool[runs - 1].sum / pool[runs - 1].weight) {
			pool[runs - 2].sum += pool[runs - 1].sum;
			pool[runs - 2].weight += pool[runs - 1].weight;
			pool[runs - 2].count += pool[runs - 1].count;
			runs--;
		}
	}
	for (size_t r = 0, i = 0; r < runs; r++)
		for (size_t k = 0; k < pool[r].count; k++, i++)
			layout->items[order[i]].y = pool[r].sum / pool[r].weight + offsets[i];
	free(pool);
	free(offsets);
}

static double mean_height(const struct graph_layout *layout, const struct graph_item *item, int side) {
	double sum = 0;
	size_t count = 0;
	for (size_t i = 0; side <= 0 && i < item->before_count; i++, count++)
		sum += layout->items[item->before[i]].y;
	for (size_t i = 0; side >= 0 && i < item->after_count; i++, count++)
		sum += layout->items[item->after[i]].y;
	return count > 0 ? sum / (double)count : item->y;
}

static void settle_layer(struct graph_layout *layout, size_t tasks, size_t layer, int side) {
	size_t count = layout->layer_counts[layer];
	double *wishes = memory_array(count + 1, sizeof *wishes);
	for (size_t i = 0; i < count; i++)
		wishes[i] = mean_height(layout, &layout->items[layout->layers[layer][i]], side);
	settle(layout, tasks, layer, wishes);
	free(wishes);
}

static void find_heights(struct graph_layout *layout, size_t tasks) {
	for (size_t i = 0; i < layout->count; i++)
		layout->items[i].y = (double)layout->items[i].place;
	for (size_t l = 0; l < layout->layer_count; l++)
		settle_layer(layout, tasks, l, -1);
	for (size_t turn = 0; turn < SETTLINGS; turn++)
		for (size_t i = 0; i < layout->layer_count; i++) {
			bool last = turn + 2 >= SETTLINGS;
			size_t layer = turn % 2 == 0 ? layout->layer_count - 1 - i : i;
			settle_layer(layout, tasks, layer, last ? 0 : turn % 2 == 0 ? 1 : -1);
		}
	double least = 0, most = 0;
	for (size_t i = 0; i < layout->count; i++) {
		least = i == 0 || layout->items[i].y < least ? layout->items[i].y : least;
		most = i == 0 || layout->items[i].y > most ? layout->items[i].y : most;
	}
	for (size_t i = 0; i < layout->count; i++)
		layout->items[i].y -= least;
	layout->height = most - least;
}

void graph_layout_make(struct graph_layout *layout, const struct plan *plan) {
	*layout = (struct graph_layout){ 0 };
	make_items(layout, plan);
	make_layers(layout);
	find_order(layout);
	find_heights(layout, plan->count);
}

void graph_layout_release(struct graph_layout *layout) {
	for (size_t i = 0; i < layout->count; i++) {
		free(layout->items[i].before);
		free(layout->items[i].after);
	}
	for (size_t l = 0; l < layout->layer_count; l++)
		free(layout->layers[l]);
	free(layout->layers);
	free(layout->layer_counts);
	free(layout->items);
	*layout = (struct graph_layout){ 0 };
}
