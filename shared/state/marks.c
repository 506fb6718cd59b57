/* Waiters by entry id, and the ids marked lately (a mark may come before the reply that waits for it). */
#include "marks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/id.h"
#include "../base/memory.h"
#include "../base/table.h"
#include "../base/teeth.h"

enum { RECENT_COUNT = 8192, ASK_AFTER_US = 100000, ASK_MOST = 64, STILL_AFTER_US = 1000000 };

struct waiter {
	struct waiter *next; /* of the same entry */
	marks_handler *handler;
	void *context;
};

struct awaited {
	struct awaited *next, *previous; /* by since_mono_us */
	char id[STATE_ENTRY_ID_BYTES];
	char epoch[STATE_EPOCH_BYTES];
	int64_t seq;
	int64_t since_mono_us;
	struct waiter *waiters;
};

/* An entry that nobody waits for any more: while it is not in the log, the log stands still. */
struct given_up {
	char id[STATE_ENTRY_ID_BYTES]; /* "": none */
	char epoch[STATE_EPOCH_BYTES];
	int64_t seq;
};

struct marks {
	struct loop *loop;
	struct state *state;
	int64_t patience_us;
	struct table *awaited;        /* entry id -> struct awaited */
	struct awaited *first, *last; /* of these: who waits for longest, and who does since just now */
	struct given_up given_up;
	struct table *recent, *older; /* entry id -> itself; two generations */
	struct loop_timer *timer;
	bool asking;
	bool closed; /* while asking: its answer frees the rest */
	size_t waiting;
	char asked[ASK_MOST][STATE_ENTRY_ID_BYTES];
	size_t asked_count;
};

static void on_timer(void *context);

struct marks *marks_open(struct loop *loop, struct state *state, int64_t patience_ms) {
	struct marks *marks = memory_new(sizeof(*marks));
	marks->loop = loop;
	marks->state = state;
	marks->patience_us = patience_ms * 1000;
	marks->awaited = table_open();
	marks->recent = table_open();
	marks->older = table_open();
	return marks;
}

static void settle(struct marks *marks, struct awaited *entry, enum status status) {
	table_remove(marks->awaited, slice_of(entry->id));
	*(entry->previous != NULL ? &entry->previous->next : &marks->first) = entry->next;
	*(entry->next != NULL ? &entry->next->previous : &marks->last) = entry->previous;
	struct waiter *waiter = entry->waiters;
	free(entry);
	while (waiter != NULL) {
		struct waiter *next = waiter->next;
		marks->waiting--;
		waiter->handler(waiter->context, status);
		free(waiter);
		waiter = next;
	}
}

void marks_close(struct marks **marks) {
	struct marks *m = *marks;
	if (m == NULL)
		return;
	loop_timer_stop(m->loop, &m->timer);
	while (m->first != NULL)
		settle(m, m->first, STATUS_RETRY);
	table_close(&m->awaited);
	table_close(&m->recent);
	table_close(&m->older);
	m->closed = true;
	if (!m->asking)
		free(m);
	*marks = NULL;
}

static void remember(struct marks *marks, struct slice id) {
	if (table_count(marks->recent) >= RECENT_COUNT) {
		table_close(&marks->older);
		marks->older = marks->recent;
		marks->recent = table_open();
	}
	table_put(marks->recent, id, marks);
}

/* Waiters of another epoch will never be named: what they saw is gone, or was rebuilt. */
static void drop_other_epochs(struct marks *marks, struct slice epoch) {
	size_t at = 0;
	struct slice key;
	void *value;
	while (table_next(marks->awaited, &at, &key, &value)) {
		struct awaited *entry = value;
		if (!slice_is(epoch, entry->epoch)) {
			settle(marks, entry, STATUS_RETRY);
			at = 0;
		}
	}
}

/* What must not be done: after Redis lost its tail, the same number is another entry. */
static void settle_up_to(struct marks *marks, int64_t seq) {
	size_t at = 0;
	struct slice key;
	void *value;
	while (table_next(marks->awaited, &at, &key, &value)) {
		if (((struct awaited *)value)->seq <= seq) {
			settle(marks, value, STATUS_OK);
			at = 0;
		}
	}
}

void marks_note(struct marks *marks, struct slice body) {
	struct slice rest = body;
	struct slice line = slice_cut(&rest, '\n');
	struct slice epoch = slice_cut(&line, ' ');
	int64_t seq = line.bytes != NULL ? slice_int(slice_cut(&line, ' '), 0) : 0;
	if (!id_is_token(epoch) || seq <= 0)
		return; /* no mark: a status of the server, or somebody who plays */
	state_heard(marks->state, epoch, seq);
	if (teeth_without("mark-by-id")) {
		settle_up_to(marks, seq);
		return;
	}
	while (rest.bytes != NULL) {
		struct slice id = slice_cut(&rest, '\n');
		if (id.length == 0)
			continue;
		remember(marks, id);
		struct awaited *entry = table_get(marks->awaited, id);
		if (entry != NULL)
			settle(marks, entry, STATUS_OK);
	}
	if (seq >= marks->given_up.seq || !slice_is(epoch, marks->given_up.epoch))
		marks->given_up.id[0] = '\0';
	if (marks->first != NULL)
		drop_other_epochs(marks, epoch);
}

