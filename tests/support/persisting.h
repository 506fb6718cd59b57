/* A log, a database and persisters that write the one into the other, for the tests of the persister: real servers, started
 * once a program; a fresh stream and database a test. Everything lives in `stage`. */
#ifndef CORDER_TESTS_PERSISTING_H
#define CORDER_TESTS_PERSISTING_H

#include <sys/types.h>

#include "services/persister/persister.h"
#include "tests/support/history.h"
#include "tests/support/servers.h"
#include "tests/support/test.h"

enum { LIMIT_US = 60000000, WRITERS_MOST = 3 };

/* An instance in this process, with a database connection of its own. */
struct writer {
	struct bus *bus;
	struct db *db;
	struct persister *persister;
};

struct persisting {
	struct server *nats, *mariadb;
	struct loop *loop;
	struct bus *bus;
	struct db *db; /* the witness */
	struct writer writers[WRITERS_MOST];
	struct history history;
	uint64_t stream_seq;
	bool called;
	enum status status;
	struct text answer; /* values of the last question, parted by '|' and ';' */
};

extern struct persisting stage;

int persisting_start_servers(void **state);
int persisting_stop_servers(void **state);
int persisting_set_up(void **state);
int persisting_tear_down(void **state);

/* The log. Handlers for calls that await_call waits for. */
void persisting_done(void *context, enum status status, const struct error *err);
void persisting_appended(void *context, enum status status, uint64_t sequence);
void persisting_on_deleted(void *context, enum status status, const struct bus_message *message);
void persisting_await_call(void);
void persisting_make_stream(void);
void persisting_delete_stream(void);
void persisting_append(struct slice block, bool mark);
void persisting_append_history(void);                      /* ends the entry and appends what was made since */
void persisting_append_lives(const char *name, int count); /* that many tasks from submit to completed, in one block */

/* The database, as a witness sees it: values parted by '|', rows by ';'. */
const char *persisting_ask(const char *sql);
void persisting_expect(const char *sql, const char *answer);
void persisting_await_answer(const char *sql, const char *answer);
void persisting_await_position(int64_t seq);
void persisting_await_all(void); /* all of the log stands in the tables once, and tasks equals the fold of the events */

/* Instances in this process, and processes. */
void persisting_open_writer(size_t index);
void persisting_open_writer_at(size_t index, const char *database_url, int64_t partitions);
void persisting_close_writer(size_t index);
void persisting_await_health(enum status wanted, struct error *reason);
pid_t persisting_start_process(const char *program);
void persisting_kill_process(pid_t pid);

#endif
