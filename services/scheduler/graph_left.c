/* What another scheduler left unfinished: a decided graph is finished, reserved ids are given back. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "graph_inside.h"
#include "shared/base/log.h"

enum { ADOPT_TICKS = 15, ORPHAN_US = 30000000 };

static bool is_ours(const struct graphs *graphs, struct slice token) {
	for (const struct graph *graph = graphs->first; graph != NULL; graph = graph->next)
		if (slice_is(token, graph->token))
			return true;
	return false;
}

static void adopt(struct partition *partition, struct slice token, struct slice value) {
	struct slice project = slice_cut(&value, RECORD_US);
	struct slice batch_id = slice_cut(&value, RECORD_US);
	struct text header = { 0 };
	text_add_slice(&header, token);
	text_add_char(&header, RECORD_US);
	text_add_slice(&header, value);
	struct graph *graph = graph_start(partition, project, batch_id, (struct slice){ header.bytes, header.length });
	text_release(&header);
	graph->decided = true;
	log_info("finishing a large graph that was left", "batch", graph->batch_id, NULL);
	graph_step_is(graph, GRAPH_PLACE);
}

static void on_unfinished(void *context, enum status status, const struct kv_reply *reply, const struct error *err) {
	struct partition *partition = context;
	struct graphs *graphs = partition->graphs;
	(void)err;
	graphs->asking = false;
	if (status != STATUS_OK || kv_count(reply) < 2) {
		graphs->seen_ticks = 0;
		return;
	}
	for (size_t i = 0; i + 1 < kv_count(reply); i += 2) {
		struct slice token = kv_text(kv_at(reply, i));
		if (is_ours(graphs, token))
			continue;
		if (!slice_is(token, graphs->seen)) {
			snprintf(graphs->seen, sizeof(graphs->seen), "%.*s", (int)token.length, token.bytes);
			graphs->seen_ticks = 0;
		} else if (++graphs->seen_ticks >= ADOPT_TICKS) {
			graphs->seen_ticks = 0;
			adopt(partition, token, kv_text(kv_at(reply, i + 1)));
		}
		return;
	}
}

/* Ids that a scheduler reserved and neither took nor gave back before it died, by the clock that was there when it did. */
static void on_reserved(void *context, enum status status, const struct kv_reply *reply, const struct error *err) {
	struct partition *partition = context;
	(void)err;
	for (size_t i = 0; status == STATUS_OK && i + 1 < kv_count(reply); i += 2) {
		struct slice token = kv_text(kv_at(reply, i)), value = kv_text(kv_at(reply, i + 1));
		struct slice project = slice_cut(&value, RECORD_US);
		struct slice batch_id = value.bytes != NULL ? slice_cut(&value, RECORD_US) : (struct slice){ 0 };
		if (is_ours(partition->graphs, token) || partition->now_us - slice_int(value, INT64_MAX / 2) < ORPHAN_US)
			continue;
		struct graph *graph = graph_start(partition, project, batch_id, token);
		graph->slices = INT64_MAX;
		log_info("giving back the ids of a large graph that was left", "batch", graph->batch_id, NULL);
		graph_step_is(graph, GRAPH_UNDO);
		return;
	}
}

void graph_tick(struct partition *partition) {
	if (partition->graphs->asking)
		return;
	char key[32], reserved_key[32];
	snprintf(reserved_key, sizeof(reserved_key), "%srs", state_prefix(partition->state));
	struct slice ask[] = { SLICE("HGETALL"), slice_of(reserved_key) };
	kv_command(state_kv(partition->state), ask, 2, 0, on_reserved, partition);
	snprintf(key, sizeof(key), "%sab", state_prefix(partition->state));
	struct slice words[] = { SLICE("HGETALL"), slice_of(key) };
	partition->graphs->asking = true;
	kv_command(state_kv(partition->state), words, 2, 0, on_unfinished, partition);
}
