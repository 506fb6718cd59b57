/* What main.c and the parts of the scheduler know of one another's opening and closing. */
#ifndef CORDER_SCHEDULER_WIRING_H
#define CORDER_SCHEDULER_WIRING_H

#include "scheduler.h"

extern const struct setting scheduler_setting_rows[];
extern const size_t scheduler_setting_count;

enum status scheduler_start(struct service *service, struct error *err);
void scheduler_stop(struct service *service);
bool scheduler_idle(struct service *service);
void scheduler_close(struct service *service);
enum status scheduler_health(struct service *service, struct text *members, struct error *reason);

/* publish.c: makes the stream of events, when there is to be one; again after each reconnect. */
void publish_streams(struct scheduler *scheduler);

#endif
