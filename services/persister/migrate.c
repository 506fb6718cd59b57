/* Brings the tables to the present form: each migration once, in order, under a lock, remembered with a checksum. DDL is
 * not transactional: a migration that broke off runs again, so that each must bear it. MySQL knows no ADD COLUMN IF NOT
 * EXISTS: there the clause is a comment, and a column that is there already is taken as added. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "migrations.h"
#include "persister.h"
#include "shared/base/id.h"
#include "shared/base/log.h"

enum { DUPLICATE_COLUMN = 1060, NO_SUCH_TABLE = 1146 };

static const char lock[] = "SELECT GET_LOCK(CONCAT('corder.migrate.',DATABASE()),5)";
static const char release[] = "SELECT RELEASE_LOCK(CONCAT('corder.migrate.',DATABASE()))";

static void next(struct persister *persister);

static void ask(struct persister *persister, const char *sql, db_handler *handler) {
	db_query(persister->db, slice_of(sql), handler, persister);
}

/* The tick starts over. */
static void broken_off(struct persister *persister, const char *name, const char *why) {
	char trouble[sizeof(persister->trouble)];
	snprintf(trouble, sizeof(trouble), "migration %s: %s", name, why);
	if (strcmp(trouble, persister->trouble) != 0)
		log_error("the tables could not be brought up to date; it is tried again", "migration", name, "reason", why,
		          NULL);
	memcpy(persister->trouble, trouble, sizeof(trouble));
	persister->migrating = false;
	if (db_connected(persister->db))
		db_query(persister->db, slice_of(release), NULL, NULL);
}

static void on_released(void *context, enum status status, unsigned error_number, const struct error *err,
                        const struct db_result *result) {
	struct persister *persister = context;
	(void)status; /* a lost connection has released it as well */
	(void)error_number;
	(void)err;
	(void)result;
	persister->migrating = false;
	persister->migrated = true;
	persister->trouble[0] = 0;
	for (int64_t i = 0; i < persister->options.partitions; i++)
		partition_load(&persister->partitions[i]);
}

/* As MariaDB reads it, without the signs of its own comments: what was written before MySQL was thought of has the same. */
void migration_checksum(size_t index, char checksum[MIGRATION_CHECKSUM_BYTES]) {
	static const char begin[] = "/*M! ", end[] = " */";
	struct text text = { 0 };
	const char *at = migrations[index].sql, *comment;
	while ((comment = strstr(at, begin)) != NULL) {
		const char *inside = comment + strlen(begin), *close = strstr(inside, end);
		must(close != NULL);
		text_append(&text, at, (size_t)(comment - at));
		text_append(&text, inside, (size_t)(close - inside));
		at = close + strlen(end);
	}
	text_add(&text, at);
	snprintf(checksum, MIGRATION_CHECKSUM_BYTES, "%016" PRIx64, id_hash((struct slice){ text.bytes, text.length }));
	text_release(&text);
}

static void run_statement(struct persister *persister);

static void on_remembered(void *context, enum status status, unsigned error_number, const struct error *err,
                          const struct db_result *result) {
	struct persister *persister = context;
	const char *name = migrations[persister->migration].name;
	(void)error_number;
	(void)result;
	if (status != STATUS_OK) {
		broken_off(persister, name, err->message);
		return;
	}
	log_info("migrated the database", "migration", name, NULL);
	persister->migration++;
	next(persister);
}

static void remember(struct persister *persister) {
	char sql[256], checksum[MIGRATION_CHECKSUM_BYTES];
	migration_checksum(persister->migration, checksum);
	snprintf(sql, sizeof(sql), "INSERT INTO schema_migrations(name,checksum,at)VALUES('%s','%s',UTC_TIMESTAMP(6))",
	         migrations[persister->migration].name, checksum);
	ask(persister, sql, on_remembered);
}

static void on_statement(void *context, enum status status, unsigned error_number, const struct error *err,
                         const struct db_result *result) {
	struct persister *persister = context;
	(void)result;
	if (status == STATUS_OK || error_number == DUPLICATE_COLUMN)
		run_statement(persister);
	else
		broken_off(persister, migrations[persister->migration].name, err->message);
}

/* One at a time: of several that are sent together, those behind one whose column is there would not be run. */
static void run_statement(struct persister *persister) {
	static const char end[] = ";\n";
	const char *statement = persister->statement, *last = strstr(statement, end);
	if (last == NULL) {
		remember(persister);
		return;
	}
	persister->statement = last + strlen(end);
	db_query(persister->db, (struct slice){ statement, (size_t)(last - statement) }, on_statement, persister);
}

static void run(struct persister *persister) {
	persister->statement = migrations[persister->migration].sql;
	run_statement(persister);
}

static void on_known(void *context, enum status status, unsigned error_number, const struct error *err,
                     const struct db_result *result) {
	struct persister *persister = context;
	const struct migration *migration = &migrations[persister->migration];
	char checksum[MIGRATION_CHECKSUM_BYTES];
	(void)error_number;
	if (status != STATUS_OK) {
		broken_off(persister, migration->name, err->message);
		return;
	}
	if (db_rows(result) == 0) {
		run(persister);
		return;
	}
	migration_checksum(persister->migration, checksum);
	if (!slice_is(db_value(result, 0, 0), checksum)) {
		broken_off(persister, migration->name,
		           "the database has run another text of it: is this the right release for this database?");
		return;
	}
	persister->migration++;
	next(persister);
}

static void next(struct persister *persister) {
	char sql[256];
	if (persister->migration == migration_count) {
		ask(persister, release, on_released);
		return;
	}
	snprintf(sql, sizeof(sql), "SELECT checksum FROM schema_migrations WHERE name='%s'",
	         migrations[persister->migration].name);
	ask(persister, sql, on_known);
}

static void on_table(void *context, enum status status, unsigned error_number, const struct error *err,
                     const struct db_result *result) {
	struct persister *persister = context;
	(void)result;
	if (status == STATUS_OK) {
		next(persister);
		return;
	}
	if (error_number != NO_SUCH_TABLE) {
		broken_off(persister, "table", err->message);
		return;
	}
	ask(persister,
	    "CREATE TABLE IF NOT EXISTS schema_migrations(name VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin PRIMARY "
	    "KEY,"
	    "checksum CHAR(16) CHARACTER SET ascii NOT NULL,at DATETIME(6) NOT NULL)ENGINE=InnoDB",
	    on_table);
}

static void on_locked(void *context, enum status status, unsigned error_number, const struct error *err,
                      const struct db_result *result) {
	struct persister *persister = context;
	(void)error_number;
	if (status != STATUS_OK || db_int(result, 0, 0) != 1) {
		broken_off(persister, "lock", status == STATUS_OK ? "another instance migrates" : err->message);
		return;
	}
	ask(persister, "SELECT 1 FROM schema_migrations LIMIT 1", on_table);
}

void migrate(struct persister *persister) {
	if (persister->migrating || !db_connected(persister->db))
		return;
	persister->migrating = true;
	persister->migration = 0;
	ask(persister, lock, on_locked);
}
