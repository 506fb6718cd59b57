/* The persister: reads each partition's log in order and writes it down, a transaction a batch. Where it stands is kept
 * in the database, in the same transaction as the rows; any number of instances may run, a compare-and-set decides.
 *
 *   START -> LOAD -> FOLLOW -> (a transaction under way) -> FOLLOW …
 *             ^        |  \-> SEARCH (the stream was made anew: find the place) -> FOLLOW
 *             |        |---> PASSIVE (another instance writes) ------.
 *             '--------+---> STOPPED (the log does not fit) ---------'-> LOAD */
#ifndef CORDER_PERSISTER_PERSISTER_H
#define CORDER_PERSISTER_PERSISTER_H

#include "changes.h"
#include "rows.h"
#include "shared/base/loop.h"
#include "shared/bus/bus.h"
#include "shared/bus/stream.h"
#include "shared/db/db.h"
#include "shared/service/log_ear.h"

enum {
	WINDOW_BLOCKS = 512, /* read ahead of what is being written */
	WINDOW_BYTES = 24 << 20,
	BLOCK_BYTES = 262144, /* of a block before one was seen */
	BATCH_EVENTS = 24000, /* of one transaction; an entry is never split */
	BATCH_BYTES = 12 << 20,
	EVENT_PAUSE_US = 50,    /* how long more is waited for after a transaction, for each of its events */
	BULK_EVENTS = 64,       /* from here on rows go as arrays, not as text */
	TICK_US = 250000,       /* the safety poll: covers a lost mark */
	HEARTBEAT_US = 1000000, /* how often an idle writer says where it stands */
	PASSIVE_US = 2000000,   /* how long another's word keeps us passive */
	STOPPED_US = 5000000,   /* until a partition that was stopped is tried again */
	PURGE_US = 60000000,
	RETAIN_STEP_US = 100000,    /* between two steps of a walk through the tasks */
	RETAIN_PAUSE_US = 60000000, /* between two walks */
	POISON_MOST = 128,          /* culprits of one transaction of several entries */
};

enum partition_state {
	PARTITION_LOAD, /* its position is to be read from the database, or is being read */
	PARTITION_FOLLOW,
	PARTITION_SEARCH,
	PARTITION_PASSIVE,
	PARTITION_STOPPED,
};

/* A block of the log on its way: asked for, here, or neither. */
struct block {
	struct partition *partition;
	uint64_t stream_seq; /* 0: free */
	bool asked, here;
	char *bytes; /* owned */
	size_t length;
};

/* Binary search for the block that holds the event after the position, by the blocks' first seq. */
struct search {
	uint64_t low, high; /* the block lies in [low, high) */
	uint64_t middle;    /* being read */
	bool asked;
};

/* How far the search for culprits has come: each piece of the batch alone, then with all that stands before it. */
enum culprits { CULPRITS_UNKNOWN, CULPRITS_ALONE, CULPRITS_TOGETHER };

/* A transaction from its first packet to its end. */
struct commit {
	bool busy;
	struct changes changes; /* all of the batch */
	struct changes part;    /* what is tried: all but the excluded, or a prefix while a culprit is searched */
	struct position to;
	size_t bytes;          /* of the entries */
	const char **excluded; /* by event: why it is set aside, or NULL */
	size_t excluded_capacity;
	enum culprits culprits;
	size_t low,
		high;      /* what stands before `low` passes or is set aside; up to `high` it does not pass (0: not known) */
	size_t stride; /* how many more are tried while `high` is not known */
	char *reason;  /* owned: why it does not pass up to `high` */
	struct text sql, raw;
	struct text statements[SHEET_COUNT];
	struct db_bulk *bulks[SHEET_COUNT]; /* opened on first use */
	int sheet;                          /* the next one to send */
	const struct changes *sent;
	char **reasons; /* owned texts of `excluded` */
	size_t reason_count, reason_capacity;
};

struct partition {
	struct persister *persister;
	int64_t id;
	char stream[STREAM_NAME_BYTES];
	enum partition_state state;
	bool loading;
	int64_t state_since_us;
	char trouble[320];          /* why nothing is written, or ""; until something is, or all is */
	const char *stream_trouble; /* why nothing is read, or NULL */

