/* Writes down what was set aside, by the persister's own code (services/persister/late.h), a transaction an event. */
#include <inttypes.h>
#include <stdio.h>

#include "../../services/persister/late.h"
#include "command.h"
#include "poison.h"

struct replay {
	struct stores *stores;
	struct poison *poison;
	struct late late;
	struct text sql;
	int code;
};

typedef enum status late_reader(struct late *late, const struct db_result *result, struct error *err);

struct reading {
	struct replay *replay;
	late_reader *read;
	enum status status;
};

static void on_rows(void *context, const struct db_result *result) {
	struct reading *reading = context;
	reading->status = reading->read(&reading->replay->late, result, &reading->replay->poison->why);
}

/* Sends what was asked; false when that ends the replay. */
static bool step(struct replay *replay, late_reader *read) {
	struct poison *poison = replay->poison;
	struct reading reading = { .replay = replay, .read = read };
	replay->code =
		stores_try_sql(replay->stores, &replay->sql, read ? on_rows : NULL, &reading, &poison->status, &poison->why);
	text_clear(&replay->sql);
	if (poison->status == STATUS_OK)
		poison->status = reading.status;
	else if (poison->status == STATUS_REJECT)
		poison->status = STATUS_RETRY; /* as the tables are now */
	return replay->code == EXIT_DONE && poison->status == STATUS_OK;
}

static bool run(struct replay *replay) {
	struct late *late = &replay->late;
	struct poison *poison = replay->poison;
	late_ask(late, &replay->sql);
	bool fits = step(replay, late_read);
	if (late->record.task_id.length > 0)
		snprintf(poison->name, sizeof poison->name, "%.*s/%.*s", (int)late->record.project.length,
		         late->record.project.bytes, (int)late->record.task_id.length, late->record.task_id.bytes);
	if (!fits)
		return false;
	late_ask_place(late, &replay->sql);
	if (!step(replay, late_read_place))
		return false;
	late_ask_later(late, &replay->sql);
	if (!step(replay, late_read_later))
		return false;
	late_write(late, &replay->sql);
	return step(replay, NULL);
}

int poison_replay(struct stores *stores, struct poison *poison) {
	struct replay replay = { .stores = stores, .poison = poison };
	late_open(&replay.late, poison->partition, poison->seq);
	if (!run(&replay) && replay.code == EXIT_DONE) {
		enum status status;
		struct error err = { 0 };
		text_add(&replay.sql, "ROLLBACK");
		replay.code = stores_try_sql(stores, &replay.sql, NULL, NULL, &status, &err);
	}
	late_release(&replay.late);
	text_release(&replay.sql);
	return replay.code;
}

static void on_dropped(void *context, const struct db_result *result) {
	struct poison *poison = context;
	if (db_affected(result) == 0)
		poison->status = fail(&poison->why, STATUS_STALE, "it is not set aside, or not any more");
}

int poison_drop(struct stores *stores, struct poison *poison) {
	struct text sql = { 0 };
	text_printf(&sql, "DELETE FROM poison_events WHERE partition_id=%" PRId64 " AND seq=%" PRId64, poison->partition,
	            poison->seq);
	int code = stores_sql(stores, &sql, on_dropped, poison);
	text_release(&sql);
	return code;
}
