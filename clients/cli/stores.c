/* Redis and the database, asked one question at a time; see stores.h. */
#include "stores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../shared/base/clock.h"
#include "connection.h"

enum { CONNECT_US = 5000000, POLL_US = 50000 };

struct asked {
	bool done;
	int code;
	struct stores *stores;
	stores_rows *read_rows;
	stores_reply *read_reply;
	void *context;
	enum status *status; /* NULL: a failure is told */
	struct error *err;
};

/* To one who interrupts, what has not answered by then is no news. */
static int tell(const char *what, const char *why) {
	if (client_interrupted())
		return EXIT_INTERRUPTED;
	fprintf(stderr, "corder: %s: %s\n", what, why);
	return EXIT_UNREACHABLE;
}

static int wait_for(struct stores *stores, struct asked *asked) {
	while (!asked->done)
		if (!client_turn(stores->cli, 1000000) && !asked->done)
			exit(EXIT_INTERRUPTED); /* the answer would come to a frame that is gone */
	return asked->code;
}

static void on_rows(void *context, enum status status, unsigned error_number, const struct error *err,
                    const struct db_result *result) {
	struct asked *asked = context;
	(void)error_number;
	asked->done = true;
	if (asked->status != NULL)
		*asked->status = status;
	if (status != STATUS_OK && asked->status != NULL)
		*asked->err = *err;
	else if (status != STATUS_OK)
		asked->code = tell("the database", err->message);
	else if (asked->read_rows != NULL)
		asked->read_rows(asked->context, result);
}

int stores_sql(struct stores *stores, const struct text *sql, stores_rows *read, void *context) {
	struct asked asked = { .stores = stores, .read_rows = read, .context = context };
	db_query(stores->db, (struct slice){ sql->bytes, sql->length }, on_rows, &asked);
	return wait_for(stores, &asked);
}

int stores_try_sql(struct stores *stores, const struct text *sql, stores_rows *read, void *context, enum status *status,
                   struct error *err) {
	struct asked asked = { .stores = stores, .read_rows = read, .context = context, .status = status, .err = err };
	db_query(stores->db, (struct slice){ sql->bytes, sql->length }, on_rows, &asked);
	return wait_for(stores, &asked);
}

static void on_reply(void *context, enum status status, const struct kv_reply *reply, const struct error *err) {
	struct asked *asked = context;
	asked->done = true;
	if (status != STATUS_OK)
		asked->code = tell("Redis", err->message);
	else if (asked->read_reply != NULL)
		asked->read_reply(asked->context, reply);
}

int stores_redis(struct stores *stores, size_t partition, const struct slice *words, size_t count, stores_reply *read,
                 void *context) {
	struct asked asked = { .stores = stores, .read_reply = read, .context = context };
	kv_command(stores->kvs[partition], words, count, 0, on_reply, &asked);
	return wait_for(stores, &asked);
}

bool stores_pause(struct stores *stores, int64_t us) {
	int64_t until = clock_mono_us() + us;
	while (clock_mono_us() < until && !client_interrupted())
		client_turn(stores->cli, until - clock_mono_us());
	return !client_interrupted();
}

static void read_count(void *context, const struct db_result *result) {
	*(size_t *)context = (size_t)db_int(result, 0, 0);
}

static int count_partitions(struct stores *stores) {
	struct text sql = { 0 };
	text_add(&sql, "SELECT COUNT(*) FROM log_position");
	int code = stores_sql(stores, &sql, read_count, &stores->partitions);
	text_release(&sql);
	if (code == EXIT_DONE && (stores->partitions == 0 || stores->partitions > STORES_PARTITIONS_MAX))
		return tell("the database", "no persister has written there yet");
	return code;
}

