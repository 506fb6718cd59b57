/* Entries that this dispatcher appends to the log itself. Of a call whose entry follows the log's last one, the script says that
 * entry back, and marks it in the outbox: the relay leaves it to us, and appends it only when nothing is heard of it. So a worker
 * who is alone waits for one process less. What may be appended where is for JetStream to decide, as with the relay: behind the
 * entry's predecessor, by its place and its name, or not at all. */
#include <inttypes.h>
#include <stdio.h>

#include "dispatcher.h"
#include "shared/base/teeth.h"
#include "shared/bus/stream.h"
#include "shared/state/packed.h"

enum { PAUSE_US = 10000000 }; /* after one that the relay had to append: NATS may not let us */

static void end_is_unknown(struct log_end *end) {
	end->id[0] = '\0';
}

/* Ours is refused, or something else has come to the log after ours was sent. */
static void look_for_own(struct partition *partition, bool appended) {
	struct log_end *end = &partition->end;
	if (end->own[0] != '\0' && !appended)
		end->paused_until_us = loop_now(partition->dispatcher->loop) + PAUSE_US;
	end->own[0] = '\0';
}

/* Of refusals ours alone says something. A large block is not heard of: the script sees that the end is another one. */
void direct_heard(struct partition *partition, struct slice mark, const struct log_answer *answer) {
	struct log_end *end = &partition->end;
	uint64_t sequence = 0;
	struct slice id = { NULL, 0 };
	bool appended = log_ear_read_mark(mark, &sequence, &id), is_own = slice_is(answer->block, end->own);
	if (!appended && !is_own)
		return;
	look_for_own(partition, is_own && appended);
	end_is_unknown(end);
	if (!appended)
		return;
	slice_fit(end->id, sizeof(end->id), id);
	slice_fit(end->block, sizeof(end->block), answer->block);
	end->sequence = sequence;
}

const char *direct_end(const struct partition *partition) {
	const struct dispatcher *dispatcher = partition->dispatcher;
	const struct log_end *end = &partition->end;
	bool may = loop_now(dispatcher->loop) >= end->paused_until_us && bus_connected(service_bus(dispatcher->service));
	return may ? end->id : "";
}

static void append(struct partition *partition, const struct outbox_header *header, struct slice body) {
	struct dispatcher *dispatcher = partition->dispatcher;
	struct log_end *end = &partition->end;
	struct bus *bus = service_bus(dispatcher->service);
	struct text answer = { 0 };
	char epoch[STATE_EPOCH_BYTES];
	slice_fit(epoch, sizeof(epoch), header->epoch);
	snprintf(end->own, sizeof(end->own), "%s-%" PRIu64, dispatcher->run, ++dispatcher->run_blocks);
	struct log_block named = { partition->index, epoch, header->last_seq, end->own };
	log_ear_add_answer(&answer, dispatcher->settings->common.prefix, &named, header->id);
	stream_append_heard(bus,
	                    service_full_subject(dispatcher->service, "internal.log.%lld", (long long)partition->index),
	                    end->sequence, end->own, end->block, answer.bytes, body);
	bus_send_now(bus); /* the log works on it while the reply is made */
	text_release(&answer);
	++*dispatcher->appended;
}

void direct_append(struct partition *partition, const struct kv_reply *fields) {
	struct outbox_header header;
	struct text body = { 0 };
	if (!outbox_is_direct(fields) || !outbox_read_header(fields, &header))
		return;
	bool follows = slice_is(header.previous, partition->end.id) || teeth_without("predecessor");
	if (follows && outbox_add_entry(&body, &header, fields))
		append(partition, &header, (struct slice){ body.bytes, body.length });
	end_is_unknown(&partition->end); /* until an answer says it */
	text_release(&body);
}
