/* Rings of seconds. */
#include "top.h"

enum { OVER_S = 5 };

const char *const top_rate_words[TOP_RATES] = { "in", "started", "done", "failed" };

void top_rates_add(struct top_rates *rates, int64_t second, enum top_rate rate) {
	int64_t passed = second - rates->second;
	for (int64_t i = 1; i <= passed && i <= TOP_HISTORY_S; i++)
		for (size_t r = 0; r < TOP_RATES; r++)
			rates->counts[r][(rates->second + i) % TOP_HISTORY_S] = 0;
	if (passed > 0)
		rates->second = second;
	if (passed > -TOP_HISTORY_S)
		rates->counts[rate][second % TOP_HISTORY_S]++;
}

uint32_t top_rates_at(const struct top_rates *rates, int64_t now_s, enum top_rate rate, int64_t ago_s) {
	int64_t second = now_s - ago_s;
	if (second > rates->second || second <= rates->second - TOP_HISTORY_S || second < 0)
		return 0;
	return rates->counts[rate][second % TOP_HISTORY_S];
}

double top_rates_per_s(const struct top_rates *rates, int64_t now_s, int64_t since_s, enum top_rate rate) {
	int64_t seconds = now_s - since_s;
	uint64_t sum = 0;
	seconds = seconds > OVER_S ? OVER_S : seconds < 1 ? 1 : seconds;
	for (int64_t ago = 1; ago <= seconds; ago++)
		sum += top_rates_at(rates, now_s, rate, ago);
	return (double)sum / (double)seconds;
}
