/* shared/db/db.h on SQLite in memory. A query runs whole or not at all when it arrives; its connection may break before
 * or after that, and the asker cannot tell which. dialect.c makes SQLite understand what was written for MariaDB. */
#include "database.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "migrations.h"
#include "servers.h"
#include "services/persister/persister.h"
#include "shared/base/memory.h"
#include "shared/db/db_bulk.h"

enum { MAX_QUERY_BYTES = 1 << 20, REJECTED = 1064 };

static sqlite3 *database;
static unsigned char *remembered;
static sqlite3_int64 remembered_bytes;
static int64_t positions[4]; /* of the partitions */
static bool positions_known;

/* ---- results ---- */

struct db_result {
	struct slice *cells;
	size_t rows, columns, capacity;
	uint64_t affected;
};

static void result_clear(struct db_result *result) {
	for (size_t i = 0; i < result->rows * result->columns; i++)
		if (result->cells[i].bytes)
			free_copy(result->cells[i]);
	free(result->cells);
	*result = (struct db_result){ 0 };
}

size_t db_rows(const struct db_result *result) {
	return result ? result->rows : 0;
}

struct slice db_value(const struct db_result *result, size_t row, size_t column) {
	if (row >= db_rows(result) || column >= result->columns)
		return (struct slice){ NULL, 0 };
	return result->cells[row * result->columns + column];
}

int64_t db_int(const struct db_result *result, size_t row, size_t column) {
	struct slice value = db_value(result, row, column);
	return value.bytes ? slice_int(value, 0) : 0;
}

uint64_t db_affected(const struct db_result *result) {
	return result ? result->affected : 0;
}

/* ---- the server ---- */

static void take_row(struct db_result *result, sqlite3_stmt *statement) {
	if (result->rows == result->capacity) {
		result->capacity = result->capacity ? result->capacity * 2 : 8;
		result->cells = memory_resize(result->cells, result->capacity * result->columns, sizeof(*result->cells));
	}
	for (size_t i = 0; i < result->columns; i++) {
		const char *text = (const char *)sqlite3_column_text(statement, (int)i);
		size_t length = (size_t)sqlite3_column_bytes(statement, (int)i);
		result->cells[result->rows * result->columns + i] =
			text ? copy_for_world((struct slice){ text, length }) : (struct slice){ NULL, 0 };
	}
	result->rows++;
}

static unsigned error_of(int code) {
	return code == SQLITE_CONSTRAINT ? 1062 : code == SQLITE_ERROR ? 1146 : REJECTED;
}

/* One statement of SQLite's own; 0 or an error number of MariaDB's. */
static unsigned run_one(const struct text *sql, struct db_result *result, char *why, size_t room) {
	int code;
	sqlite3_stmt *statement = statement_for(database, sql, &code);
	if (statement && sqlite3_column_count(statement) > 0) {
		result_clear(result);
		result->columns = (size_t)sqlite3_column_count(statement);
	}
	while (statement && (code = sqlite3_step(statement)) == SQLITE_ROW)
		take_row(result, statement);
	result->affected = (uint64_t)sqlite3_changes(database);
	if (code != SQLITE_DONE && code != SQLITE_OK)
		snprintf(why, room, "%s in: %.300s", sqlite3_errmsg(database), sql->bytes);
	unsigned number = code == SQLITE_DONE || code == SQLITE_OK ? 0 : error_of(code);
	sqlite3_reset(statement);
	return number;
}

/* All statements of a query, in order, until one fails; then what was begun is taken back. */
static unsigned run(struct slice query, struct db_result *result, char *why, size_t room) {
	static struct text sql;
	unsigned number = 0;
	positions_known = false;
	while (number == 0 && dialect_next(&query, &sql)) {
		if (dialect_is_check(&sql)) {
			number = result->affected == 1 ? 0 : 1242;
			snprintf(why, room, "Subquery returns more than 1 row");
		} else {
			number = run_one(&sql, result, why, room);
		}
	}
	if (number != 0 && !sqlite3_get_autocommit(database))
		sqlite3_exec(database, "ROLLBACK", NULL, NULL, NULL);
	return number;
}

