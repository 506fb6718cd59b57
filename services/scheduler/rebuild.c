/* Fills Redis from the database, when it is empty, behind the log, or has diverged from it. Lost Redis is lost time:
 *
 *   wait until the database has the log's last event (the persister goes on by itself; nothing new can come meanwhile)
 *   -> take the token -> wipe -> all tasks that have not ended, and the ended ones they depend on -> their edges
 *   -> pauses, unfinished graphs -> make it live with a new epoch
 *
 * The tasks are walked through in order of their numbers, a range at a time: of many that have ended few are looked for, and a
 * statement that looked at all of them would take longer than an answer may. Each page is a step, also one without a row: so
 * the token does not expire on the way.
 *
 * What was read must be of one database and what was written in one Redis. The database may come back without its tail, by
 * another connection; Redis may fall back to an older state, in which a step is missing that was answered: then all begins anew.
 *
 * Running tasks come back with the same lease and a fresh deadline, so that no running try is repeated. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rebuild_rows.h"
#include "scheduler.h"
#include "shared/base/clock.h"
#include "shared/base/id.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/task/record.h"

enum { PAGE_TASKS = 200, PAGE_NUMBERS = 50000, TOKEN_MS = 20000, POLL_MS = 100, MOST_POLLS = 50 };

enum rebuild_phase {
	PHASE_POSITION,
	PHASE_BEGIN,
	PHASE_WIPE,
	PHASE_LIVE, /* from here … */
	PHASE_ENDED,
	PHASE_EDGES,
	PHASE_COUNTS, /* … to here a walk through the tasks each */
	PHASE_PAUSES,
	PHASE_GRAPHS,
	PHASE_FINISH
};

struct rebuild {
	struct partition *partition;
	enum rebuild_phase phase;
	char epoch[STATE_EPOCH_BYTES]; /* the one that is replaced; "" none */
	char token[ID_BYTES];
	int64_t log_seq, seq;
	char entry_id[64];
	int64_t after; /* the page before has looked at all numbers up to this */
	int64_t to;    /* the last number of this page */
	int64_t tasks, started_us;
	int steps;           /* of load.lua, asked so far: each has its number */
	uint64_t generation; /* of the database's connection by which the position was read */
	int polls;           /* of the database's position */
	struct loop_timer *timer;
	bool said;
};

static void step(struct rebuild *rebuild);

#define LIVE "('blocked','pending','running','retry')"

static void end(struct rebuild *rebuild) {
	struct partition *partition = rebuild->partition;
	partition->rebuild = NULL;
	loop_timer_stop(partition->scheduler->loop, &rebuild->timer);
	free(rebuild);
}

static void on_left(void *context, enum status status, const struct state_head *head, const struct kv_reply *reply,
                    const struct error *err) {
	(void)context;
	(void)status;
	(void)head;
	(void)reply;
	(void)err;
}

/* "token number", as load.lua wants it; the steps of a rebuild follow each other. */
static struct slice name_step(struct rebuild *rebuild, char *buffer, size_t size) {
	snprintf(buffer, size, "%s %d", rebuild->token, ++rebuild->steps);
	return slice_of(buffer);
}

static void give_up(struct rebuild *rebuild, const char *why) {
	struct partition *partition = rebuild->partition;
	log_warn("the rebuild begins anew", "why", why, "partition", log_int(partition->index), NULL);
	if (rebuild->phase > PHASE_BEGIN) {
		char name[ID_BYTES + 16];
		struct slice arguments[] = { name_step(rebuild, name, sizeof(name)), SLICE("leave") };
		state_call(partition->state, &state_script_load, arguments, 2, on_left, NULL);
	}
	end(rebuild);
	relay_look_again_after_rebuild(partition->relay);
}

static void on_timer(void *context) {
	struct rebuild *rebuild = context;
	rebuild->timer = NULL;
	step(rebuild);
}

static void step_later(struct rebuild *rebuild, int64_t delay_ms) {
	rebuild->timer =
		loop_timer_start(rebuild->partition->scheduler->loop, clock_mono_us() + delay_ms * 1000, on_timer, rebuild);
}

static void next_phase(struct rebuild *rebuild) {
	rebuild->phase++;
	rebuild->after = 0;
	step(rebuild);
}

