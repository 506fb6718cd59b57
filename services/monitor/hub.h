/* What open dashboards are told as it happens. A channel is one kind of news with its filters; its frames are made once
 * and shared by all who listen. State channels (overview, queues, services) tell the whole state when it has changed; those
 * of changes (tasks of a project, events) tell what was new since the frame before. Nothing is told before it is in the
 * log, and nothing is computed while nobody listens. */
#ifndef CORDER_MONITOR_HUB_H
#define CORDER_MONITOR_HUB_H

#include "http.h"
#include "monitor.h"
#include "shared/task/record.h"

struct hub;

/* What a listener wants beside the overview, the queues and the services; empty: any, or none. */
struct hub_wish {
	struct slice project, batch_id; /* changes of its tasks */
	bool events;                    /* a tail of events, filtered by these */
	struct slice event_project, event_type, event_text;
	char event_status;
	struct slice last_event_id; /* of the stream that this one continues */
};

struct hub *hub_open(struct monitor *monitor);
void hub_close(struct hub **hub);
void hub_stop(struct hub *hub); /* ends all streams */
/* Answers the request with a stream; copies what it keeps of the wish. */
void hub_join(struct hub *hub, struct http_request *request, const struct hub_wish *wish);
size_t hub_listeners(const struct hub *hub);
/* An event of the log, perhaps of a block that lost the race for its place. */
void hub_note(struct hub *hub, size_t partition, const struct record *record);

#endif
