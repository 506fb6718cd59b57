/* Ended tasks leave Redis, and MySQL knows them for as long as it keeps them. A command finds them there; a retry brings back from
 * there what it takes to run again: the task, what it depends on, and with cascade what was skipped because of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command_inside.h"
#include "rebuild_rows.h"
#include "shared/base/memory.h"
#include "shared/task/record.h"

enum {
	READ_AT_ONCE = 20,
	ROWS_MOST = 10000, /* more than command_retry.lua takes along, and what they depend on */
	ROWS_BYTES = 64000000,
	TRIES_MOST = 6,
	COLUMN_SEQ = REBUILD_COLUMN_COUNT /* behind them: how far the database has come */
};

/* ------------------------------------------------------------------------------------------------------------ looking up */

static bool is_unknown(const struct command_run *run, size_t i) {
	struct slice verdict = slice_of(run->verdicts[i]);
	return slice_is(slice_cut(&verdict, RECORD_US), CODE_NOT_FOUND);
}

static void decide(struct command_run *run, size_t i, const char *code, const char *status, const char *why) {
	struct text verdict = { 0 };
	text_printf(&verdict, "%s%c", code, RECORD_US);
	if (status != NULL)
		text_printf(&verdict, "it is %s%s", status, why);
	else
		text_add(&verdict, why);
	free(run->verdicts[i]);
	run->verdicts[i] = text_take(&verdict);
}

/* The task is in the database and not in Redis. */
static void decide_ended(struct command_run *run, size_t i, const char *status) {
	bool ended = record_is_final(record_status_letter(slice_of(status)));
	if (!ended || (run->command == COMMAND_RETRY && strcmp(status, "completed") != 0))
		decide(run, i, CODE_UNAVAILABLE, status, ", and not in Redis yet: repeat later");
	else
		decide(run, i, CODE_WRONG_STATUS, status, " already");
}

static void on_looked(void *context, enum status status, unsigned number, const struct error *err,
                      const struct db_result *result) {
	struct command_run *run = context;
	(void)number;
	(void)err;
	for (size_t i = 0; i < run->id_count; i++) {
		if (!is_unknown(run, i))
			continue;
		if (status != STATUS_OK)
			decide(run, i, CODE_UNAVAILABLE, NULL,
			       "the database, which knows what ended long ago, is away: repeat later");
		for (size_t row = 0; status == STATUS_OK && row < db_rows(result); row++)
			if (slice_equal(db_value(result, row, 0), run->ids[i]))
				decide_ended(run, i, db_value(result, row, 1).bytes);
	}
	command_next(run);
}

bool command_look_up(struct command_run *run) {
	struct text sql = { 0 };
	size_t unknown = 0;
	for (size_t i = 0; !run->looked && i < run->id_count; i++) {
		if (!is_unknown(run, i))
			continue;
		text_add(&sql, unknown++ == 0 ? "SELECT task_id,status FROM tasks WHERE project=" : ",");
		if (unknown == 1) {
			db_quote(&sql, run->asked.project);
			text_add(&sql, " AND task_id IN (");
		}
		db_quote(&sql, run->ids[i]);
	}
	run->looked = true;
	if (unknown > 0) {
		text_add(&sql, ")");
		db_query(run->partition->scheduler->db, (struct slice){ sql.bytes, sql.length }, on_looked, run);
	}
	text_release(&sql);
	return unknown > 0;
}

/* ------------------------------------------------------------------------------------------------------------ bringing back */

static void add_ended(struct command_run *run, struct text *out, const struct db_result *rows, size_t row) {
	text_printf(out, "ended%c%s%c%lld%c", RECORD_US, run->by, RECORD_US, (long long)db_int(rows, row, COLUMN_SEQ),
	            RECORD_US);
	rebuild_add_task(out, rows, row, 0);
}

static void read_rows(struct command_run *run);

/* More than one call takes; one by one it may be less. */
static void on_too_many(struct command_run *run) {
	if (run->called_count > 1) {
		run->at_once = 1;
		read_rows(run);
		return;
	}
	run->left[run->called[0]] = false;
	decide(run, run->called[0], CODE_LIMIT_EXCEEDED, NULL, "too many tasks would go along: retry them in parts");
	command_next(run);
}

