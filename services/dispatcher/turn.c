/* The end of a turn of the loop: for each partition without a call under way, everything that has gathered goes into one.
 * An idle system sends at once; under load the calls fill themselves. */
#include <stdio.h>
#include <stdlib.h>

#include "call.h"
#include "shared/base/memory.h"
#include "shared/task/record.h"

enum { SETTLE_WORDS = 4 }; /* of each settle in the script's arguments */

static void end_word(struct words *words) {
	if (words->count == words->room) {
		words->room = words->room > 0 ? 2 * words->room : 64;
		words->ends = memory_resize(words->ends, words->room, sizeof(*words->ends));
	}
	words->ends[words->count++] = words->bytes.length;
}

static void add_name(struct text *out, struct slice project, struct slice task_id) {
	text_add_slice(out, project);
	text_add_char(out, '/');
	text_add_slice(out, task_id);
}

static const char *outcome_word(const struct settle_item *item) {
	if (item->outcome == 'f')
		return item->retryable ? "failed" : "final";
	return item->outcome == 'c' ? "completed" : "released";
}

static void add_word(struct words *words, struct slice word) {
	text_add_slice(&words->bytes, word);
	end_word(words);
}

/* Four words. */
static void add_settle(struct words *words, const struct settle_item *item) {
	add_name(&words->bytes, item->project, item->task_id);
	end_word(words);
	add_word(words, item->lease);
	add_word(words, slice_of(outcome_word(item)));
	add_word(words, item->outcome == 'c' ? item->result : (item->outcome == 'f' ? item->error_message : SLICE("")));
}

static void add_settles(struct words *words, const struct request *request, int64_t partition) {
	for (size_t i = 0; i < request->done_count; i++) {
		if (request->verdicts[i].partition != partition)
			continue;
		add_settle(words, &request->done[i]);
	}
}

static void add_renewals(struct words *words, const struct request *request, int64_t partition) {
	for (size_t i = 0; i < request->lease_count; i++) {
		const struct renew_item *item = &request->leases[i];
		if (request->verdicts[i].partition != partition)
			continue;
		add_name(&words->bytes, item->project, item->task_id);
		text_add_char(&words->bytes, RECORD_US);
		text_add_slice(&words->bytes, item->lease);
		text_add_char(&words->bytes, RECORD_US);
		text_add_int(&words->bytes, request->lease_us);
		end_word(words);
	}
}

static void add_wish(struct words *words, struct match_waiter *waiter) {
	const struct request *request = request_of(waiter);
	text_add(&words->bytes, match_type_name(waiter));
	text_add_char(&words->bytes, RECORD_US);
	text_add_slice(&words->bytes, request->worker);
	text_add_char(&words->bytes, RECORD_US);
	text_add_int(&words->bytes, waiter->ask);
	text_add_char(&words->bytes, RECORD_US);
	text_add_int(&words->bytes, request->lease_us);
	text_add_char(&words->bytes, RECORD_US);
	text_add_slice(&words->bytes, request->request_id);
	end_word(words);
}

/* Gathering ---------------------------------------------------------------------------------------------------------- */

static size_t weigh(const struct request *request, int64_t partition, size_t *bytes) {
	size_t items = 0;
	for (size_t i = 0; i < request->done_count; i++) {
		if (request->verdicts[i].partition == partition) {
			items++;
			*bytes += 320 + request->done[i].result.length + request->done[i].error_message.length;
		}
	}
	for (size_t i = 0; i < request->lease_count; i++)
		items += request->verdicts[i].partition == partition;
	return items;
}

static void take_parts(struct partition *partition, struct call *call) {
	size_t items = 0, bytes = 0;
	while (partition->first != NULL && call->part_count < CALL_ITEMS) {
		struct part *part = partition->first;
		items += weigh(part->request, partition->index, &bytes);
		if (call->part_count > 0 && (items > CALL_ITEMS || bytes > CALL_BYTES))
			break;
		call->parts[call->part_count++] = part;
		if ((partition->first = part->next) == NULL)
			partition->last = NULL;
		part->next = NULL;
	}
}

