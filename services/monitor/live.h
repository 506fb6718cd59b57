/* What is so at this moment, from Redis, through the `read` script. A reply is a copy that outlives the call; with
 * LIVE_LOGGED it comes only when everything that it shows is in the log: nothing is told before. */
#ifndef CORDER_MONITOR_LIVE_H
#define CORDER_MONITOR_LIVE_H

#include "shared/service/service.h"
#include "shared/task/requests.h"
#include "view.h"

struct live;

struct live_item {
	struct slice text;   /* of a plain item; { NULL, 0 } for nil */
	struct slice *texts; /* of a list */
	size_t count;
};

struct live_reply {
	int64_t now_us;          /* the deciding clock */
	struct live_item *items; /* without the head */
	size_t count;
	char *bytes;         /* what the slices borrow */
	struct slice *texts; /* what the lists borrow */
};

enum live_kind { LIVE_ANY, LIVE_LOGGED };

/* The handler owns reply, which is NULL unless OK. Answers once, never from within. */
typedef void live_handler(void *context, enum status status, struct live_reply *reply, const struct error *err);

/* us_per_point: see state_open. patience_ms: how long LIVE_LOGGED waits for the log. */
struct live *live_open(struct service *service, size_t partitions, int64_t us_per_point, int64_t patience_ms);
void live_close(struct live **live);
/* A mark (shared/service/log_ear.h). */
void live_note_mark(struct live *live, size_t partition, struct slice body);

void live_read(struct live *live, size_t partition, enum live_kind kind, const struct slice *words, size_t count,
               live_handler *handler, void *context);
/* One task, by its name. */
void live_read_task(struct live *live, size_t partition, const struct task_request *request, live_handler *handler,
                    void *context);
void live_free(struct live_reply **reply);

/* Plain item i as a text or a number; empty or 0 when there is none. */
struct slice live_text(const struct live_reply *reply, size_t i);
int64_t live_int(const struct live_reply *reply, size_t i);
/* A task as `describe` of read.lua gives it; false when the item is none. The view borrows the reply. For an ended task
 * the specification is not there any more: has_specification says so. */
bool live_view(const struct live_reply *reply, size_t i, struct view *view, bool *has_specification);

#endif
