/* Binds the cells of a bulk statement and gives it to Connector/C. A prepared statement belongs to one connection: it is
 * prepared again on a new one. */
#include <stdlib.h>
#include <string.h>

#include "../base/memory.h"
#include "db_bulk_inside.h"

static void forget(struct db_bulk *bulk) {
	if (bulk->statement)
		mysql_stmt_close(bulk->statement); /* of a closed connection: only frees */
	bulk->statement = NULL;
}

void db_bulk_close(struct db_bulk **bulk) {
	struct db_bulk *closed = *bulk;
	if (!closed)
		return;
	*bulk = NULL;
	forget(closed);
	db_bulk_free(closed);
}

bool db_statement_is_ready(const struct db *db, const struct db_bulk *bulk) {
	return bulk->statement && bulk->generation == db->generation && db_bulk_fits(bulk);
}

MYSQL_STMT *db_statement_new(struct db *db, struct db_bulk *bulk) {
	forget(bulk);
	db_bulk_choose(bulk);
	bulk->statement = mysql_stmt_init(db->mysql);
	must(bulk->statement != NULL);
	bulk->generation = db->generation;
	return bulk->statement;
}

/* Plain ASCII goes as bytes, which the server copies to any column as they are. What is more goes as utf8mb4: it is checked,
 * and converted a character at a time, which is a tenth of all that rows of many short texts cost. */
static enum enum_field_types wire_type(const struct db_column *column) {
	switch (column->kind) {
	case DB_CELL_INT: return MYSQL_TYPE_LONGLONG;
	case DB_CELL_TIME: return MYSQL_TYPE_DATETIME;
	case DB_CELL_TEXT:
	case DB_CELL_NULL: break;
	}
	return column->wide ? MYSQL_TYPE_STRING : MYSQL_TYPE_BLOB;
}

MYSQL_STMT *db_statement_bind(struct db_bulk *bulk) {
	unsigned rows = (unsigned)bulk->rows;
	must(bulk->rows > 0 && bulk->column == 0);
	if (!bulk->binds)
		bulk->binds = memory_array(bulk->column_count, sizeof(*bulk->binds));
	memset(bulk->binds, 0, bulk->column_count * sizeof(*bulk->binds));
	size_t count = 0;
	for (size_t i = 0; i < bulk->column_count; i++) {
		if (!bulk->columns[i].prepared)
			continue;
		MYSQL_BIND *bind = &bulk->binds[count++];
		bind->buffer_type = wire_type(&bulk->columns[i]);
		bind->buffer = bulk->columns[i].values;
		bind->length = bulk->columns[i].lengths;
		bind->u.indicator = bulk->columns[i].indicators;
	}
	(void)mysql_stmt_attr_set(bulk->statement, STMT_ATTR_ARRAY_SIZE, &rows);
	must(mysql_stmt_bind_param(bulk->statement, bulk->binds) == 0);
	return bulk->statement;
}

bool db_can_bulk(const struct db *db) {
	return db->can_bulk;
}
