/* A log, a database and persisters that write the one into the other, for the tests of the persister: real servers, started
 * once a program; a fresh stream and database a test. Everything lives in `t`. */
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

extern struct persisting t;

int start_servers(void **state);
int stop_servers(void **state);
int set_up(void **state);
int tear_down(void **state);

/* The log. Handlers for calls that await_call waits for. */
void done(void *context, enum status status, const struct error *err);
void appended(void *context, enum status status, uint64_t sequence);
void on_deleted(void *context, enum status status, const struct bus_message *message);
void await_call(void);
void make_stream(void);
void delete_stream(void);
void append(struct slice block, bool mark);
void append_history(void);                      /* ends the entry and appends what was made since */
void append_lives(const char *name, int count); /* that many tasks from submit to completed, in one block */

/* The database, as a witness sees it: values parted by '|', rows by ';'. */
const char *ask(const char *sql);
void expect(const char *sql, const char *answer);
void await_answer(const char *sql, const char *answer);
void await_position(int64_t seq);
void await_all(void); /* all of the log stands in the tables once, and tasks equals the fold of the events */

/* Instances in this process, and processes. */
void open_writer(size_t index);
void open_writer_at(size_t index, const char *database_url, int64_t partitions);
void close_writer(size_t index);
void await_health(enum status wanted, struct error *reason);
pid_t start_process(const char *program);
void kill_process(pid_t pid);

#endif
