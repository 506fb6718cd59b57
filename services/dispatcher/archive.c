/* "ack": "archived": who waits until the database has what they settled. The persister says how far it has come; its word
 * may be lost, so that who waits for long makes us look at the position that Redis knows of. */
#include <stdlib.h>

#include "dispatcher.h"
#include "shared/base/memory.h"

enum { ASK_AFTER_US = 300000 };

void archive_wait(struct partition *partition, struct request *request, int64_t seq) {
	if (seq <= partition->persisted_seq) {
		request_unpin(request, STATUS_OK, NULL);
		return;
	}
	struct archived *waiting = memory_new(sizeof(*waiting));
	*waiting = (struct archived){ partition->archived, request, seq, loop_now(partition->dispatcher->loop) };
	partition->archived = waiting;
	struct service *service = partition->dispatcher->service;
	bus_publish(service_bus(service), service_full_subject(service, "internal.hurry.%lld", (long long)partition->index),
	            SLICE(""));
}

/* Answers those of up to this number, and those that came before `too_old_us`. */
static void answer(struct partition *partition, int64_t seq, int64_t too_old_us) {
	struct archived **at = &partition->archived, *waiting;
	while ((waiting = *at) != NULL) {
		bool safe = waiting->seq <= seq;
		if (!safe && waiting->since_us >= too_old_us) {
			at = &waiting->next;
			continue;
		}
		*at = waiting->next;
		request_unpin(waiting->request, safe ? STATUS_OK : STATUS_RETRY,
		              "the settles count, but the database has not confirmed them in time: repeat to be sure");
		free(waiting);
	}
}

void archive_note(struct partition *partition, int64_t seq) {
	if (seq > partition->persisted_seq)
		partition->persisted_seq = seq;
	answer(partition, partition->persisted_seq, INT64_MIN);
}

static void on_position(void *context, enum status status, const struct state_head *head, const struct kv_reply *reply,
                        const struct error *err) {
	struct partition *partition = context;
	(void)head;
	(void)err;
	if (partition->dispatcher->closed)
		return;
	partition->asking_persisted = false;
	partition->dispatcher->calls--;
	if (status == STATUS_OK)
		archive_note(partition, kv_int(kv_at(reply, 3))); /* trim */
}

void archive_tick(struct partition *partition, int64_t now_us) {
	if (partition->archived == NULL)
		return;
	answer(partition, partition->persisted_seq, now_us - 1000 * partition->dispatcher->settings->mark_patience_ms);
	bool waits = false;
	for (struct archived *at = partition->archived; at != NULL && !waits; at = at->next)
		waits = now_us - at->since_us > ASK_AFTER_US;
	if (!waits || partition->asking_persisted)
		return;
	struct slice what = SLICE("lags");
	partition->asking_persisted = true;
	partition->dispatcher->calls++;
	state_call(partition->state, &state_script_read, &what, 1, on_position, partition);
}