	struct position position; /* what the database has, as far as we know */
	uint64_t db_generation;   /* of the connection by which it was read */
	struct position cursor;   /* what was gathered beyond it */
	uint64_t head;            /* the stream's last message that we know of */
	uint64_t next_ask, next_take;
	struct slice rest; /* of the block at next_take: entries that did not fit into the last batch */
	bool partial;
	struct block blocks[WINDOW_BLOCKS]; /* by stream_seq modulo */
	size_t window_bytes;
	size_t asked, block_bytes; /* how many are being read, and how large they are likely to be */
	size_t batch_events;       /* the limit now: less after a packet was too large */
	struct search search;
	bool searched; /* since an entry was last taken: a second miss is a real one */
	bool wants_search;
	bool missing; /* a message that was asked for is not there, or may be another one: the place is to be found */
	bool asking_info;
	struct commit commit;
	int64_t next_write_us;    /* no transaction begins before this, but a full one: events gather meanwhile */
	struct loop_timer *paced; /* until then */

	int64_t log_seq;    /* the last event in the log, as marks have it */
	int64_t told_at_us; /* of the last persisted message */
	int64_t purged_at_us;
	int64_t retained_number; /* retention goes on behind this task … */
	int64_t retain_at_us;    /* … and not before this */
	int64_t retained_now;    /* tasks deleted in this walk */
	bool retaining;
};

struct persister_options {
	const char *prefix; /* CORDER_PREFIX */
	int64_t partitions;
	int64_t retention_days; /* 0: keep for ever */
	int64_t retention_step_rows;
	int64_t log_keep_blocks;
	int64_t write_every_us;    /* from the beginning of a transaction to that of the next, at least */
	int64_t write_gathered_us; /* at most, under load; 0: as write_every_us */
};

struct persister_counters {
	uint64_t events, tasks, transactions, conflicts, poison, blocks, retained;
};

struct persister {
	struct loop *loop;
	struct bus *bus;
	struct db *db;
	struct persister_options options;
	struct log_ear ear;
	struct partition *partitions;
	struct partition *holder; /* whose transaction is on the connection: it may take several packets */
	struct loop_timer *tick;
	bool migrated, migrating, stopping;
	size_t migration;      /* the one being run */
	const char *statement; /* of it, the next */
	char trouble[320];     /* of the migrations, or "" */
	struct persister_counters counters;
};

/* Borrows loop, bus and db; copies options (prefix is borrowed). */
enum status persister_open(struct loop *loop, struct bus *bus, struct db *db, const struct persister_options *options,
                           struct persister **persister, struct error *err);
void persister_stop(struct persister *persister); /* begins no further transaction */
bool persister_idle(const struct persister *persister);
void persister_close(struct persister **persister);
int64_t persister_lag(const struct persister *persister); /* events that are in the log and not yet in the database */
/* STATUS_OK, or STATUS_RETRY with the reason. */
enum status persister_health(const struct persister *persister, struct error *reason);

/* ---- inside ---- */

/* follow.c: reading the log */
void follow_reset(struct partition *partition); /* forgets what was read; goes on behind position */
void follow_step(struct partition *partition);  /* asks for what is missing, gathers and commits what is here */
void follow_release(struct partition *partition, uint64_t below);             /* blocks that are written down */
void follow_look(struct partition *partition);                                /* asks for the stream's state */
struct block *follow_block(struct partition *partition, uint64_t stream_seq); /* NULL when it is not here */

/* persister.c */
bool persister_take(struct partition *partition); /* false while another partition holds the connection */

/* gather.c: blocks to a batch, with the chain checked */
void gather(struct partition *partition); /* starts a transaction when there is something to write */

/* search.c: finding the place in a stream that was made anew */
void search_start(struct partition *partition);

/* commit.c and poison.c: the transaction */
void commit_start(struct partition *partition);
void poison_search(struct partition *partition, const char *reason);
void commit_too_large(struct partition *partition); /* for one packet: again with fewer events */
void commit_smaller(struct partition *partition);   /* the next batches have fewer events */
void commit_retry(struct partition *partition); /* builds and sends what is not excluded, as text, as it was tried */
void commit_end(struct partition *partition);   /* leaves the connection to the other partitions */
void commit_release(struct commit *commit);
bool commit_is_data_error(unsigned error_number);

/* partition.c */
void partition_load(struct partition *partition);                   /* reads its position */
void partition_retry(struct partition *partition, const char *why); /* the next tick reads it */
void partition_passive(struct partition *partition);
void partition_stopped(struct partition *partition, const char *format, ...) __attribute__((format(printf, 2, 3)));
void partition_fine(struct partition *partition);
void partition_committed(struct partition *partition);
void partition_tell(struct partition *partition); /* publishes persisted.<p> */
void partition_tick(struct partition *partition, int64_t now_us);

/* migrate.c */
enum { MIGRATION_CHECKSUM_BYTES = 17 };
void migrate(struct persister *persister);
void migration_checksum(size_t index, char checksum[MIGRATION_CHECKSUM_BYTES]); /* that is remembered */

/* retain.c: deletes what is older than the retention, a step a call, when all of the log is written */
void retain_step(struct partition *partition);

#endif
