/* A command about tasks under way: on_command.c takes it through Redis, command_ended.c to the database for what has left Redis. */
#ifndef CORDER_SCHEDULER_COMMAND_INSIDE_H
#define CORDER_SCHEDULER_COMMAND_INSIDE_H

#include "scheduler.h"
#include "shared/task/requests.h"

enum { CALL_TASKS = 100 };

struct command_run {
	struct partition *partition;
	struct service_request *request;
	struct json *json;
	enum command command;
	struct command_request asked;
	char **owned_ids; /* of a batch, from the database */
	struct slice *ids;
	size_t id_count, at;
	char **verdicts; /* of each id; NULL: none yet, or a refusal that is not sure yet */
	size_t called[CALL_TASKS], called_count;
	char proof[STATE_PROOF_BYTES];
	bool proved, looked; /* looked: what Redis does not know was asked of the database */
	bool over, unsure;   /* unsure: the log did not confirm what some call did */
	size_t waits;        /* calls that the log has not confirmed yet */

	/* Retries of what has left Redis, or has lost there what it depended on. */
	bool *left;     /* of each id: its rows are to be read */
	size_t at_once; /* how many are read together */
	char by[48];    /* as command.lua names what has left */
	char *rows_by;  /* "by US to" of the rows that go with the call under way; NULL none */
	int tries;      /* calls that had rows, and still said that some are missing */
};

/* Says these to Redis: run->called of run->ids, after `rows`, which are released. */
void command_call(struct command_run *run, struct text *rows, size_t row_count);
/* Ends it with an error, once all calls before are confirmed. */
void command_give_up(struct command_run *run, const char *code, const char *why);
/* Goes on: says what has not been said, or answers. */
void command_next(struct command_run *run);

/* What Redis surely does not know is looked up: has it ended? False: it knows all. */
bool command_look_up(struct command_run *run);
/* Reads the rows of those that are `left`, of what they depend on and of what goes along, and says them again with these. */
void command_bring_back(struct command_run *run);

#endif