static int open_redis(struct stores *stores, const char *urls) {
	struct error err = { 0 };
	size_t count = 1;
	for (const char *c = urls; *c != '\0'; c++)
		count += *c == ',';
	for (size_t i = 0; i < stores->partitions; i++) {
		struct slice rest = slice_of(urls), url = slice_cut(&rest, ',');
		for (size_t skip = i % count; skip > 0; skip--)
			url = slice_cut(&rest, ',');
		char *text = slice_copy(url);
		enum status status = kv_open(stores->cli->loop, text, "corder", &stores->kvs[i], &err);
		free(text);
		if (status != STATUS_OK)
			return tell("REDIS_URL", err.message);
		int64_t until = clock_mono_us() + CONNECT_US;
		while (!kv_connected(stores->kvs[i]))
			if (clock_mono_us() > until || !stores_pause(stores, POLL_US))
				return tell("Redis", "it does not answer; is REDIS_URL right?");
	}
	return EXIT_DONE;
}

static int open_both(struct stores *stores, const struct connection *connection) {
	struct error err = { 0 };
	if (connection->redis == NULL || connection->database == NULL)
		return tell("this command speaks to the stores themselves",
		            "set REDIS_URL and DATABASE_URL, as the services have them");
	if (db_open(stores->cli->loop, connection->database, &stores->db, &err) != STATUS_OK)
		return tell("DATABASE_URL", err.message);
	int64_t until = clock_mono_us() + CONNECT_US;
	while (!db_connected(stores->db))
		if (clock_mono_us() > until || !stores_pause(stores, POLL_US))
			return tell("the database", "it does not answer; is DATABASE_URL right?");
	int code = count_partitions(stores);
	return code == EXIT_DONE ? open_redis(stores, connection->redis) : code;
}

int stores_open(struct stores *stores, struct cli *cli) {
	struct connection connection;
	struct error err = { 0 };
	*stores = (struct stores){ .cli = cli };
	int code = client_connect(cli);
	if (code != EXIT_DONE)
		return code;
	client_catch_signals(cli);
	if (connection_find(cli->common.nats, cli->common.dir, &connection, &err) != STATUS_OK)
		code = tell("the connection", err.message);
	else if (connection.unread.message[0] != 0)
		code = tell("the connection", connection.unread.message);
	else
		code = open_both(stores, &connection);
	connection_release(&connection);
	return code;
}

void stores_close(struct stores *stores) {
	for (size_t i = 0; i < STORES_PARTITIONS_MAX; i++)
		if (stores->kvs[i] != NULL)
			kv_close(&stores->kvs[i]);
	if (stores->db != NULL)
		db_close(&stores->db);
}

static void read_text(void *context, const struct kv_reply *reply) {
	text_clear(context);
	text_add_slice(context, kv_text(reply));
}

static void read_int(void *context, const struct kv_reply *reply) {
	*(int64_t *)context = kv_int(reply);
}

/* Without its epoch a partition answers nobody, and the scheduler that leads it fills it anew. */
int stores_rebuild(struct stores *stores, size_t partition, int64_t *tasks, int64_t *took_us) {
	char meta[24], states[24];
	struct text epoch = { 0 };
	int64_t started_us = clock_mono_us();
	snprintf(meta, sizeof meta, "{p%zu}:m", partition);
	snprintf(states, sizeof states, "{p%zu}:t", partition);
	struct slice drop[] = { SLICE("HDEL"), slice_of(meta), SLICE("epoch") };
	struct slice look[] = { SLICE("HGET"), slice_of(meta), SLICE("epoch") };
	struct slice count[] = { SLICE("HLEN"), slice_of(states) };
	int code = stores_redis(stores, partition, drop, COUNT(drop), NULL, NULL);
	while (code == EXIT_DONE && epoch.length == 0) {
		if (!stores_pause(stores, POLL_US)) {
			text_release(&epoch);
			return EXIT_INTERRUPTED; /* the scheduler goes on by itself */
		}
		code = stores_redis(stores, partition, look, COUNT(look), read_text, &epoch);
	}
	if (code == EXIT_DONE)
		code = stores_redis(stores, partition, count, COUNT(count), read_int, tasks);
	*took_us = clock_mono_us() - started_us;
	text_release(&epoch);
	return code;
}
