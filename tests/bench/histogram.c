#include "histogram.h"

enum { BITS = 5 };

void histogram_add(struct histogram *histogram, int64_t us) {
	uint64_t value = us > 0 ? (uint64_t)us : 0;
	int log2 = value > 0 ? 63 - __builtin_clzll(value) : 0;
	int shift = log2 > BITS ? log2 - BITS : 0;
	uint64_t bin = ((uint64_t)shift << BITS) + (value >> shift);
	histogram->counts[bin < HISTOGRAM_BINS ? bin : HISTOGRAM_BINS - 1]++;
	histogram->total++;
}

static double middle(int64_t bin) {
	if (bin < 2 << BITS)
		return (double)bin;
	int64_t shift = (bin >> BITS) - 1;
	int64_t low = (bin - (shift << BITS)) << shift;
	return (double)low + (double)(((int64_t)1 << shift) - 1) / 2;
}

void histogram_json(const struct histogram *histogram, struct text *out) {
	text_add_char(out, '[');
	bool first = true;
	for (int64_t bin = 0; bin < HISTOGRAM_BINS; bin++) {
		if (histogram->counts[bin] == 0)
			continue;
		text_printf(out, "%s[%.1f,%lld]", first ? "" : ",", middle(bin), (long long)histogram->counts[bin]);
		first = false;
	}
	text_add_char(out, ']');
}
