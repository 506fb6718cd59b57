/* Terms of a score; see score.h. */
#include "score.h"

#include <math.h>

static double at_least_zero(double value) {
	return value > 0 ? value : 0;
}

double score_order_term(struct slice order, int64_t dependency_count) {
	return order.length > 0 ? (double)slice_int(order, 0) / 100 : at_least_zero(10 - (double)dependency_count);
}

struct score score_of(int64_t now_us, int64_t ready_at_us, int64_t priority, int64_t dependency_count,
                      struct slice order, int64_t retry_count, double hour_weight) {
	double waited_us = ready_at_us > 0 ? at_least_zero((double)(now_us - ready_at_us)) : 0;
	return (struct score){
		.priority = (double)priority * 100,
		.waiting_hours = waited_us / 3600e6 * hour_weight,
		.dependencies = order.length > 0 ? 0 : score_order_term(order, dependency_count),
		.order = order.length > 0 ? score_order_term(order, dependency_count) : 0,
		.retries = at_least_zero(5 - (double)retry_count),
	};
}

double score_sum(const struct score *score) {
	return score->priority + score->waiting_hours + score->dependencies + score->order + score->retries;
}

void score_add_number(struct text *out, double value) {
	if (!isfinite(value)) {
		text_add(out, "null");
		return;
	}
	text_printf(out, "%.6f", value);
	while (out->bytes[out->length - 1] == '0')
		out->bytes[--out->length] = '\0';
	if (out->bytes[out->length - 1] == '.')
		out->bytes[--out->length] = '\0';
}

void score_add_json(struct text *out, const struct score *score) {
	text_add(out, "\"score\":");
	score_add_number(out, score_sum(score));
	text_add(out, ",\"terms\":{\"priority\":");
	score_add_number(out, score->priority);
	text_add(out, ",\"waiting_hours\":");
	score_add_number(out, score->waiting_hours);
	text_add(out, ",\"dependencies\":");
	score_add_number(out, score->dependencies);
	text_add(out, ",\"order\":");
	score_add_number(out, score->order);
	text_add(out, ",\"retries\":");
	score_add_number(out, score->retries);
	text_add_char(out, '}');
}