static void on_loaded(void *context, enum status status, const struct state_head *head, const struct kv_reply *reply,
                      const struct error *err) {
	struct rebuild *rebuild = context;
	struct partition *partition = rebuild->partition;
	(void)head;
	struct slice verdict = status == STATUS_OK ? kv_text(kv_at(reply, 1)) : (struct slice){ 0 };
	if (status != STATUS_OK) {
		give_up(rebuild, err->message);
	} else if (slice_is(verdict, "stale") && rebuild->phase > PHASE_BEGIN) {
		give_up(rebuild, "Redis knows another rebuild, or has lost a step of this one");
	} else if (slice_is(verdict, "stale")) {
		log_debug("another scheduler rebuilds, or has rebuilt", "partition", log_int(partition->index), NULL);
		end(rebuild);
		relay_look_again_after_rebuild(partition->relay);
	} else if (slice_is(verdict, "more")) {
		step(rebuild);
	} else if (rebuild->phase == PHASE_FINISH) {
		log_info("Redis is rebuilt", "partition", log_int(partition->index), "tasks", log_int(rebuild->tasks), "seq",
		         log_int(rebuild->seq), "ms", log_int((clock_mono_us() - rebuild->started_us) / 1000), NULL);
		(*partition->scheduler->rebuilds)++;
		end(rebuild);
		relay_look_again_after_rebuild(partition->relay);
	} else if (rebuild->after > 0) {
		step(rebuild); /* the next page */
	} else {
		next_phase(rebuild);
	}
}

static void load(struct rebuild *rebuild, const char *verb, const struct slice *more, size_t count) {
	char name[ID_BYTES + 16];
	struct slice *arguments = memory_array(count + 2, sizeof(*arguments));
	arguments[0] = name_step(rebuild, name, sizeof(name));
	arguments[1] = slice_of(verb);
	if (count > 0)
		memcpy(arguments + 2, more, count * sizeof(*more));
	state_call(rebuild->partition->state, &state_script_load, arguments, count + 2, on_loaded, rebuild);
	free(arguments);
}

static void load_texts(struct rebuild *rebuild, const char *verb, struct text *texts, size_t count) {
	struct slice *more = memory_array(count, sizeof(*more));
	for (size_t i = 0; i < count; i++)
		more[i] = (struct slice){ texts[i].bytes, texts[i].length };
	load(rebuild, verb, more, count);
	for (size_t i = 0; i < count; i++)
		text_release(&texts[i]);
	free(more);
}

/* ------------------------------------------------------------------------------------------------------------ rows */

/* Where the next page begins: a page that is full ends before its range does. */
static void turn_page(struct rebuild *rebuild, const struct db_result *rows) {
	size_t count = db_rows(rows);
	rebuild->after = count < PAGE_TASKS ? rebuild->to : db_int(rows, count - 1, 0);
}

static bool failed(struct rebuild *rebuild, enum status status, const struct error *err) {
	if (status == STATUS_OK)
		return false;
	give_up(rebuild, err->message);
	return true;
}

static void on_tasks(void *context, enum status status, unsigned number, const struct error *err,
                     const struct db_result *rows) {
	struct rebuild *rebuild = context;
	size_t count = db_rows(rows);
	(void)number;
	if (failed(rebuild, status, err))
		return;
	int64_t lease_us = rebuild->partition->scheduler->settings->lease_ms * 1000;
	struct text *texts = memory_array(count, sizeof(*texts));
	for (size_t i = 0; i < count; i++)
		rebuild_add_task(&texts[i], rows, i, lease_us);
	turn_page(rebuild, rows);
	rebuild->tasks += (int64_t)count;
	load_texts(rebuild, "tasks", texts, count);
	free(texts);
}

static void on_edges(void *context, enum status status, unsigned number, const struct error *err,
                     const struct db_result *rows) {
	struct rebuild *rebuild = context;
	size_t count = db_rows(rows);
	(void)number;
	if (failed(rebuild, status, err))
		return;
	struct text *texts = memory_array(count, sizeof(*texts));
	for (size_t i = 0; i < count; i++) {
		text_add_slice(&texts[i], db_value(rows, i, 0));
		text_add_char(&texts[i], RECORD_US);
		text_add_slice(&texts[i], db_value(rows, i, 1));
	}
	turn_page(rebuild, rows);
	load_texts(rebuild, "edges", texts, count);
	free(texts);
}

