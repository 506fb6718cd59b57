/* The record that admits a task, written and read back, and the hash that tells whether two bodies are the same. */
#include <endian.h>
#include <string.h>

#include "hash.h"
#include "task.h"

/* Edges are a set: their hashes are added up, so that their order does not matter. */
static uint64_t hash_dependencies(const struct task *task) {
	uint64_t sum = 0;
	struct slice rest = task->dependency_list;
	while (rest.length > 0)
		sum += hash_fixed(slice_cut(&rest, ','), 0);
	return sum;
}

uint64_t task_hash(const struct task *task) {
	uint64_t numbers[] = {
		htole64((uint64_t)task->priority),
		htole64((uint64_t)task->max_retries),
		htole64((uint64_t)task->timeout_us),
		htole64((uint64_t)task->not_before_us),
		htole64((uint64_t)task->concurrency_limit),
		htole64((uint64_t)task->on_dependency_failure),
		htole64((uint64_t)task->hold),
		htole64(hash_dependencies(task)),
	};
	uint64_t hash = hash_fixed((struct slice){ (const char *)numbers, sizeof(numbers) }, 0);
	hash = hash_fixed(task->task_type, hash);
	hash = hash_fixed(task->service_name, hash);
	hash = hash_fixed(task->estimated_duration, hash);
	hash = hash_fixed(task->backoff, hash);
	hash = hash_fixed(task->concurrency_key, hash);
	return hash_fixed(task->execution_context, hash);
}

static void write_hex(uint64_t value, char out[16]) {
	for (int i = 15; i >= 0; i--, value >>= 4)
		out[i] = "0123456789abcdef"[value & 15];
}

void task_add_record(struct text *out, const struct task *task, struct slice traceparent) {
	char hash[16];
	char flags[3];
	size_t flag_count = 0;
	if (task->hold)
		flags[flag_count++] = 'h';
	flags[flag_count++] = task->on_dependency_failure;
	if (task->fresh_id)
		flags[flag_count++] = 'g';
	write_hex(task_hash(task), hash);
	text_add_slice(out, task->task_id);
	text_add_char(out, RECORD_US);
	text_add_slice(out, task->task_type);
	text_add_char(out, RECORD_US);
	text_add_int(out, task->priority);
	text_add_char(out, RECORD_US);
	record_add_specification(out, &(struct specification){
									  .flags = { flags, flag_count },
									  .max_retries = task->max_retries,
									  .timeout_us = task->timeout_us,
									  .not_before_us = task->not_before_us,
									  .backoff = task->backoff,
									  .concurrency_key = task->concurrency_key,
									  .concurrency_limit = task->concurrency_limit,
									  .hash = { hash, sizeof(hash) },
									  .service_name = task->service_name,
									  .estimated_duration = task->estimated_duration,
									  .traceparent = task->traceparent.length > 0 ? task->traceparent : traceparent,
									  .dependencies = task->dependency_list,
									  .execution_context = task->execution_context,
								  });
}

bool task_record_parse(struct slice record, struct task_record *out) {
	struct slice rest = record;
	out->task_id = slice_cut(&rest, RECORD_US);
	out->task_type = rest.bytes != NULL ? slice_cut(&rest, RECORD_US) : (struct slice){ NULL, 0 };
	if (rest.bytes == NULL)
		return false;
	out->priority = slice_int(slice_cut(&rest, RECORD_US), 0);
	out->specification_bytes = rest;
	return out->task_id.length > 0 && out->priority > 0 && record_parse_specification(rest, &out->specification);
}
