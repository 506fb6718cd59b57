/* Calls of the state scripts: keys, entry ids, the head of each reply. Owns nothing that lasts. */
#include "state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/id.h"
#include "../base/memory.h"
#include "../base/teeth.h"
#include "../task/record.h"
#include "teeth_scripts.h"

struct state {
	struct kv *kv;
	int64_t partition;
	char prefix[16];
	char weight[24];
	char heard_epoch[STATE_EPOCH_BYTES];
	int64_t heard_seq;
};

struct pending_call {
	state_handler *handler;
	void *context;
	int64_t heard_seq; /* what the log was known to hold when the call was made, in this epoch */
	char heard_epoch[STATE_EPOCH_BYTES];
};

struct state *state_open(struct kv *kv, int64_t partition, int64_t us_per_point) {
	struct state *state = memory_new(sizeof(*state));
	teeth_scripts();
	state->kv = kv;
	state->partition = partition;
	snprintf(state->prefix, sizeof(state->prefix), "{p%" PRId64 "}:", partition);
	snprintf(state->weight, sizeof(state->weight), "%" PRId64, us_per_point);
	return state;
}

void state_close(struct state **state) {
	free(*state);
	*state = NULL;
}

struct kv *state_kv(struct state *state) {
	return state->kv;
}

int64_t state_partition(const struct state *state) {
	return state->partition;
}

const char *state_prefix(const struct state *state) {
	return state->prefix;
}

int64_t state_partition_of(struct slice project, int64_t partitions) {
	return (int64_t)(id_hash(project) % (uint64_t)partitions);
}

static bool parse_head(struct slice bytes, struct state_head *head) {
	struct slice f[6], rest = bytes;
	for (size_t i = 0; i < 6; i++) {
		if (rest.bytes == NULL)
			return false;
		f[i] = slice_cut(&rest, RECORD_US);
	}
	slice_fit(head->epoch, sizeof(head->epoch), f[0]);
	slice_fit(head->wait, sizeof(head->wait), f[1]);
	head->seq = slice_int(f[2], 0);
	head->more = slice_is(f[3], "1");
	head->now_us = slice_int(f[4], 0);
	head->woken = f[5];
	return true;
}

void state_heard(struct state *state, struct slice epoch, int64_t seq) {
	if (slice_is(epoch, state->heard_epoch)) {
		if (seq > state->heard_seq)
			state->heard_seq = seq;
		return;
	}
	slice_fit(state->heard_epoch, sizeof(state->heard_epoch), epoch);
	state->heard_seq = seq;
}

static bool is_behind(const struct pending_call *call, const struct state_head *head) {
	return !teeth_without("notice-behind") && head->seq < call->heard_seq &&
	       strcmp(head->epoch, call->heard_epoch) == 0;
}

static void not_ready(struct pending_call *call, const char *why) {
	struct error problem = { 0 };
	fail(&problem, STATUS_RETRY, "%s", why);
	snprintf(problem.code, sizeof(problem.code), "notready");
	call->handler(call->context, STATUS_RETRY, NULL, NULL, &problem);
}

static void on_reply(void *context, enum status status, const struct kv_reply *reply, const struct error *err) {
	struct pending_call *call = context;
	struct state_head head = { 0 };
	struct error problem = { 0 };
	if (status != STATUS_OK) {
		problem = *err;
		snprintf(problem.code, sizeof(problem.code), "%s", status == STATUS_RETRY ? "unavailable" : "internal");
		call->handler(call->context, status, NULL, NULL, &problem);
	} else if (slice_is(kv_text(kv_at(reply, 0)), "notready") && kv_count(reply) == 1) {
		not_ready(call, "Redis holds no state yet: it is being rebuilt");
	} else {
		/* load.lua alone says notready and a verdict: it works where there is no head. */
		bool has_head = parse_head(kv_text(kv_at(reply, 0)), &head);
		must(has_head || slice_is(kv_text(kv_at(reply, 0)), "notready"));
		if (has_head && is_behind(call, &head))
			not_ready(call, "Redis is behind the log: it will be rebuilt");
		else
			call->handler(call->context, STATUS_OK, &head, reply, NULL);
	}
	free(call);
}

/* 24 characters that nobody else makes: 96 random bits, from the system's generator. */
static void make_entry_id(char out[STATE_ENTRY_ID_BYTES]) {
	snprintf(out, STATE_ENTRY_ID_BYTES, "%016" PRIx64 "%08" PRIx64, id_random(), id_random() >> 32);
}

const char *state_newer_proof(const char *a, const char *b) {
	return strtoll(a, NULL, 10) >= strtoll(b, NULL, 10) ? a : b;
}

void state_call(struct state *state, struct kv_script *script, const struct slice *arguments, size_t count,
                state_handler *handler, void *context) {
	state_call_proved(state, "", script, arguments, count, handler, context);
}

void state_call_proved(struct state *state, const char *proof, struct kv_script *script, const struct slice *arguments,
                       size_t count, state_handler *handler, void *context) {
	char entry_id[STATE_ENTRY_ID_BYTES], weight[sizeof(state->weight) + STATE_PROOF_BYTES];
	make_entry_id(entry_id);
	struct slice *all = memory_array(count + 2, sizeof(*all));
	all[0] = slice_of(entry_id);
	all[1] = slice_of(state->weight);
	if (proof[0] != '\0') {
		snprintf(weight, sizeof(weight), "%s %s", state->weight, proof);
		all[1] = slice_of(weight);
	}
	if (count > 0)
		memcpy(all + 2, arguments, count * sizeof(*all));
	struct pending_call *call = memory_new(sizeof(*call));
	*call = (struct pending_call){ .handler = handler, .context = context, .heard_seq = state->heard_seq };
	memcpy(call->heard_epoch, state->heard_epoch, sizeof(call->heard_epoch));
	struct slice key = slice_of(state->prefix);
	kv_script(state->kv, script, &key, 1, all, count + 2, on_reply, call);
	free(all);
}
