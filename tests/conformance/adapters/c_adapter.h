/* The C client under the conformance suite: what its files share. The public interface of libcorder and cJSON, no more. */
#ifndef CORDER_CONFORMANCE_C_ADAPTER_H
#define CORDER_CONFORMANCE_C_ADAPTER_H

#include <cjson/cJSON.h>
#include <corder.h>

/* A request that waits for its answer. */
struct asked {
	int id;
	cJSON *with;
	char *verb;
	cJSON *gathered; /* of several replies */
};

extern struct corder *client;

/* c.c: each answers, and frees what was asked; value is taken, NULL is {} */
void answer(struct asked *asked, cJSON *value);
void answer_error(struct asked *asked, const char *kind, const struct corder_error *error);
void tell(struct asked *asked, cJSON *said, bool ok);                       /* what is told is taken */
void answer_failure(struct asked *asked, const struct corder_error *error); /* its kind by its status */
const char *text_of(const cJSON *object, const char *name);                 /* NULL when absent */
cJSON *member(const cJSON *object, const char *name);
cJSON *parsed(const char *text); /* NULL for NULL */
char *printed(const cJSON *value);

/* c_submit.c */
void do_submit(struct asked *asked);
void do_generate(struct asked *asked);
void do_wait(struct asked *asked);
void forget_submissions(void);

/* c_watch.c */
void do_watch(struct asked *asked);
void do_next(struct asked *asked);
void do_unwatch(struct asked *asked);
void look_at_watches(void); /* what time asks */
void forget_watches(void);

/* c_work.c */
void do_work_start(struct asked *asked);
void do_work_gate(struct asked *asked);
void do_work_log(struct asked *asked);
void do_work_stop(struct asked *asked);
void look_at_workers(void);
void forget_workers(void);

#endif
