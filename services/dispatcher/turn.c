/* The end of a turn of the loop: for each partition without a call under way, everything that has gathered goes into one.
 * An idle system sends at once; under load the calls fill themselves. */
#include <stdio.h>
#include <stdlib.h>

#include "call.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/state/packed.h"
#include "shared/task/record.h"

enum {
	SETTLE_WORDS = 6, /* of each settle in the script's arguments */
	LIGHT_ITEMS = 8,  /* of a call whose answers are near */
};

static void add_name(struct text *out, struct slice project, struct slice task_id) {
	text_add_slice(out, project);
	text_add_char(out, '/');
	text_add_slice(out, task_id);
}

/* The lease says which task it is of; the script looks whether it is the one that is named. */
static void add_settle_head(struct words *words, struct slice project, struct slice task_id, struct slice lease) {
	int64_t number = packed_lease_number(lease);
	if (number > 0)
		packed_add_member(&words->bytes, number);
	words_end(words);
	text_add_slice(&words->bytes, project);
	text_add_char(&words->bytes, RECORD_US);
	words_end(words);
	text_add_char(&words->bytes, RECORD_US);
	text_add_slice(&words->bytes, task_id);
	text_add_char(&words->bytes, RECORD_US);
	words_end(words);
	words_add(words, lease);
}

static void add_settle(struct words *words, const struct settle_item *item) {
	add_settle_head(words, item->project, item->task_id, item->lease);
	if (item->outcome == 'c') {
		words_add(words, SLICE("c"));
		text_add_char(&words->bytes, '=');
		text_add_slice(&words->bytes, item->task_id);
		text_add_char(&words->bytes, RECORD_US);
		words_add(words, item->result);
	} else if (item->outcome == 'f') {
		words_add(words, item->retryable ? SLICE("f") : SLICE("n"));
		words_add(words, item->error_message);
	} else {
		words_add(words, SLICE("r"));
		words_add(words, SLICE(""));
	}
}

static void add_settles(struct words *words, const struct part *part, const struct partition *partition) {
	const struct request *request = part->request;
	size_t left = part->saying;
	for (size_t i = 0; i < request->done_count && left > 0; i++) {
		if (!verdict_is_open(&request->verdicts[i], partition))
			continue;
		add_settle(words, &request->done[i]);
		left--;
	}
}

