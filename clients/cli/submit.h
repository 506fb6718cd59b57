/* What `corder submit` gathers before it sends: task objects as they were written, each with a task_id (given here when
 * the writer left it out, so that a repeated request is the same request). */
#ifndef CORDER_CLI_SUBMIT_H
#define CORDER_CLI_SUBMIT_H

#include "../../shared/task/submit_order.h"
#include "client.h"

struct submission {
	char *project, *batch_id;        /* NULL until known; owned */
	bool project_fixed, batch_fixed; /* by the command line, whatever a file says */
	bool dry_run, archived;          /* a file asks for it */
	enum submit_order order;         /* the same */
	struct text tasks;               /* the task objects, joined by ',' */
	size_t *ends;                    /* where each ends in tasks.bytes */
	size_t count, capacity;
	struct text types; /* of wfformat: the distinct types, joined by ',' */
};

/* Options that make a task by themselves, without a file. */
struct task_options {
	const char *type, *id, *context, *after, *service, *key, *not_before;
	int64_t priority, max_retries; /* -1: not given */
	double timeout_s;              /* 0 or less: not given */
	bool hold;
};

/* Adds one task object, byte for byte but for a task_id in front when it has none. The error's message names `where`. */
enum status submission_add(struct submission *submission, struct json_value task, const char *where, struct error *err);
/* What a file of tasks holds; the error's message names it. */
enum status submission_add_file(struct submission *submission, struct slice content, const char *name,
                                struct error *err);
enum status submission_read_path(struct submission *submission, const char *path, struct error *err);
enum status submission_add_options(struct submission *submission, const struct task_options *options,
                                   struct error *err);
void submission_release(struct submission *submission);

/* A workflow in WfFormat (wfcommons.org). type: one for all tasks, or NULL; id_prefix may be "". */
struct wfformat_options {
	const char *type, *id_prefix;
	double time_scale;
};
enum status wfformat_add(struct submission *submission, struct slice content, const char *path,
                         const struct wfformat_options *options, struct error *err);
enum status wfformat_read(struct submission *submission, const char *path, const struct wfformat_options *options,
                          struct error *err);

enum status submit_read_file(const char *path, struct text *out, struct error *err); /* "-" is stdin */

enum submit_mode { SUBMIT_NOW, SUBMIT_DRY_RUN, SUBMIT_ENQUEUE };
struct submit_orders {
	enum submit_mode mode;
	bool archived;
	size_t max_bytes; /* of one message */
	enum submit_order order;
	int64_t workers; /* of a dry run's forecast; 0: not said */
};
/* Sends it in one message, or in parts and a seal. An exit code; answer holds the reply that decides. */
/* Appends what a dry run foretells. */
void forecast_add_text(const struct term *term, struct text *out, struct json_value forecast, size_t task_count);
int submission_send(struct cli *cli, const struct submission *submission, const struct submit_orders *orders,
                    struct answer *answer);

#endif
