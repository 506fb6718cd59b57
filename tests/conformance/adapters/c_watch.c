/* Events, kept in the order in which they came until they are asked for. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "c_adapter.h"

struct item {
	cJSON *event; /* NULL: a loss */
	struct corder_error error;
	struct item *next;
};

struct watch {
	char *name;
	struct corder_events *events;
	struct asked *opening, *waiting; /* answered when it is ready; when there is enough */
	double until_s;
	struct item *first, **last;
	struct watch *next;
};

static struct watch *watches;

static double now_s(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void put(struct watch *watch, cJSON *event, const struct corder_error *error) {
	struct item *item = calloc(1, sizeof *item);
	item->event = event;
	if (error != NULL)
		item->error = *error;
	*watch->last = item;
	watch->last = &item->next;
}

static void drop_first(struct watch *watch) {
	struct item *item = watch->first;
	watch->first = item->next;
	if (watch->first == NULL)
		watch->last = &watch->first;
	free(item);
}

/* Answers when there are as many events as were asked for, or a loss before them. */
static void serve(struct watch *watch) {
	struct asked *asked = watch->waiting;
	int wanted = member(asked->with, "count")->valueint;
	if (asked->gathered == NULL)
		asked->gathered = cJSON_CreateArray();
	while (watch->first != NULL && cJSON_GetArraySize(asked->gathered) < wanted) {
		struct corder_error error = watch->first->error;
		cJSON *event = watch->first->event;
		drop_first(watch);
		if (event == NULL) {
			watch->waiting = NULL;
			answer_failure(asked, &error);
			return;
		}
		cJSON_AddItemToArray(asked->gathered, event);
	}
	if (cJSON_GetArraySize(asked->gathered) < wanted)
		return;
	cJSON *value = cJSON_CreateObject();
	cJSON_AddItemToObject(value, "events", asked->gathered);
	asked->gathered = NULL;
	watch->waiting = NULL;
	answer(asked, value);
}

static void on_event(void *context, const struct corder_event *event) {
	struct watch *watch = context;
	struct asked *opening = watch->opening;
	if (opening != NULL && (event->news == CORDER_READY || event->news == CORDER_FAILED)) {
		watch->opening = NULL;
		if (event->news == CORDER_READY)
			answer(opening, NULL);
		else
			answer_failure(opening, event->error);
		return;
	}
	if (event->news == CORDER_EVENT) {
		cJSON *body = cJSON_ParseWithLength(event->body, event->length);
		cJSON_AddNumberToObject(body, "position", (double)event->position);
		put(watch, body, NULL);
	} else {
		put(watch, NULL, event->error);
	}
	if (watch->waiting != NULL)
		serve(watch);
}

void do_watch(struct asked *asked) {
	const cJSON *since = member(asked->with, "since"), *ids = member(asked->with, "task_ids"), *id;
	const char **task_ids = calloc((size_t)cJSON_GetArraySize(ids) + 1, sizeof *task_ids);
	struct corder_filter filter = { .project = text_of(asked->with, "project"),
		                            .task_type = text_of(asked->with, "task_type"),
		                            .status = text_of(asked->with, "status"),
		                            .batch_id = text_of(asked->with, "batch_id"),
		                            .task_ids = task_ids };
	struct corder_error error;
	cJSON_ArrayForEach(id, ids) task_ids[filter.task_id_count++] = id->valuestring;
	if (cJSON_IsNumber(since)) {
		filter.since = CORDER_SINCE_POSITION;
		filter.position = (uint64_t)since->valuedouble;
	} else if (since != NULL) {
		filter.since = CORDER_SINCE_ALL;
	}
	struct watch *watch = calloc(1, sizeof *watch);
	watch->name = strdup(text_of(asked->with, "name"));
	watch->last = &watch->first;
	watch->opening = asked;
	watch->next = watches;
	watches = watch;
	watch->events = corder_events_open(client, &filter, on_event, watch, &error);
	if (watch->events == NULL) {
		watch->opening = NULL;
		answer_failure(asked, &error);
	}
	free(task_ids);
}

static struct watch *find(const char *name) {
	struct watch *watch = watches;
	while (strcmp(watch->name, name) != 0)
		watch = watch->next;
	return watch;
}

void do_next(struct asked *asked) {
	struct watch *watch = find(text_of(asked->with, "name"));
	const cJSON *timeout = member(asked->with, "timeout_s");
	watch->waiting = asked;
	watch->until_s = now_s() + (timeout != NULL ? timeout->valuedouble : 120);
	serve(watch);
}

void look_at_watches(void) {
	static const struct corder_error late = { .status = CORDER_TIMEOUT, .message = "no event in time" };
	for (struct watch *watch = watches; watch != NULL; watch = watch->next) {
		if (watch->waiting == NULL || now_s() < watch->until_s)
			continue;
		struct asked *asked = watch->waiting;
		watch->waiting = NULL;
		answer_failure(asked, &late);
	}
}

static void watch_free(struct watch *watch) {
	corder_events_close(&watch->events);
	while (watch->first != NULL) {
		cJSON_Delete(watch->first->event);
		drop_first(watch);
	}
	free(watch->name);
	free(watch);
}

void do_unwatch(struct asked *asked) {
	struct watch *watch = find(text_of(asked->with, "name")), **link = &watches;
	while (*link != watch)
		link = &(*link)->next;
	*link = watch->next;
	watch_free(watch);
	answer(asked, NULL);
}

void forget_watches(void) {
	while (watches != NULL) {
		struct watch *watch = watches;
		watches = watch->next;
		watch_free(watch);
	}
}