static void add_renewals(struct words *words, const struct part *part, const struct partition *partition) {
	const struct request *request = part->request;
	size_t left = part->saying;
	for (size_t i = 0; i < request->lease_count && left > 0; i++) {
		const struct renew_item *item = &request->leases[i];
		if (!verdict_is_open(&request->verdicts[i], partition))
			continue;
		left--;
		add_name(&words->bytes, item->project, item->task_id);
		text_add_char(&words->bytes, RECORD_US);
		text_add_slice(&words->bytes, item->lease);
		text_add_char(&words->bytes, RECORD_US);
		text_add_int(&words->bytes, request->lease_us);
		words_end(words);
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
	text_add_char(&words->bytes, RECORD_US);
	if (request->request_id.length > 0)
		request_add_name(&words->bytes, request);
	words_end(words);
}

/* Gathering ---------------------------------------------------------------------------------------------------------- */

/* How many open items one call takes: all, or as many as CALL_BYTES allow, and one at least. What a call settles is one
 * message of the log, as a request was one, but an event is longer than what a worker says to make it. */
static size_t weigh(const struct request *request, const struct partition *partition, size_t *bytes) {
	size_t items = 0;
	for (size_t i = 0; i < request->done_count; i++) {
		if (!verdict_is_open(&request->verdicts[i], partition))
			continue;
		size_t more = ITEM_BYTES + request->done[i].result.length + request->done[i].error_message.length;
		if (items > 0 && *bytes + more > CALL_BYTES)
			break;
		*bytes += more;
		items++;
	}
	for (size_t i = 0; i < request->lease_count; i++)
		items += verdict_is_open(&request->verdicts[i], partition);
	return items;
}

static void take_parts(struct partition *partition, struct call *call) {
	size_t items = 0, bytes = 0;
	while (partition->first != NULL && call->part_count < CALL_ITEMS) {
		struct part *part = partition->first;
		size_t part_bytes = 0;
		part->saying = weigh(part->request, partition, &part_bytes);
		items += part->saying;
		bytes += part_bytes;
		if (call->part_count > 0 && (items > CALL_ENOUGH || bytes > CALL_BYTES))
			break;
		call->parts[call->part_count++] = part;
		if ((partition->first = part->next) == NULL)
			partition->last = NULL;
		part->next = NULL;
	}
}

/* A worker that cannot be reached now gets nothing that would only expire. Nor does one that could not be told of it: nobody
 * hears of a lease before it is in the log. */
static bool may_lease(const struct partition *partition) {
	const struct dispatcher *dispatcher = partition->dispatcher;
	return !dispatcher->stopping && !partition->still && bus_connected(service_bus(dispatcher->service));
}

static void take_waiters(struct partition *partition, struct call *call) {
	struct match *match = partition->dispatcher->match;
	struct match_waiter *waiter;
	int64_t room = CALL_ITEMS, for_one_alone = CALL_ITEMS - CALL_ENOUGH;
	if (!may_lease(partition))
		return;
	match_begin(match, partition->index);
	while ((waiter = match_take(match, partition->index, &room)) != NULL) {
		call->waiters[call->waiter_count++] = waiter;
		room -= for_one_alone;
		for_one_alone = 0;
	}
	match_end(match, partition->index);
}

/* Each is "project US task_id US lease US holder" (request_release). */
static void add_releases(struct words *words, struct call *call) {
	struct slice rest = { call->releases.length > 0 ? call->releases.bytes : NULL, call->releases.length };
	while (rest.bytes != NULL) {
		struct slice holder = slice_cut(&rest, RECORD_RS);
		struct slice project = slice_cut(&holder, RECORD_US), task_id = slice_cut(&holder, RECORD_US);
		struct slice lease = slice_cut(&holder, RECORD_US);
		add_settle_head(words, project, task_id, lease);
		words_add(words, SLICE("u"));
		words_add(words, holder);
		call->release_count++;
	}
}

static void send_call(struct call *call, struct words *words) {
	struct partition *partition = call->partition;
	char counts[3][24];
	words_clear(words);
	add_releases(words, call);
	for (size_t i = 0; i < call->part_count; i++)
		add_settles(words, call->parts[i], partition);
	size_t settles = words->count / SETTLE_WORDS;
	for (size_t i = 0; i < call->part_count; i++)
		add_renewals(words, call->parts[i], partition);
	size_t renewals = words->count - SETTLE_WORDS * settles;
	int64_t asked = 0;
	for (size_t i = 0; i < call->waiter_count; i++) {
		add_wish(words, call->waiters[i]);
		asked += call->waiters[i]->ask;
	}
	partition->dispatcher->is_light = (int64_t)(settles + renewals) + asked <= LIGHT_ITEMS;
	snprintf(counts[0], sizeof(counts[0]), "%zu", settles);
	snprintf(counts[1], sizeof(counts[1]), "%zu", renewals);
	snprintf(counts[2], sizeof(counts[2]), "%zu", call->waiter_count);
	struct slice *arguments = memory_array(words->count + 5, sizeof(*arguments));
	for (size_t i = 0; i < 3; i++)
		arguments[i] = slice_of(counts[i]);
	arguments[3] = slice_of(partition->dispatcher->request_ttl);
	arguments[4] = slice_of(direct_end(partition));
	words_slices(words, arguments + 5);
	++*partition->dispatcher->scripts;
	const char *proof = "";
	for (size_t i = 0; i < call->part_count; i++)
		proof = state_newer_proof(proof, call->parts[i]->proof);
	state_call_proved(partition->state, proof, &state_script_work, arguments, words->count + 5, call_answered, call);
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
	       (may_lease(partition) && match_is_warm(partition->dispatcher->match, partition->index));
}

/* While the log takes nothing, workers wait as they do while Redis is away; settles and renewals go on. */
static void note_log(struct partition *partition) {
	bool still = marks_stand_still(partition->marks);
	if (still == partition->still)
		return;
	partition->still = still;
	match_set_down(partition->dispatcher->match, partition->index, still || partition->down);
	if (still)
		log_warn("work waits: the log takes nothing; see what the scheduler says of it", "partition",
		         log_int(partition->index), NULL);
	else
		log_info("the log goes on, and so does work", "partition", log_int(partition->index), NULL);
}

/* Each turn begins with another partition, so that none is always first. */
void turn_end(void *context) {
	struct dispatcher *dispatcher = context;
	int64_t now_us = loop_now(dispatcher->loop), count = dispatcher->partition_count;
	dispatcher->first_partition = (dispatcher->first_partition + 1) % count;
	for (int64_t i = 0; i < count; i++) {
		struct partition *partition = &dispatcher->partitions[(dispatcher->first_partition + i) % count];
		note_log(partition);
		if (has_work(partition) && may_call(partition, now_us))
			gather(partition);
	}
	/* A small call alone has its answers sooner than this process could fall asleep and be woken. */
	if (dispatcher->calls == 1 && dispatcher->is_light)
		loop_await(dispatcher->loop, dispatcher->settings->await_poll_us);
	tick_answer_waiting(dispatcher);
	tick_arm(dispatcher);
}
