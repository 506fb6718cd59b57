/* Means by type; see estimate.h. */
#include "estimate.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/memory.h"
#include "shared/base/table.h"

enum { UNKNOWN_US = 1000000 };

struct mean {
	int64_t sum_us, count;
};

struct estimates {
	struct table *means; /* by type */
	struct mean all;
};

struct estimates *estimates_open(void) {
	struct estimates *estimates = memory_new(sizeof(*estimates));
	*estimates = (struct estimates){ .means = table_open() };
	return estimates;
}

void estimates_close(struct estimates **estimates) {
	struct slice type;
	size_t at = 0;
	void *mean;
	while (table_next((*estimates)->means, &at, &type, &mean))
		free(mean);
	table_close(&(*estimates)->means);
	free(*estimates);
	*estimates = NULL;
}

int64_t estimate_us(struct slice estimated_duration) {
	char number[40];
	if (estimated_duration.length == 0 || estimated_duration.length >= sizeof(number))
		return -1;
	memcpy(number, estimated_duration.bytes, estimated_duration.length);
	number[estimated_duration.length] = '\0';
	return (int64_t)(strtod(number, NULL) * 1e6);
}

static void add_to_mean(struct mean *mean, int64_t takes_us) {
	mean->sum_us += takes_us;
	mean->count++;
}

void estimates_add(struct estimates *estimates, struct slice task_type, int64_t takes_us) {
	struct mean *mean = table_get(estimates->means, task_type);
	if (mean == NULL) {
		mean = memory_new(sizeof(*mean));
		table_put(estimates->means, task_type, mean);
	}
	add_to_mean(mean, takes_us);
	add_to_mean(&estimates->all, takes_us);
}

int64_t estimates_missing(const struct estimates *estimates, struct slice task_type) {
	const struct mean *mean = table_get(estimates->means, task_type);
	if (mean == NULL)
		mean = &estimates->all;
	return mean->count > 0 ? mean->sum_us / mean->count : UNKNOWN_US;
}
