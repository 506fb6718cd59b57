/* Brings the tables to the present form: each migration once, in order, under a lock, remembered with a checksum. DDL is
 * not transactional: a migration that broke off runs again, so that each must bear it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "migrations.h"
#include "persister.h"
#include "shared/base/id.h"
#include "shared/base/log.h"

enum { NO_SUCH_TABLE = 1146 };

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

static void on_run(void *context, enum status status, unsigned error_number, const struct error *err,
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

static void run(struct persister *persister) {
	const struct migration *migration = &migrations[persister->migration];
	struct slice source = { migration->sql, migration->length };
	struct text sql = { 0 };
	text_add_slice(&sql, source);
	text_printf(&sql, "\nINSERT INTO schema_migrations(name,checksum,at)VALUES('%s','%016" PRIx64 "',UTC_TIMESTAMP(6))",
	            migration->name, id_hash(source));
	db_query(persister->db, (struct slice){ sql.bytes, sql.length }, on_run, persister);
	text_release(&sql);
}

static void on_known(void *context, enum status status, unsigned error_number, const struct error *err,
                     const struct db_result *result) {
	struct persister *persister = context;
	const struct migration *migration = &migrations[persister->migration];
	char checksum[17];
	(void)error_number;
	if (status != STATUS_OK) {
		broken_off(persister, migration->name, err->message);
		return;
	}
	if (db_rows(result) == 0) {
		run(persister);
		return;
	}
	snprintf(checksum, sizeof(checksum), "%016" PRIx64, id_hash((struct slice){ migration->sql, migration->length }));
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
