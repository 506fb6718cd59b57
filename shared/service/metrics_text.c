/* Families, labels, histograms. */
#include "metrics_text.h"

static const int64_t bounds_us[HISTOGRAM_BOUNDS] = {
	500,     1500,     5000,     15000,     50000,     150000,     500000,     1500000,
	5000000, 15000000, 60000000, 180000000, 600000000, 1800000000, 7200000000, 86400000000,
};

void metrics_head(struct text *out, const char *name, const char *type, const char *help) {
	text_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metrics_label(struct text *out, const char *name, struct slice value) {
	text_printf(out, "%s=\"", name);
	for (size_t i = 0; i < value.length; i++) {
		char c = value.bytes[i];
		if (c == '\n')
			text_add(out, "\\n");
		else if (c == '"' || c == '\\')
			text_printf(out, "\\%c", c);
		else
			text_add_char(out, c);
	}
	text_add_char(out, '"');
}

void metrics_number(struct text *out, const char *name, const char *type, const char *help, double value) {
	metrics_head(out, name, type, help);
	text_printf(out, "%s %.17g\n", name, value);
}

void histogram_add(struct histogram *histogram, int64_t took_us) {
	size_t bucket = 0;
	took_us = took_us > 0 ? took_us : 0;
	while (bucket < HISTOGRAM_BOUNDS && took_us > bounds_us[bucket])
		bucket++;
	histogram->counts[bucket]++;
	histogram->sum_us += (uint64_t)took_us;
}

void histogram_add_series(struct text *out, const char *name, const char *labels, const struct histogram *histogram) {
	const char *comma = labels[0] != '\0' ? "," : "", *open = labels[0] != '\0' ? "{" : "", *close = open[0] ? "}" : "";
	uint64_t below = 0;
	for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
		below += histogram->counts[i];
		text_printf(out, "%s_bucket{%s%sle=\"%g\"} %llu\n", name, labels, comma, (double)bounds_us[i] / 1e6,
		            (unsigned long long)below);
	}
	below += histogram->counts[HISTOGRAM_BOUNDS];
	text_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", name, labels, comma, (unsigned long long)below);
	text_printf(out, "%s_sum%s%s%s %.6f\n", name, open, labels, close, (double)histogram->sum_us / 1e6);
	text_printf(out, "%s_count%s%s%s %llu\n", name, open, labels, close, (unsigned long long)below);
}
