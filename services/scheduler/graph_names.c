/* Ids that a large graph has reserved and whose slices are lost, so that nobody can tell which they were: looked for among all
 * names, a page at a time. They are the graph's until they are given back; nothing else can have taken them meanwhile. */
#include <stdio.h>
#include <stdlib.h>

#include "graph_names.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/bus/stream.h"

enum { PAGE_NAMES = 500, WORDS_MOST = 2 * PAGE_NAMES + 2 };

struct forgetting {
	struct partition *partition;
	char key[32], held[72], cursor[24]; /* held: the value of a name that the graph has reserved */
	int64_t count;
};

static void next_page(struct forgetting *forgetting);

static void ignore(void *context, enum status status, const struct kv_reply *reply, const struct error *err) {
	(void)context, (void)status, (void)reply, (void)err;
}

static void give_back(struct forgetting *forgetting, const struct kv_reply *pairs) {
	struct slice words[WORDS_MOST] = { SLICE("HDEL"), slice_of(forgetting->key) };
	size_t count = 2;
	for (size_t i = 0; i + 1 < kv_count(pairs) && count < WORDS_MOST; i += 2)
		if (slice_is(kv_text(kv_at(pairs, i + 1)), forgetting->held))
			words[count++] = kv_text(kv_at(pairs, i));
	forgetting->count += (int64_t)count - 2;
	if (count > 2)
		kv_command(state_kv(forgetting->partition->state), words, count, 0, ignore, NULL);
}

static void on_page(void *context, enum status status, const struct kv_reply *reply, const struct error *err) {
	struct forgetting *forgetting = context;
	(void)err;
	struct slice cursor = kv_text(kv_at(reply, 0));
	if (status == STATUS_OK) {
		give_back(forgetting, kv_at(reply, 1));
		snprintf(forgetting->cursor, sizeof(forgetting->cursor), "%.*s", (int)cursor.length, cursor.bytes);
		if (!slice_is(cursor, "0")) {
			next_page(forgetting);
			return;
		}
		log_info("ids of a large graph whose slices are lost were given back", "token", forgetting->held + 1, "ids",
		         log_int(forgetting->count), NULL);
	}
	free(forgetting); /* Redis is away: a rebuild knows no reservations, else they stay until it is rebuilt */
}

static void next_page(struct forgetting *forgetting) {
	char most[16];
	snprintf(most, sizeof(most), "%d", PAGE_NAMES);
	struct slice words[] = { SLICE("HSCAN"), slice_of(forgetting->key), slice_of(forgetting->cursor), SLICE("COUNT"),
		                     slice_of(most) };
	kv_command(state_kv(forgetting->partition->state), words, 5, 0, on_page, forgetting);
}

void graph_forget_slices(struct partition *partition, const char *token) {
	struct scheduler *scheduler = partition->scheduler;
	char stream[STREAM_NAME_BYTES], subject[192];
	stream_name(stream, scheduler->settings->common.prefix, STREAM_SLICES, -1);
	snprintf(subject, sizeof(subject), "%s", service_full_subject(scheduler->service, "internal.slice.%s.*", token));
	stream_purge(scheduler->bus, stream, subject, 0, NULL, NULL);
}

void graph_give_names_back(struct partition *partition, const char *token) {
	struct forgetting *forgetting = memory_new(sizeof(*forgetting));
	forgetting->partition = partition;
	snprintf(forgetting->key, sizeof(forgetting->key), "%sid", state_prefix(partition->state));
	snprintf(forgetting->held, sizeof(forgetting->held), "@%s", token);
	snprintf(forgetting->cursor, sizeof(forgetting->cursor), "0");
	next_page(forgetting);
}
