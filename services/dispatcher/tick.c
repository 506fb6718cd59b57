/* What time asks: requests whose wait is over, the safety poll for a lost hint, settles that have waited too long. */
#include "dispatcher.h"

enum {
	TICK_US = 50000,
	POLL_SLICES = 10, /* each type is polled once in so many ticks */
};

static const char *why(const struct partition *partition) {
	return *partition->reason != '\0' ? partition->reason : "Redis does not answer";
}

/* The reason that some partition gives for leasing nothing. */
static const char *why_any(const struct dispatcher *dispatcher) {
	for (int64_t p = 0; p < dispatcher->partition_count; p++) {
		if (dispatcher->partitions[p].down)
			return why(&dispatcher->partitions[p]);
		if (dispatcher->partitions[p].still)
			return "the log takes nothing now: repeat";
	}
	return "nobody could be asked in time: repeat";
}

/* Nobody has looked for it yet: that is no empty list. */
static void answer(struct dispatcher *dispatcher, struct match_waiter *waiter) {
	struct request *request = request_of(waiter);
	bool known = request->task_count > 0 || match_was_asked(waiter) || dispatcher->stopping;
	request_has_tasks(request, known ? STATUS_OK : STATUS_RETRY, why_any(dispatcher));
}

/* Its time has passed. Whose turn has not come because the partitions are busy waits on for a while. */
static void answer_expired(struct dispatcher *dispatcher, struct match_waiter *waiter) {
	int64_t now_us = loop_now(dispatcher->loop);
	if (!match_was_asked(waiter) && !dispatcher->stopping && !match_all_down(dispatcher->match) &&
	    now_us - request_of(waiter)->arrived_us < WORD_PATIENCE_US) {
		waiter->deadline_us = now_us + TICK_US;
		match_put_back(dispatcher->match, waiter);
		return;
	}
	answer(dispatcher, waiter);
}

void tick_answer_waiting(struct dispatcher *dispatcher) {
	struct match_waiter *waiter;
	while ((waiter = match_next_expired(dispatcher->match, loop_now(dispatcher->loop))) != NULL)
		answer_expired(dispatcher, waiter);
	while ((waiter = match_next_cold(dispatcher->match)) != NULL)
		answer(dispatcher, waiter);
	while (dispatcher->stopping && (waiter = match_next_any(dispatcher->match)) != NULL)
		answer(dispatcher, waiter);
}

static void give_up_old(struct partition *partition, int64_t now_us) {
	struct part **at = &partition->first, *part, *before = NULL;
	while ((part = *at) != NULL) {
		if (now_us - part->request->arrived_us <= WORD_PATIENCE_US) {
			before = part;
			at = &part->next;
			continue;
		}
		*at = part->next;
		if (partition->last == part)
			partition->last = before;
		request_unpin(part->request, STATUS_RETRY, why(partition));
	}
}

static void on_tick(void *context) {
	struct dispatcher *dispatcher = context;
	int64_t now_us = loop_now(dispatcher->loop);
	dispatcher->tick = NULL;
	match_poll(dispatcher->match, dispatcher->ticks++ % POLL_SLICES, POLL_SLICES);
	for (int64_t p = 0; p < dispatcher->partition_count; p++) {
		give_up_old(&dispatcher->partitions[p], now_us);
		archive_tick(&dispatcher->partitions[p], now_us);
	}
}

static void on_deadline(void *context) {
	struct dispatcher *dispatcher = context;
	dispatcher->deadline = NULL; /* the end of this turn answers */
}

void tick_arm(struct dispatcher *dispatcher) {
	int64_t next_us = match_next_deadline(dispatcher->match);
	if (next_us != 0 && (dispatcher->deadline == NULL || next_us < dispatcher->deadline_us)) {
		loop_timer_stop(dispatcher->loop, &dispatcher->deadline);
		dispatcher->deadline = loop_timer_start(dispatcher->loop, next_us, on_deadline, dispatcher);
		dispatcher->deadline_us = next_us;
	}
	bool needed = dispatcher->request_count > 0;
	for (int64_t p = 0; p < dispatcher->partition_count; p++)
		needed = needed || dispatcher->partitions[p].down;
	if (dispatcher->tick == NULL && needed)
		dispatcher->tick =
			loop_timer_start(dispatcher->loop, loop_now(dispatcher->loop) + TICK_US, on_tick, dispatcher);
}
