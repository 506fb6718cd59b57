/* Hears which entries are in the log. The relay names those of a large block in a mark, once it has JetStream's answer. Of a
 * small block JetStream's answer is itself what everybody hears: its subject names the block's entries. So whoever waits for a
 * task by itself waits two messages less. Used by everything that waits for the log, or follows it. */
#ifndef CORDER_SERVICE_LOG_EAR_H
#define CORDER_SERVICE_LOG_EAR_H

#include "../base/id.h"
#include "../bus/bus.h"

enum {
	LOG_EAR_ENTRIES = 8,                 /* of a block whose answer names them; a subject must not be long */
	LOG_BLOCK_NAME_BYTES = ID_BYTES + 24 /* "<id>-<number>" */
};

/* An answer, for the relay that has appended the block. */
struct log_answer {
	struct slice block;
	enum status status; /* STATUS_STALE, STATUS_RETRY, STATUS_REJECT: it is not in the log by this append */
	uint64_t sequence;  /* in the stream */
};

/* mark: "<epoch> <last seq> <stream sequence>", then a line an entry id; { NULL, 0 } when nothing was appended. answer: NULL
 * for a mark of the relay. Both borrowed. */
typedef void log_ear_handler(void *context, int64_t partition, struct slice mark, const struct log_answer *answer);

/* The caller's; it hears as long as the bus is there, and must stay so long. Unless it is patient, bus_unsubscribe_all() leaves
 * it alone. */
struct log_ear {
	const char *prefix; /* CORDER_PREFIX, borrowed */
	log_ear_handler *handler;
	void *context;
	bool patient; /* marks alone: they come at most 10 ms later, and say the same for many blocks at once */
};

enum status log_ear_open(struct log_ear *ear, struct bus *bus, struct error *err);

/* What the relay publishes, and where it lets JetStream answer, for a block that begins with this line ("epoch" and last seq)
 * and these ids. */
struct log_block {
	int64_t partition;
	const char *epoch; /* a token */
	int64_t last_seq;
	const char *name; /* a token: nobody else's */
};
/* What a mark says: where the log is, and the last of the ids. Borrowed. False for one that says nothing. */
bool log_ear_read_mark(struct slice mark, uint64_t *sequence, struct slice *last_id);
void log_ear_add_answer(struct text *subject, const char *prefix, const struct log_block *block, struct slice ids);
void log_ear_add_mark(struct text *mark, const struct log_block *block, uint64_t sequence, struct slice ids);

#endif
