/* A settle or a renewal that Redis refuses may be right all the same: Redis fell back to an older state, or exists twice.
 * Before the worker is told, a scheduler is asked where the log ends, and Redis once more, which has to know that entry.
 * Only refusals pay for it; one question at a time serves all that wait. */
#include <stdio.h>

#include "dispatcher.h"
#include "shared/base/teeth.h"
#include "subjects/subjects.h"

enum { PROOF_MS = 2000 };

static void ask(struct partition *partition);

static void go_on(struct partition *partition, struct part *part, const struct bus_message *message) {
	if (message == NULL || slice_is(message->body, CODE_UNAVAILABLE)) {
		request_unpin(part->request, STATUS_RETRY,
		              "where the log ends could not be found out: repeat with the same ids");
		return;
	}
	part->proved = true;
	snprintf(part->proof, sizeof(part->proof), "%.*s", (int)message->body.length, message->body.bytes);
	request_line_up(partition, part);
}

static void on_proof(void *context, enum status status, const struct bus_message *message) {
	struct partition *partition = context;
	struct dispatcher *dispatcher = partition->dispatcher;
	struct part *part = partition->proving;
	partition->proving = NULL;
	dispatcher->calls--;
	if (dispatcher->closed)
		return;
	while (part != NULL) {
		struct part *next = part->next;
		go_on(partition, part, status == STATUS_OK ? message : NULL);
		part = next;
	}
	if (partition->unproved != NULL)
		ask(partition);
	loop_need_end(dispatcher->loop);
}

static void ask(struct partition *partition) {
	struct dispatcher *dispatcher = partition->dispatcher;
	partition->proving = partition->unproved;
	partition->unproved = NULL;
	dispatcher->calls++;
	bus_request(service_bus(dispatcher->service),
	            service_full_subject(dispatcher->service, "internal.prove.%lld", (long long)partition->index), NULL, 0,
	            SLICE(""), PROOF_MS, on_proof, partition);
}

/* Forgets what was refused; what was done stays done. */
static size_t forget_refusals(struct partition *partition, struct request *request) {
	size_t count = request->is_renewal ? request->lease_count : request->done_count, forgotten = 0;
	for (size_t i = 0; i < count; i++) {
		struct verdict *verdict = &request->verdicts[i];
		if (verdict->partition != partition->index || verdict->code == NULL || *verdict->code == '\0')
			continue;
		verdict->code = NULL;
		forgotten++;
	}
	*partition->dispatcher->stale -= forgotten;
	*(request->is_renewal ? partition->dispatcher->renewals : partition->dispatcher->settles) -= forgotten;
	return forgotten;
}

bool prove_part(struct partition *partition, struct part *part) {
	if (part->proved || teeth_without("refusal-proof") || forget_refusals(partition, part->request) == 0)
		return false;
	request_pin(part->request);
	part->next = partition->unproved;
	partition->unproved = part;
	if (partition->proving == NULL)
		ask(partition);
	return true;
}
