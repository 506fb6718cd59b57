/* The stores themselves, for those who look after them: Redis and the database, asked one question at a time. Only the commands
 * of that group know them; all others ask the services. */
#ifndef CORDER_CLI_STORES_H
#define CORDER_CLI_STORES_H

#include "../../shared/db/db.h"
#include "../../shared/kv/kv.h"
#include "client.h"

enum { STORES_PARTITIONS_MAX = 64 };

struct stores {
	struct cli *cli;
	struct db *db;
	struct kv *kvs[STORES_PARTITIONS_MAX]; /* one a partition */
	size_t partitions;                     /* as the database knows them */
};

/* Connects to both, as REDIS_URL and DATABASE_URL of the environment or the env file say; EXIT_DONE, or an exit code after
 * saying why on stderr. stores_close is due in either case. */
int stores_open(struct stores *stores, struct cli *cli);
void stores_close(struct stores *stores);

/* Each asks, calls read with the answer, and returns an exit code. read may be NULL. */
typedef void stores_rows(void *context, const struct db_result *result);
typedef void stores_reply(void *context, const struct kv_reply *reply);
int stores_sql(struct stores *stores, const struct text *sql, stores_rows *read, void *context);
/* The same, but says nothing of a failure: *status and err have it, and the exit code is EXIT_DONE unless interrupted. */
int stores_try_sql(struct stores *stores, const struct text *sql, stores_rows *read, void *context, enum status *status,
                   struct error *err);
int stores_redis(struct stores *stores, size_t partition, const struct slice *words, size_t count, stores_reply *read,
                 void *context);
/* For so long, unless the user interrupts: false then. */
bool stores_pause(struct stores *stores, int64_t us);

/* Has the scheduler rebuild a partition's Redis from the database and the log, and waits until that is done. */
int stores_rebuild(struct stores *stores, size_t partition, int64_t *tasks, int64_t *took_us);

#endif
