/* What the head of each script's reply asks for: wake the dispatchers, sweep again, wait for the log or the database. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler.h"
#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/base/teeth.h"

struct archived_waiter {
	struct archived_waiter *next;
	int64_t seq, until_us;
	heads_done *done;
	void *context;
};

struct log_waiter {
	struct partition *partition;
	int64_t seq;
	bool archived;
	heads_done *done;
	void *context;
};

void heads_note(struct partition *partition, const struct state_head *head) {
	struct slice woken = head->woken;
	char body[24];
	partition->now_us = head->now_us;
	snprintf(body, sizeof(body), "%lld", (long long)partition->index);
	while (woken.bytes != NULL && woken.length > 0) {
		struct slice type = slice_cut(&woken, ' ');
		bus_publish(partition->scheduler->bus,
		            service_full_subject(partition->scheduler->service, "internal.ready.%.*s", (int)type.length,
		                                 type.bytes),
		            slice_of(body));
	}
	if (head->seq > partition->head_seq)
		partition->head_seq = head->seq;
	if (head->more)
		tick_sweep_soon(partition);
}

static void in_log(void *context, enum status status) {
	struct log_waiter *waiter = context;
	struct partition *partition = waiter->partition;
	if (status != STATUS_OK || !waiter->archived || partition->persisted_seq >= waiter->seq) {
		waiter->done(waiter->context, status);
	} else {
		struct archived_waiter *archived = memory_new(sizeof(*archived));
		int64_t until_us = clock_mono_us() + partition->scheduler->settings->patience_ms * 1000;
		*archived =
			(struct archived_waiter){ partition->archived, waiter->seq, until_us, waiter->done, waiter->context };
		partition->archived = archived;
		bus_publish(partition->scheduler->bus,
		            service_full_subject(partition->scheduler->service, "internal.hurry.%lld",
		                                 (long long)partition->index),
		            SLICE(""));
	}
	free(waiter);
}

void heads_wait(struct partition *partition, const struct state_head *head, bool archived, heads_done *done,
                void *context) {
	if (teeth_without("accept-after-log")) {
		done(context, STATUS_OK);
		return;
	}
	relay_wake(partition->relay);
	struct log_waiter *waiter = memory_new(sizeof(*waiter));
	*waiter = (struct log_waiter){ partition, head->seq, archived, done, context };
	marks_wait(partition->marks, head, in_log, waiter);
}

void heads_close(struct partition *partition) {
	while (partition->archived != NULL) {
		struct archived_waiter *waiter = partition->archived;
		partition->archived = waiter->next;
		waiter->done(waiter->context, STATUS_RETRY);
		free(waiter);
	}
}

/* Tells those who wait for no more than this number, and those whose time is over. */
static void answer_archived(struct partition *partition, int64_t seq, int64_t now_us) {
	struct archived_waiter **at = &partition->archived, *waiter;
	while ((waiter = *at) != NULL) {
		bool safe = waiter->seq <= seq;
		if (!safe && waiter->until_us > now_us) {
			at = &waiter->next;
			continue;
		}
		*at = waiter->next;
		waiter->done(waiter->context, safe ? STATUS_OK : STATUS_RETRY);
		free(waiter);
	}
}

void heads_tick(struct partition *partition) {
	answer_archived(partition, partition->persisted_seq, clock_mono_us());
}

/* "<seq> <entry id> <stream sequence>" */
void heads_persisted(struct partition *partition, struct slice body) {
	struct slice rest = body;
	int64_t seq = slice_int(slice_cut(&rest, ' '), 0);
	if (seq < partition->persisted_seq || rest.bytes == NULL)
		return;
	partition->persisted_known = true;
	struct slice id = slice_cut(&rest, ' ');
	partition->persisted_seq = seq;
	snprintf(partition->persisted_entry, sizeof(partition->persisted_entry), "%.*s", (int)id.length, id.bytes);
	answer_archived(partition, seq, 0);
}

void heads_problem(struct partition *partition, const struct error *err) {
	if (strcmp(err->code, "notready") == 0)
		relay_look_unless_looking(partition->relay);
}
