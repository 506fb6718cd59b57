/* The three servers of a simulated world, and the connections to them. */
#ifndef CORDER_SIMULATION_SERVERS_H
#define CORDER_SIMULATION_SERVERS_H

#include "redis.h"
#include "shared/bus/bus.h"
#include "shared/bus/stream.h"
#include "shared/db/db.h"
#include "world.h"

/* One connection of a process. What goes through it arrives in order, or not at all. */
struct line {
	struct process *process;
	uint64_t life, number; /* of the connection: rises when it breaks */
	bool up;
	int64_t out_us, in_us; /* when the last thing sent either way arrives */
};

enum fate { FATE_ARRIVES, FATE_REQUEST_LOST, FATE_REPLY_LOST };

/* Draws what becomes of a call, and when it arrives. A process that dies at this call goes on to the end of its turn, but
 * nothing that it sends from then on arrives. */
enum fate line_send(struct line *line, int64_t *arrives_us);
int64_t line_answer(struct line *line); /* when the answer arrives */
bool line_is(const struct line *line, const struct process *process, uint64_t life, uint64_t number);

/* What a call carries, in memory of the program's own. */
struct slice copy_for_world(struct slice bytes);
void free_copy(struct slice bytes);

/* ---- Redis ---- */

struct servers {
	struct redis *redis[2]; /* [1]: while it exists twice */
	struct redis *old_redis;
	bool redis_down, database_down;
	int sides[PROCESSES_MOST]; /* which of the two a process talks to */
};
extern struct servers servers;

void servers_begin(void);
void servers_end(void);
void redis_server_down(void); /* breaks all connections; back after a while */
void redis_server_empty(void);
void redis_server_remember(void);
void redis_server_old(void);   /* falls back to what was remembered */
void redis_server_twice(void); /* and once again after a while */
void redis_server_once(void);
void kv_break_all(int side); /* -1: both */
void kv_begin(void);

/* ---- NATS ---- */

void bus_begin(void);
void bus_end(void);
void bus_forget(struct process *process);
void bus_cut(struct process *process);

struct stored { /* a message of a stream */
	uint64_t sequence;
	char *subject;
	struct slice body;
	int64_t at_us;      /* wall */
	int64_t deliver_us; /* to a consumer: not before */
	char id[64];        /* its Nats-Msg-Id, or "" */
};
struct stream {
	struct stream *next;
	char *name, *subjects[4];
	size_t subject_count;
	bool work_queue;
	struct stored *messages;
	size_t count, capacity;
	uint64_t last_sequence;
};
struct stream *stream_named(const char *name); /* NULL: there is none */
struct stream *streams_first(void);
/* Takes what was published on a subject; NULL when no stream wants it. */
struct stream *streams_capture(const char *subject, struct slice body);
/* An append with expectations that came as a message; answer: what is said of it. False: it is none. */
bool streams_publish(const struct bus_message *message, struct text *answer);
void stream_lose_tail(struct stream *stream, size_t messages);
bool subject_matches(const char *pattern, const char *subject);
void streams_end(void);
void jetstream_begin(void);
void jetstream_ack(const char *subject, struct slice body);
/* bus.c: a message to one process, in order with all else that it gets. */
void bus_deliver_to(struct process *process, uint64_t life, bus_handler *handler, void *context, const char *subject,
                    const char *reply, struct slice body);
struct line *bus_line(struct bus *bus);
struct process *bus_process(struct bus *bus);

/* ---- the database ---- */

void database_begin(void);
void database_end(void);
void database_remember(void);
void database_old(void); /* falls back to what was remembered */
void database_server_down(void);
void database_break_all(void);
/* Runs a query of the simulator's own; row gets the texts of each row ("" for NULL). */
void database_rows(const char *sql, void (*row)(void *context, int columns, const char *const *values), void *context);
int64_t database_position(int64_t partition);

/* ---- the log, as the ledger sees it ---- */

/* ledger.c: a block was appended; a tail was lost. */
void ledger_appended(int64_t partition, struct slice block, uint64_t sequence);
void ledger_truncated(int64_t partition, uint64_t last_sequence);

#endif