static void on_rows(void *context, enum status status, unsigned number, const struct error *err,
                    const struct db_result *rows) {
	struct command_run *run = context;
	(void)number;
	(void)err;
	if (status != STATUS_OK || db_rows(rows) == 0) {
		command_give_up(run, CODE_UNAVAILABLE, "the database, which knows what ended long ago, is away: repeat later");
		return;
	}
	if (db_rows(rows) > ROWS_MOST) {
		on_too_many(run);
		return;
	}
	struct text looked = { 0 };
	text_printf(&looked, "%s%c%lld", run->by, RECORD_US, (long long)db_int(rows, 0, COLUMN_SEQ));
	run->rows_by = text_take(&looked);
	size_t count = 0, bytes = 0;
	struct text *texts = memory_array(db_rows(rows), sizeof(*texts));
	for (size_t row = 0; row < db_rows(rows) && bytes <= ROWS_BYTES; row++) {
		if (db_value(rows, row, 0).bytes == NULL)
			continue;
		add_ended(run, &texts[count], rows, row);
		bytes += texts[count++].length;
	}
	if (bytes <= ROWS_BYTES) {
		for (size_t i = 0; i < run->called_count; i++)
			run->left[run->called[i]] = false;
		command_call(run, texts, count);
	} else {
		while (count > 0)
			text_release(&texts[--count]);
		free(run->rows_by);
		run->rows_by = NULL;
		on_too_many(run);
	}
	free(texts);
}

static void add_names(const struct command_run *run, struct text *sql) {
	for (size_t i = 0; i < run->called_count; i++) {
		if (i > 0)
			text_add_char(sql, ',');
		db_quote(sql, run->ids[run->called[i]]);
	}
}

/* w: the tasks themselves and, with cascade, those that were skipped because of them, and because of those in turn. */
static void add_wanted(const struct command_run *run, struct text *sql, const char *project) {
	text_printf(sql, "WITH RECURSIVE w AS (SELECT number, task_id FROM tasks WHERE project=%s AND task_id IN (",
	            project);
	add_names(run, sql);
	text_add(sql, ")");
	if (run->asked.cascade)
		text_printf(sql,
		            " UNION SELECT c.number, c.task_id FROM w JOIN task_dependencies d ON d.project=%s AND "
		            "d.dependency_id=w.task_id JOIN tasks c ON c.partition_id=d.partition_id AND c.number=d.number "
		            "WHERE c.status='skipped' AND c.because=w.task_id",
		            project);
	text_printf(
		sql,
		") SELECT number FROM w UNION SELECT x.number FROM w JOIN task_dependencies d ON d.partition_id=%lld AND "
		"d.number=w.number JOIN tasks x ON x.project=d.project AND x.task_id=d.dependency_id",
		(long long)run->partition->index);
}

static void read_rows(struct command_run *run) {
	struct text sql = { 0 }, project = { 0 };
	run->called_count = 0;
	for (size_t i = 0; i < run->id_count && run->called_count < run->at_once; i++)
		if (run->left[i])
			run->called[run->called_count++] = i;
	db_quote(&project, run->asked.project);
	text_add(&sql, "SELECT " REBUILD_COLUMNS ", p.seq FROM log_position p LEFT JOIN (");
	add_wanted(run, &sql, project.bytes);
	text_printf(&sql,
	            ") n ON TRUE LEFT JOIN tasks t ON t.partition_id=p.partition_id AND t.number=n.number "
	            "WHERE p.partition_id=%lld LIMIT %d",
	            (long long)run->partition->index, ROWS_MOST + 1);
	db_query(run->partition->scheduler->db, (struct slice){ sql.bytes, sql.length }, on_rows, run);
	text_release(&project);
	text_release(&sql);
}

void command_bring_back(struct command_run *run) {
	if (run->tries > TRIES_MOST) {
		command_give_up(run, CODE_UNAVAILABLE, "what left Redis could not be brought back: repeat later");
		return;
	}
	if (run->at_once == 0)
		run->at_once = READ_AT_ONCE;
	read_rows(run);
}
