/* SQL literals, written fast. */
#ifndef CORDER_PERSISTER_SQL_H
#define CORDER_PERSISTER_SQL_H

#include "shared/base/text.h"

/* 'YYYY-MM-DD hh:mm:ss.uuuuuu', UTC. */
void sql_time(struct text *sql, int64_t at_us);
void sql_time_or_null(struct text *sql, int64_t at_us); /* 0: NULL */
/* An id, token or other text known to hold nothing that needs escaping; checked, and escaped if it does. */
void sql_id(struct text *sql, struct slice id);
void sql_id_or_null(struct text *sql, struct slice id); /* empty: NULL */
/* Any text. */
void sql_text(struct text *sql, struct slice value);
void sql_text_or_null(struct text *sql, struct slice value); /* empty: NULL */
/* The text that the body of a JSON string stands for. */
void sql_json_body_or_null(struct text *sql, struct slice body); /* empty: NULL */
/* Microseconds as seconds. */
void sql_seconds_or_null(struct text *sql, int64_t us); /* 0: NULL */

#endif