void database_rows(const char *sql, void (*row)(void *context, int columns, const char *const *values), void *context) {
	static struct text text;
	const char *values[64];
	int code;
	text_clear(&text);
	text_add(&text, sql);
	sqlite3_stmt *statement = statement_for(database, &text, &code);
	must(statement != NULL);
	while (sqlite3_step(statement) == SQLITE_ROW) {
		int columns = sqlite3_column_count(statement);
		for (int i = 0; i < columns; i++) {
			values[i] = (const char *)sqlite3_column_text(statement, i);
			values[i] = values[i] ? values[i] : "";
		}
		row(context, columns, values);
	}
	sqlite3_reset(statement);
}

static void take_position(void *context, int columns, const char *const *values) {
	(void)columns;
	(void)context;
	size_t partition = (size_t)strtoll(values[0], NULL, 10);
	must(partition < sizeof(positions) / sizeof(positions[0]));
	positions[partition] = strtoll(values[1], NULL, 10);
}

/* Asked for all the time: read anew only when something may have changed. */
int64_t database_position(int64_t partition) {
	if (!positions_known) {
		memset(positions, 0, sizeof(positions));
		database_rows("SELECT partition_id,seq FROM log_position", take_position, NULL);
		positions_known = true;
	}
	return positions[partition];
}

/* ---- opening ---- */

static void open_empty(void) {
	must(sqlite3_config(SQLITE_CONFIG_SINGLETHREAD) == SQLITE_OK &&
	     sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) == SQLITE_OK);
	must(sqlite3_open(":memory:", &database) == SQLITE_OK);
	dialect_open(database);
}

static void make_tables(void) {
	char *why = NULL;
	char sql[256];
	for (size_t i = 0; i < migration_count; i++) {
		struct slice source = { migrations[i].sql, migrations[i].length };
		struct text tables = { 0 };
		dialect_tables(source, &tables);
		int code = sqlite3_exec(database, tables.bytes, NULL, NULL, &why);
		if (code != SQLITE_OK)
			fprintf(stderr, "%s\n%s\n", why, tables.bytes);
		must(code == SQLITE_OK);
		text_release(&tables);
		char checksum[MIGRATION_CHECKSUM_BYTES];
		migration_checksum(i, checksum);
		snprintf(sql, sizeof(sql),
		         "CREATE TABLE IF NOT EXISTS schema_migrations(name PRIMARY KEY,checksum,at);"
		         "INSERT INTO schema_migrations VALUES('%s','%s','')",
		         migrations[i].name, checksum);
		must(sqlite3_exec(database, sql, NULL, NULL, NULL) == SQLITE_OK);
	}
}

/* The tables are made once a program, and emptied for each world. */
static struct text empty_all;

static void add_table(void *context, int columns, const char *const *values) {
	(void)columns;
	(void)context;
	text_printf(&empty_all, "DELETE FROM %s;", values[0]);
}

static void load(const unsigned char *image, sqlite3_int64 bytes) {
	unsigned char *copy = sqlite3_malloc64((sqlite3_uint64)bytes);
	positions_known = false;
	memcpy(copy, image, (size_t)bytes);
	must(sqlite3_deserialize(database, "main", copy, bytes, bytes,
	                         SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE) == SQLITE_OK);
}

void database_begin(void) {
	if (!database) {
		open_empty();
		make_tables();
		database_rows("SELECT name FROM sqlite_schema WHERE type='table' AND name<>'schema_migrations'", add_table,
		              NULL);
	}
	must(sqlite3_exec(database, empty_all.bytes, NULL, NULL, NULL) == SQLITE_OK);
	positions_known = false;
}

