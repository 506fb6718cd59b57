/* What the files of this folder share. A client's parts all live on its loop. */
#ifndef CORDER_CLIENTS_C_INSIDE_H
#define CORDER_CLIENTS_C_INSIDE_H

#include "../../shared/base/table.h"
#include "../../shared/bus/bus.h"
#include "../../shared/task/json.h"
#include "on.h"

struct asking;

struct corder {
	struct loop *loop;
	struct bus *bus;
	bool owns; /* loop and bus */
	char *prefix, *project;
	int64_t patience_ms;
	struct json *json;      /* for one reply at a time */
	struct asking *askings; /* requests under way */
	struct corder_events *events;
	struct asked_services *services; /* answers to $SRV.PING are awaited */
	struct table *watched;           /* by descriptor; NULL: none */
};

/* client.c */
void corder_fail(struct corder_error *error, enum corder_status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
char *corder_subject(const struct corder *client, const char *relative);
char *corder_stream(const struct corder *client, const char *name); /* the stream's own name */
/* The given project, or the client's; NULL after filling error. wild: "*" will do. */
const char *corder_project(const struct corder *client, const char *given, bool wild, struct corder_error *error);
size_t corder_most_bytes(const struct corder *client); /* of one message */
int64_t corder_backoff_us(int attempt);                /* before the next try: 50 ms, doubling to 1 s, with jitter */

/* ask.c */
void askings_hurry(struct corder *client); /* the connection is back */
void askings_drop(struct corder *client);
/* Fills error from {"error":{…}} of a reply. */
void corder_read_refusal(struct json_value root, struct corder_error *error);

/* services.c */
void services_drop(struct corder *client);

/* events.c */
void events_on_change(struct corder *client, bool connected);
bool corder_is_final(struct slice status);

/* events_seen.c: which version of each task was seen last, for the last 100,000 tasks or so. */
enum sight { SIGHT_NEW, SIGHT_SEEN, SIGHT_GAP };
struct sights;
struct sights *sights_open(bool gaps); /* whether a gap is told */
void sights_close(struct sights **sights);
enum sight sights_look(struct sights *sights, struct json_value event);
void sights_accept(struct sights *sights, struct json_value event, int64_t version);

/* outcomes.c: what is known of tasks that are waited for. */
struct outcomes;
struct outcomes *outcomes_open(void);
void outcomes_close(struct outcomes **outcomes);
void outcomes_expect(struct outcomes *outcomes, struct slice task_id); /* unless it is known */
bool outcomes_is_open(const struct outcomes *outcomes, struct slice task_id);
bool outcomes_has(const struct outcomes *outcomes, struct slice task_id); /* open or finished */
size_t outcomes_open_count(const struct outcomes *outcomes);
size_t outcomes_finished_count(const struct outcomes *outcomes);
/* Takes an end, from an event or a task. */
void outcomes_note(struct outcomes *outcomes, struct json_value about);
char **outcomes_open_ids(const struct outcomes *outcomes, size_t *count); /* the caller frees the list, not the ids */
struct corder_outcomes *outcomes_give(struct outcomes *outcomes);         /* takes it all */

#endif
