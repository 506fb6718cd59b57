/* What Redis does not know may be in the log all the same: Redis fell back to an older state, or exists twice. Before somebody
 * is told that there is no such thing, the log is asked where it ends, and Redis again, which has to know that entry. Only
 * refusals pay for it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "relay_inside.h"
#include "shared/base/memory.h"

struct proof {
	char *out;
	proof_done *done;
	void *context;
};

static void on_last_block(void *context, enum status status, uint64_t sequence, struct slice body) {
	struct proof *proof = context;
	struct record_entry entry;
	(void)sequence;
	proof->out[0] = '\0';
	if (status == STATUS_OK && record_last_entry(body, &entry))
		snprintf(proof->out, STATE_PROOF_BYTES, "%" PRId64 " %.*s", entry.last_seq, (int)entry.id.length,
		         entry.id.bytes);
	else if (status == STATUS_OK)
		status = STATUS_RETRY;
	else if (status == STATUS_REJECT)
		status = STATUS_OK; /* the log has nothing yet: every Redis has that */
	proof->done(proof->context, status);
	free(proof);
}

void proof_ask(struct partition *partition, char out[STATE_PROOF_BYTES], proof_done *done, void *context) {
	struct proof *proof = memory_new(sizeof(*proof));
	*proof = (struct proof){ out, done, context };
	stream_get_last(partition->scheduler->bus, partition->relay->stream, partition->relay->subject, on_last_block,
	                proof);
}

/* ---- for the dispatchers, which do not read the log ---- */

struct question {
	struct service_request *request;
	char proof[STATE_PROOF_BYTES];
};

static void on_asked(void *context, enum status status) {
	struct question *question = context;
	service_reply(question->request, status == STATUS_OK ? slice_of(question->proof) : SLICE(CODE_UNAVAILABLE));
	free(question);
}

void on_prove(struct service *service, struct service_request *request) {
	struct partition *partition = scheduler_partition_named(service_own(service), service_last_token(request));
	if (partition == NULL) {
		service_reply(request, SLICE(CODE_UNAVAILABLE));
		return;
	}
	struct question *question = memory_new(sizeof(*question));
	question->request = request;
	proof_ask(partition, question->proof, on_asked, question);
}
