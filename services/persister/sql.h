/* SQL literals, written fast. */
#ifndef CORDER_PERSISTER_SQL_H
#define CORDER_PERSISTER_SQL_H

#include "shared/base/text.h"

/* 'YYYY-MM-DD hh:mm:ss.uuuuuu', UTC. */
void sql_time(struct text *sql, int64_t at_us);
/* An id, token or other text that most likely needs no escaping; escaped if it does. */
void sql_id(struct text *sql, struct slice id);
/* Any text. */
void sql_text(struct text *sql, struct slice value);
/* The text that the body of a JSON string stands for, without quotes. */
void json_body_text(struct text *out, struct slice body);

#endif