static void on_pairs(void *context, enum status status, unsigned number, const struct error *err,
                     const struct db_result *rows) {
	struct rebuild *rebuild = context;
	const char *verb = rebuild->phase == PHASE_GRAPHS ? "graphs" : rebuild->phase == PHASE_COUNTS ? "counts" : "pauses";
	size_t words = rebuild->phase == PHASE_PAUSES ? 1 : 2;
	size_t count = db_rows(rows);
	(void)number;
	if (failed(rebuild, status, err))
		return;
	if (count == 0 && rebuild->phase != PHASE_COUNTS) {
		next_phase(rebuild);
		return;
	}
	struct text *texts = memory_array(count * words, sizeof(*texts));
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < words; j++)
			text_add_slice(&texts[i * words + j], db_value(rows, i, j));
	if (rebuild->phase == PHASE_COUNTS)
		rebuild->after = rebuild->to;
	load_texts(rebuild, verb, texts, count * words);
	free(texts);
}

static void on_position(void *context, enum status status, unsigned number, const struct error *err,
                        const struct db_result *rows) {
	struct rebuild *rebuild = context;
	(void)number;
	if (status == STATUS_REJECT || status == STATUS_RETRY) {
		if (!rebuild->said)
			log_warn("the rebuild waits for the database", "why", err->message, NULL);
		rebuild->said = true;
		step_later(rebuild, 500);
		return;
	}
	rebuild->generation = db_generation(rebuild->partition->scheduler->db);
	struct slice id = db_rows(rows) > 0 ? db_value(rows, 0, 1) : (struct slice){ 0 };
	rebuild->seq = db_rows(rows) > 0 ? db_int(rows, 0, 0) : 0;
	snprintf(rebuild->entry_id, sizeof(rebuild->entry_id), "%.*s", (int)id.length, id.bytes != NULL ? id.bytes : "");
	if (rebuild->seq >= rebuild->log_seq)
		next_phase(rebuild);
	else if (++rebuild->polls < MOST_POLLS)
		step_later(rebuild, POLL_MS); /* the persister still reads the log */
	else
		give_up(rebuild, "the database does not come up to the log, which may end elsewhere by now");
}

/* ------------------------------------------------------------------------------------------------------------ phases */