void database_end(void) {
	sqlite3_free(remembered);
	remembered = NULL;
}

void database_remember(void) {
	sqlite3_free(remembered);
	remembered = sqlite3_serialize(database, "main", &remembered_bytes, 0);
}

/* A server that lost something was started again: what was sent to the one before is never answered. */
static uint64_t incarnation;

void database_old(void) {
	if (!remembered)
		return;
	load(remembered, remembered_bytes);
	incarnation++;
	database_break_all();
}

/* ---- shared/db/db.h ---- */

struct db_call {
	struct db_call *next;
	uint64_t serial;
	db_handler *handler;
	void *context;
};

struct db {
	struct line line;
	struct db_call *first, **end;
	uint64_t serial;
	uint64_t incarnation; /* of the database it is connected to */
	bool breaking, deaf;
};

struct flight {
	struct db *db;
	struct process *process;
	uint64_t life, number, serial, incarnation;
	struct slice sql;
	bool reply_lost;
	unsigned error_number;
	char why[400];
	struct db_result result;
};

struct open_db {
	struct open_db *next;
	struct process *process;
	uint64_t life;
	struct db *db;
};
static struct open_db *opened;

static void flight_free(void *context) {
	struct flight *flight = context;
	result_clear(&flight->result);
	free_copy(flight->sql);
	free(flight);
}

static void reconnect(void *context) {
	struct db *db = context;
	if (servers.database_down) {
		world_at(world.now_us + 100000, db->line.process, reconnect, NULL, db);
		return;
	}
	db->line.up = true;
	db->incarnation = incarnation;
	db->deaf = false;
	db->line.out_us = db->line.in_us = world.now_us;
}

static void break_now(void *context) {
	struct db *db = context;
	struct error err = { 0 };
	struct db_call *call = db->first;
	bool was_up = db->line.up;
	db->breaking = db->line.up = false;
	db->line.number++;
	db->first = NULL;
	db->end = &db->first;
	(void)fail(&err, STATUS_RETRY, "database: the connection was lost");
	while (call) {
		struct db_call *next = call->next;
		if (call->handler)
			call->handler(call->context, STATUS_RETRY, 0, &err, NULL);
		free(call);
		call = next;
	}
	if (was_up)
		world_at(world.now_us + 50000 + world_draw(400000), db->line.process, reconnect, NULL, db);
}

static void break_soon(struct db *db, int64_t after_us) {
	if (db->breaking)
		return;
	db->breaking = true;
	world_at(world.now_us + after_us, db->line.process, break_now, NULL, db);
}

void database_break_all(void) {
	for (struct open_db *each = opened; each; each = each->next)
		if (process_is(each->process, each->life))
			break_soon(each->db, world_draw(20000));
}

static void up_again(void *context) {
	(void)context;
	servers.database_down = false;
}

void database_server_down(void) {
	if (servers.database_down)
		return;
	servers.database_down = true;
	database_break_all();
	world_at(world.now_us + 10000 + world_draw(5000000), NULL, up_again, NULL, NULL);
}

static void on_answer(void *context) {
	struct flight *flight = context;
	struct db *db = flight->db;
	struct error err = { 0 };
	struct db_call *call = db->first;
	enum status status = STATUS_OK;
	if (db->line.number != flight->number || !call || call->serial != flight->serial) {
		flight_free(flight);
		return;
	}
	db->first = call->next;
	if (!db->first)
		db->end = &db->first;
	if (flight->error_number)
		status = fail(&err, STATUS_REJECT, "database: %s (%u)", flight->why, flight->error_number);
	if (flight->error_number && flight->error_number != 1242)
		world_violation("the database refuses a query: %s", flight->why);
	if (call->handler)
		call->handler(call->context, status, flight->error_number, &err, status == STATUS_OK ? &flight->result : NULL);
	free(call);
	flight_free(flight);
}