static void arm(struct marks *marks) {
	if (marks->timer == NULL && (marks->first != NULL || marks->given_up.id[0] != '\0'))
		marks->timer = loop_timer_start(marks->loop, clock_mono_us() + ASK_AFTER_US, on_timer, marks);
}

static void read_verdict(struct marks *marks, const char *id, struct slice verdict) {
	bool is_logged = slice_is(verdict, "ok");
	if (!is_logged && !slice_is(verdict, "lost"))
		return;
	if (strcmp(marks->given_up.id, id) == 0)
		marks->given_up.id[0] = '\0';
	struct awaited *entry = table_get(marks->awaited, slice_of(id));
	if (entry != NULL)
		settle(marks, entry, is_logged ? STATUS_OK : STATUS_RETRY);
}

static void on_confirmed(void *context, enum status status, const struct state_head *head, const struct kv_reply *reply,
                         const struct error *err) {
	struct marks *marks = context;
	(void)head;
	(void)err;
	marks->asking = false;
	if (marks->closed) {
		free(marks);
		return;
	}
	for (size_t i = 0; status == STATUS_OK && i < marks->asked_count; i++)
		read_verdict(marks, marks->asked[i], kv_text(kv_at(reply, i + 1)));
	arm(marks);
}

/* The first one is remembered: what comes after it is in the log later still. */
static void give_up(struct marks *marks, struct awaited *entry) {
	struct given_up *given_up = &marks->given_up;
	if (given_up->id[0] == '\0') {
		memcpy(given_up->id, entry->id, sizeof(given_up->id));
		memcpy(given_up->epoch, entry->epoch, sizeof(given_up->epoch));
		given_up->seq = entry->seq;
	}
	settle(marks, entry, STATUS_RETRY);
}

struct question {
	struct slice arguments[2 * ASK_MOST];
	char numbers[ASK_MOST][24];
	size_t count;
};

/* Copies id and seq. */
static void add_question(struct marks *marks, struct question *question, const char *id, int64_t seq) {
	size_t n = question->count++;
	memcpy(marks->asked[n], id, sizeof(marks->asked[n]));
	snprintf(question->numbers[n], sizeof(question->numbers[n]), "%" PRId64, seq);
	question->arguments[2 * n] = slice_of(question->numbers[n]);
	question->arguments[2 * n + 1] = slice_of(marks->asked[n]);
}

/* What was asked stays as it is until it is answered: an answer names no ids, and would count for others. */
static void ask(struct marks *marks, int64_t now) {
	struct question question;
	question.count = 0;
	if (marks->given_up.id[0] != '\0')
		add_question(marks, &question, marks->given_up.id, marks->given_up.seq);
	for (struct awaited *entry = marks->first; entry != NULL && question.count < ASK_MOST; entry = entry->next) {
		if (now - entry->since_mono_us < ASK_AFTER_US / 2)
			break;
		add_question(marks, &question, entry->id, entry->seq);
	}
	if (question.count == 0)
		return;
	marks->asking = true;
	marks->asked_count = question.count;
	state_call(marks->state, &state_script_confirm, question.arguments, 2 * question.count, on_confirmed, marks);
}

/* Asks Redis about the waiters that have waited for long, and gives up those that have waited too long: also while Redis
 * does not answer. */
static void on_timer(void *context) {
	struct marks *marks = context;
	marks->timer = NULL;
	int64_t now = clock_mono_us();
	while (marks->first != NULL && now - marks->first->since_mono_us > marks->patience_us)
		give_up(marks, marks->first);
	arm(marks);
	if (!marks->asking)
		ask(marks, now);
}

void marks_wait(struct marks *marks, const struct state_head *head, marks_handler *handler, void *context) {
	struct slice id = slice_of(head->wait);
	if (id.length == 0 || table_get(marks->recent, id) != NULL || table_get(marks->older, id) != NULL) {
		handler(context, STATUS_OK);
		return;
	}
	struct awaited *entry = table_get(marks->awaited, id);
	if (entry == NULL) {
		entry = memory_new(sizeof(*entry));
		memcpy(entry->id, head->wait, sizeof(entry->id));
		memcpy(entry->epoch, head->epoch, sizeof(entry->epoch));
		entry->seq = head->seq;
		entry->since_mono_us = clock_mono_us();
		entry->previous = marks->last;
		*(marks->last != NULL ? &marks->last->next : &marks->first) = entry;
		marks->last = entry;
		table_put(marks->awaited, id, entry);
	}
	struct waiter *waiter = memory_new(sizeof(*waiter));
	*waiter = (struct waiter){ entry->waiters, handler, context };
	entry->waiters = waiter;
	marks->waiting++;
	arm(marks);
}

size_t marks_waiting(const struct marks *marks) {
	return marks->waiting;
}

bool marks_stand_still(const struct marks *marks) {
	return marks->given_up.id[0] != '\0' ||
	       (marks->first != NULL && clock_mono_us() - marks->first->since_mono_us > STILL_AFTER_US);
}