static void take_waiters(struct partition *partition, struct call *call) {
	struct match *match = partition->dispatcher->match;
	struct match_waiter *waiter;
	int64_t room = CALL_ITEMS;
	/* A worker that cannot be reached now gets nothing that would only expire. */
	if (partition->dispatcher->stopping || !bus_connected(service_bus(partition->dispatcher->service)))
		return;
	match_begin(match, partition->index);
	while ((waiter = match_take(match, partition->index, &room)) != NULL)
		call->waiters[call->waiter_count++] = waiter;
	match_end(match, partition->index);
}

/* Each is "project/task_id US lease" (release_later). */
static void add_releases(struct words *words, struct call *call) {
	struct slice rest = { call->releases.length > 0 ? call->releases.bytes : NULL, call->releases.length };
	while (rest.bytes != NULL) {
		struct slice lease = slice_cut(&rest, RECORD_RS);
		add_word(words, slice_cut(&lease, RECORD_US));
		add_word(words, lease);
		add_word(words, SLICE("released"));
		add_word(words, SLICE(""));
		call->release_count++;
	}
}

static void send_call(struct call *call, struct words *words) {
	struct partition *partition = call->partition;
	char counts[3][24];
	words->count = 0;
	text_clear(&words->bytes);
	add_releases(words, call);
	for (size_t i = 0; i < call->part_count; i++)
		add_settles(words, call->parts[i]->request, partition->index);
	size_t settles = words->count / SETTLE_WORDS;
	for (size_t i = 0; i < call->part_count; i++)
		add_renewals(words, call->parts[i]->request, partition->index);
	size_t renewals = words->count - SETTLE_WORDS * settles;
	for (size_t i = 0; i < call->waiter_count; i++)
		add_wish(words, call->waiters[i]);
	snprintf(counts[0], sizeof(counts[0]), "%zu", settles);
	snprintf(counts[1], sizeof(counts[1]), "%zu", renewals);
	snprintf(counts[2], sizeof(counts[2]), "%zu", call->waiter_count);
	struct slice *arguments = memory_array(words->count + 4, sizeof(*arguments));
	for (size_t i = 0; i < 3; i++)
		arguments[i] = slice_of(counts[i]);
	arguments[3] = slice_of(partition->dispatcher->request_ttl);
	for (size_t i = 0, start = 0; i < words->count; start = words->ends[i++])
		arguments[4 + i] = (struct slice){ words->bytes.bytes + start, words->ends[i] - start };
	++*partition->dispatcher->scripts;
	state_call(partition->state, &state_script_work, arguments, words->count + 4, call_answered, call);
	free(arguments);
}

static bool may_call(struct partition *partition, int64_t now_us) {
	if (partition->call != NULL || (partition->down && now_us < partition->retry_us))
		return false;
	if (kv_connected(state_kv(partition->state)))
		return true;
	partition_down(partition, "Redis is not connected");
	return false;
}

static void gather(struct partition *partition) {
	struct call *call = memory_new(sizeof(*call));
	call->partition = partition;
	take_parts(partition, call);
	take_waiters(partition, call);
	call->releases = partition->releases;
	partition->releases = (struct text){ 0 };
	/* A partition that is down is asked for nothing, to see whether it is back. */
	if (call->part_count + call->waiter_count + call->releases.length == 0 && !partition->down) {
		text_release(&call->releases);
		free(call);
		return;
	}
	partition->call = call;
	partition->dispatcher->calls++;
	send_call(call, &partition->dispatcher->words);
}

static bool has_work(const struct partition *partition) {
	return partition->first != NULL || partition->releases.length > 0 || partition->down ||
	       match_is_warm(partition->dispatcher->match, partition->index);
}

/* Each turn begins with another partition, so that none is always first. */
void turn_end(void *context) {
	struct dispatcher *dispatcher = context;
	int64_t now_us = loop_now(dispatcher->loop), count = dispatcher->partition_count;
	dispatcher->first_partition = (dispatcher->first_partition + 1) % count;
	for (int64_t i = 0; i < count; i++) {
		struct partition *partition = &dispatcher->partitions[(dispatcher->first_partition + i) % count];
		if (has_work(partition) && may_call(partition, now_us))
			gather(partition);
	}
	tick_answer_waiting(dispatcher);
	tick_arm(dispatcher);
}