static void execute(void *context) {
	struct flight *flight = context;
	bool lives = process_is(flight->process, flight->life);
	bool is_gone = servers.database_down || flight->incarnation != incarnation;
	if (is_gone || (lives && flight->db->line.number != flight->number)) {
		if (lives && flight->db->line.number == flight->number)
			break_soon(flight->db, world_draw(10000));
		flight_free(flight);
		return;
	}
	flight->error_number = run(flight->sql, &flight->result, flight->why, sizeof(flight->why));
	if (!lives) {
		flight_free(flight);
	} else if (flight->reply_lost) {
		break_soon(flight->db, world_draw(2000000));
		flight_free(flight);
	} else {
		world_at(line_answer(&flight->db->line), flight->process, on_answer, flight_free, flight);
	}
}

static void refuse(void *context) {
	struct db_call *call = context;
	struct error err = { 0 };
	(void)fail(&err, STATUS_RETRY, "database: not connected");
	if (call->handler)
		call->handler(call->context, STATUS_RETRY, 0, &err, NULL);
	free(call);
}

void db_query(struct db *db, struct slice sql, db_handler *handler, void *context) {
	struct db_call *call = memory_new(sizeof(*call));
	int64_t arrives_us;
	*call = (struct db_call){ .serial = ++db->serial, .handler = handler, .context = context };
	if (!db->line.up) {
		world_at(world.now_us + 20, db->line.process, refuse, NULL, call);
		return;
	}
	*db->end = call;
	db->end = &call->next;
	enum fate fate = line_send(&db->line, &arrives_us);
	if (fate == FATE_REQUEST_LOST || db->deaf) {
		db->deaf = true;
		break_soon(db, world_draw(3000000));
		return;
	}
	struct arena *arena = arena_use(NULL);
	struct flight *flight = memory_new(sizeof(*flight));
	flight->db = db;
	flight->process = db->line.process;
	flight->life = db->line.life;
	flight->number = db->line.number;
	flight->incarnation = db->incarnation;
	flight->serial = call->serial;
	flight->sql = copy_for_world(sql);
	flight->reply_lost = fate == FATE_REPLY_LOST;
	arena_use(arena);
	world_at(arrives_us, NULL, execute, flight_free, flight);
}

enum status db_open(struct loop *loop, const char *url, struct db **db, struct error *err) {
	struct db *made = memory_new(sizeof(*made));
	(void)loop;
	(void)url;
	(void)err;
	made->line = (struct line){ .process = world.current, .life = world.current->life, .number = 1 };
	made->end = &made->first;
	struct arena *arena = arena_use(NULL);
	struct open_db *each = memory_new(sizeof(*each));
	*each = (struct open_db){ opened, world.current, world.current->life, made };
	opened = each;
	arena_use(arena);
	world_at(world.now_us + 500 + world_draw(5000), world.current, reconnect, NULL, made);
	*db = made;
	return STATUS_OK;
}

void database_forget(void) {
	while (opened) {
		struct open_db *gone = opened;
		opened = gone->next;
		free(gone);
	}
}

void db_close(struct db **db) {
	*db = NULL;
}

void db_create_missing(struct db *db) {
	(void)db;
}

bool db_connected(const struct db *db) {
	return db->line.up;
}

uint64_t db_generation(const struct db *db) {
	return db->line.number;
}

size_t db_waiting(const struct db *db) {
	return db->first ? 1 : 0;
}

size_t db_max_query_bytes(const struct db *db) {
	(void)db;
	return MAX_QUERY_BYTES;
}

bool db_can_bulk(const struct db *db) {
	(void)db;
	return false; /* text: the same rows */
}

void db_bulk_run(struct db *db, struct db_bulk *bulk, db_handler *handler, void *context) {
	(void)db;
	(void)handler;
	(void)context;
	must(bulk == NULL); /* there is no bulk here: db_can_bulk() says so */
}

void db_bulk_close(struct db_bulk **bulk) {
	*bulk = NULL;
}