static void ask(struct rebuild *rebuild, db_handler *handler, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void ask(struct rebuild *rebuild, db_handler *handler, const char *format, ...) {
	char *sql = NULL;
	va_list list;
	va_start(list, format);
	must(vasprintf(&sql, format, list) >= 0);
	va_end(list);
	db_query(rebuild->partition->scheduler->db, slice_of(sql), handler, rebuild);
	free(sql);
}

static void ask_page(struct rebuild *rebuild) {
	long long p = rebuild->partition->index, after = rebuild->after, to = rebuild->to;
	if (rebuild->phase == PHASE_LIVE)
		ask(rebuild, on_tasks,
		    "SELECT " REBUILD_COLUMNS " FROM tasks t WHERE t.partition_id=%lld AND t.number>%lld AND t.number<=%lld"
		    " AND t.status IN " LIVE " ORDER BY t.number LIMIT %d",
		    p, after, to, PAGE_TASKS);
	else if (rebuild->phase == PHASE_ENDED)
		ask(rebuild, on_tasks,
		    "SELECT " REBUILD_COLUMNS " FROM tasks t WHERE t.partition_id=%lld AND t.number>%lld AND t.number<=%lld"
		    " AND t.status NOT IN " LIVE
		    " AND EXISTS (SELECT 1 FROM task_dependencies d JOIN tasks c ON c.partition_id=d.partition_id AND "
		    "c.number=d.number"
		    " WHERE d.project=t.project AND d.dependency_id=t.task_id AND c.status IN " LIVE
		    ") ORDER BY t.number LIMIT %d",
		    p, after, to, PAGE_TASKS);
	else if (rebuild->phase == PHASE_EDGES)
		ask(rebuild, on_edges,
		    "SELECT t.number, t.dependencies FROM tasks t WHERE t.partition_id=%lld AND t.number>%lld AND "
		    "t.number<=%lld AND t.status IN " LIVE " AND t.dependencies<>'' ORDER BY t.number LIMIT %d",
		    p, after, to, PAGE_TASKS);
	else /* the letters of record.h, in the order of the column's words */
		ask(rebuild, on_pairs,
		    "SELECT CONCAT(project,'/',task_type,'/',ELT(status+0,'b','p','r','t','c','f','x','s')), COUNT(*)"
		    " FROM tasks WHERE partition_id=%lld AND number>%lld AND number<=%lld"
		    " GROUP BY project, task_type, status",
		    p, after, to);
}

/* The next task there is: where many were deleted, no page is asked for in vain. */
static void on_next_task(void *context, enum status status, unsigned number, const struct error *err,
                         const struct db_result *rows) {
	struct rebuild *rebuild = context;
	(void)number;
	if (failed(rebuild, status, err))
		return;
	int64_t next = db_rows(rows) > 0 ? db_int(rows, 0, 0) : 0;
	if (next == 0) {
		next_phase(rebuild);
		return;
	}
	rebuild->to = next + PAGE_NUMBERS - 1;
	ask_page(rebuild);
}

static void finish(struct rebuild *rebuild) {
	char epoch[ID_BYTES], seq[24];
	id_make(epoch);
	snprintf(seq, sizeof(seq), "%" PRId64, rebuild->seq);
	struct slice more[] = { slice_of(epoch), slice_of(seq), slice_of(rebuild->entry_id),
		                    rebuild->seq > 0 ? SLICE("1") : SLICE("0") };
	load(rebuild, "finish", more, 4);
}

static void begin(struct rebuild *rebuild) {
	char hold[16];
	snprintf(hold, sizeof(hold), "%d", TOKEN_MS);
	struct slice more[] = { slice_of(hold), slice_of(rebuild->epoch) };
	rebuild->started_us = clock_mono_us();
	load(rebuild, "begin", more, 2);
}

static void step(struct rebuild *rebuild) {
	long long p = rebuild->partition->index, after = rebuild->after;
	if (rebuild->phase > PHASE_POSITION && db_generation(rebuild->partition->scheduler->db) != rebuild->generation) {
		give_up(rebuild, "the database is connected anew and may have lost its end");
		return;
	}
	switch (rebuild->phase) {
	case PHASE_POSITION:
		ask(rebuild, on_position,
		    "SELECT 1 FROM poison_events LIMIT 0; SELECT seq, entry_id FROM log_position WHERE partition_id=%lld", p);
		break;
	case PHASE_BEGIN: begin(rebuild); break;
	case PHASE_WIPE: load(rebuild, "wipe", NULL, 0); break;
	case PHASE_LIVE:
	case PHASE_ENDED:
	case PHASE_EDGES:
	case PHASE_COUNTS:
		ask(rebuild, on_next_task, "SELECT MIN(number) FROM tasks WHERE partition_id=%lld AND number>%lld", p, after);
		break;
	case PHASE_PAUSES:
		ask(rebuild, on_pairs, "SELECT CONCAT(task_type,'/',project) FROM queue_pauses WHERE partition_id=%lld", p);
		break;
	case PHASE_GRAPHS:
		ask(rebuild, on_pairs,
		    "SELECT token, CONCAT_WS(CHAR(31),project,batch_id,slices,tasks) FROM batches"
		    " WHERE partition_id=%lld AND state='admitting'",
		    p);
		break;
	case PHASE_FINISH: finish(rebuild); break;
	}
}

void rebuild_start(struct partition *partition, const char *epoch, int64_t log_seq) {
	if (partition->rebuild != NULL)
		return;
	struct rebuild *rebuild = memory_new(sizeof(*rebuild));
	rebuild->partition = partition;
	rebuild->log_seq = log_seq;
	snprintf(rebuild->epoch, sizeof(rebuild->epoch), "%s", epoch);
	id_make(rebuild->token);
	partition->rebuild = rebuild;
	step(rebuild);
}

void rebuild_close(struct partition *partition) {
	if (partition->rebuild != NULL && partition->rebuild->timer != NULL)
		end(partition->rebuild); /* else its question is under way, and has it */
}
