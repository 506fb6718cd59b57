/* Connections and what becomes of what they carry. */
#include <stdlib.h>
#include <string.h>

#include "servers.h"
#include "shared/base/memory.h"

struct servers servers;

static int64_t latency_us(void) {
	uint32_t kind = world_draw(100);
	return kind < 80 ? 20 + world_draw(200) : kind < 98 ? 100 + world_draw(2000) : 1000 + world_draw(20000);
}

static int64_t lateness_us(void) {
	return world_fault(FAULT_LATE) ? 10000 + world_draw(world_draw(3) ? 300000 : 4000000) : 0;
}

enum fate line_send(struct line *line, int64_t *arrives_us) {
	struct process *process = line->process;
	bool sent = true;
	if (process->dying)
		return FATE_REQUEST_LOST;
	if (process->kind < PROCESS_CLIENT && world_fault(FAULT_LAST_CALL)) {
		process_kill(process, 0);
		sent = world_draw(2) == 0;
	}
	int64_t at = world.now_us + latency_us() + lateness_us();
	line->out_us = at > line->out_us ? at : line->out_us + 1;
	*arrives_us = line->out_us;
	if (!sent || world_fault(FAULT_REQUEST_LOST))
		return FATE_REQUEST_LOST;
	return world_fault(FAULT_REPLY_LOST) ? FATE_REPLY_LOST : FATE_ARRIVES;
}

int64_t line_answer(struct line *line) {
	int64_t at = world.now_us + latency_us() + lateness_us();
	line->in_us = at > line->in_us ? at : line->in_us + 1;
	return line->in_us;
}

bool line_is(const struct line *line, const struct process *process, uint64_t life, uint64_t number) {
	return process_is(process, life) && line->number == number;
}

struct slice copy_for_world(struct slice bytes) {
	struct arena *arena = arena_use(NULL);
	char *copy = memory_copy(bytes.bytes ? bytes.bytes : "", bytes.length);
	arena_use(arena);
	return (struct slice){ copy, bytes.length };
}

void free_copy(struct slice bytes) {
	free((char *)(uintptr_t)bytes.bytes);
}
