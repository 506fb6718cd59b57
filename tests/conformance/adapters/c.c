/* The C client under the conformance suite: a request a line on stdin, an answer a line on stdout. Here: the lines, and what
 * is one request and one reply. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "c_adapter.h"

enum { TURN_MS = 50, SERVICES_MS = 500 };

struct corder *client;

static char *input;
static size_t input_length, input_room;
static bool input_ended;

char *printed(const cJSON *value) {
	return cJSON_PrintUnformatted(value);
}

cJSON *parsed(const char *text) {
	return text != NULL ? cJSON_Parse(text) : NULL;
}

cJSON *member(const cJSON *object, const char *name) {
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

const char *text_of(const cJSON *object, const char *name) {
	return cJSON_GetStringValue(member(object, name));
}

void tell(struct asked *asked, cJSON *said, bool ok) {
	cJSON_AddNumberToObject(said, "id", asked->id);
	cJSON_AddBoolToObject(said, "ok", ok);
	char *line = printed(said);
	puts(line);
	fflush(stdout);
	free(line);
	cJSON_Delete(said);
	cJSON_Delete(asked->with);
	cJSON_Delete(asked->gathered);
	free(asked->verb);
	free(asked);
}

void answer(struct asked *asked, cJSON *value) {
	cJSON *said = cJSON_CreateObject();
	cJSON_AddItemToObject(said, "value", value != NULL ? value : cJSON_CreateObject());
	tell(asked, said, true);
}

void answer_error(struct asked *asked, const char *kind, const struct corder_error *error) {
	cJSON *said = cJSON_CreateObject(), *told = cJSON_AddObjectToObject(said, "error");
	cJSON_AddStringToObject(told, "kind", kind);
	cJSON_AddStringToObject(told, "message", error->message);
	if (error->code[0] != 0)
		cJSON_AddStringToObject(told, "code", error->code);
	if (error->path[0] != 0)
		cJSON_AddStringToObject(told, "path", error->path);
	if (error->tasks[0] != 0)
		cJSON_AddItemToObject(told, "tasks", parsed(error->tasks));
	tell(asked, said, false);
}

void answer_failure(struct asked *asked, const struct corder_error *error) {
	static const char *const kinds[] = {
		[CORDER_OK] = "bug",
		[CORDER_REFUSED] = "refused",
		[CORDER_UNAVAILABLE] = "unavailable",
		[CORDER_NO_ANSWER] = "no_answer",
		[CORDER_EVENTS_LOST] = "events_lost",
		[CORDER_TIMEOUT] = "wait_timeout",
		[CORDER_USAGE] = "usage",
	};
	answer_error(asked, kinds[error->status], error);
}

/* ---- one request, one reply */

static const struct direct {
	const char *verb, *subject;
	const char *members[5];
	const char *value; /* the member of the reply that is the answer; NULL: all of it */
	bool wrapped;      /* the answer is an object with that member */
} directs[] = {
	{ "get", "task.get", { "project", "task_id" }, "task", false },
	{ "explain", "explain", { "project", "task_id" }, NULL, false },
	{ "status", "status", { "project", "window_s" }, NULL, false },
	{ "timeline", "timeline", { "project", "batch_id" }, NULL, false },
	{ "executable", "executable", { "project", "task_type", "limit" }, "tasks", true },
	{ "pause", "queue.pause", { "project", "task_type" }, NULL, false },
	{ "resume", "queue.resume", { "project", "task_type" }, NULL, false },
	{ "cancel", "task.cancel", { "project", "task_id", "task_ids", "batch_id", "reason" }, "tasks", true },
	{ "retry", "task.retry", { "project", "task_id", "task_ids", "batch_id", "cascade" }, "tasks", true },
	{ "approve", "task.approve", { "project", "task_id", "task_ids", "batch_id", "reason" }, "tasks", true },
	{ "reject", "task.reject", { "project", "task_id", "task_ids", "batch_id", "reason" }, "tasks", true },
	{ "update", "task.update", { "project", "task_id", "task_ids", "batch_id", "priority" }, "tasks", true },
};

static const struct direct *direct_of(const char *verb) {
	for (size_t i = 0; i < sizeof directs / sizeof directs[0]; i++)
		if (strcmp(directs[i].verb, verb) == 0)
			return &directs[i];
	return NULL;
}

static void on_direct(void *context, const struct corder_reply *reply) {
	struct asked *asked = context;
	const struct direct *direct = direct_of(asked->verb);
	if (reply->status != CORDER_OK) {
		answer_failure(asked, &reply->error);
		return;
	}
	cJSON *said = parsed(reply->body);
	cJSON *part = direct->value != NULL ? cJSON_DetachItemFromObjectCaseSensitive(said, direct->value) : said;
	if (direct->wrapped) {
		cJSON *value = cJSON_CreateObject();
		cJSON_AddItemToObject(value, direct->value, part);
		part = value;
	}
	answer(asked, part);
	if (direct->value != NULL)
		cJSON_Delete(said);
}

static void ask(struct asked *asked, const char *subject, cJSON *body, corder_reply_handler *handler) {
	char *text = printed(body);
	corder_ask(client, &(struct corder_request){ .subject = subject, .body = text }, handler, asked);
	free(text);
	cJSON_Delete(body);
}

static void do_direct(struct asked *asked, const struct direct *direct) {
	cJSON *body = cJSON_CreateObject();
	for (size_t i = 0; i < sizeof direct->members / sizeof direct->members[0] && direct->members[i] != NULL; i++)
		if (member(asked->with, direct->members[i]) != NULL)
			cJSON_AddItemToObject(body, direct->members[i],
			                      cJSON_Duplicate(member(asked->with, direct->members[i]), true));
	ask(asked, direct->subject, body, on_direct);
}

/* ---- lists, page by page */

static void list_on(struct asked *asked, const char *after);

static void on_list(void *context, const struct corder_reply *reply) {
	struct asked *asked = context;
	if (reply->status != CORDER_OK) {
		answer_failure(asked, &reply->error);
		return;
	}
	cJSON *said = parsed(reply->body), *ids = member(asked->gathered, "task_ids");
	const cJSON *task, *limit = member(asked->with, "limit");
	cJSON_ArrayForEach(task, member(said, "tasks"))
		cJSON_AddItemToArray(ids, cJSON_CreateString(text_of(task, "task_id")));
	bool enough = limit != NULL && cJSON_GetArraySize(ids) >= limit->valueint;
	if (text_of(said, "next") != NULL && !enough) {
		list_on(asked, text_of(said, "next"));
	} else {
		cJSON *value = asked->gathered;
		asked->gathered = NULL;
		answer(asked, value);
	}
	cJSON_Delete(said);
}

static void list_on(struct asked *asked, const char *after) {
	cJSON *body = cJSON_Duplicate(asked->with, true);
	const cJSON *limit = member(asked->with, "limit");
	int left = limit != NULL ? limit->valueint - cJSON_GetArraySize(member(asked->gathered, "task_ids")) : 1000;
	cJSON_DeleteItemFromObjectCaseSensitive(body, "limit");
	cJSON_AddNumberToObject(body, "limit", left < 1000 ? left : 1000);
	if (after != NULL)
		cJSON_AddStringToObject(body, "after", after);
	ask(asked, "task.list", body, on_list);
}

static void do_list(struct asked *asked) {
	asked->gathered = cJSON_CreateObject();
	cJSON_AddArrayToObject(asked->gathered, "task_ids");
	list_on(asked, NULL);
}

/* ---- discovery */

static int by_text(const void *a, const void *b) {
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void on_service(void *context, const char *service) {
	struct asked *asked = context;
	if (service != NULL) {
		cJSON *said = parsed(service);
		if (member(asked->gathered, text_of(said, "name")) == NULL)
			cJSON_AddNullToObject(asked->gathered, text_of(said, "name"));
		cJSON_Delete(said);
		return;
	}
	const char *names[16];
	int count = 0;
	const cJSON *one;
	cJSON_ArrayForEach(one, asked->gathered) if (count < 16) names[count++] = one->string;
	qsort(names, (size_t)count, sizeof names[0], by_text);
	cJSON *value = cJSON_CreateObject();
	cJSON_AddItemToObject(value, "names", cJSON_CreateStringArray(names, count));
	answer(asked, value);
}

static void do_services(struct asked *asked) {
	asked->gathered = cJSON_CreateObject();
	corder_services(client, SERVICES_MS, on_service, asked);
}

/* ---- the client */

static void close_all(void) {
	forget_workers();
	forget_watches();
	corder_close(&client);
	forget_submissions();
}

static void read_input(void *context, int fd) {
	(void)context;
	if (input_room - input_length < 65536)
		input = realloc(input, input_room = input_room * 2 + 131072);
	ssize_t got = read(fd, input + input_length, input_room - input_length);
	input_ended |= got <= 0;
	input_length += got > 0 ? (size_t)got : 0;
	if (input_ended && client != NULL)
		corder_watch(client, fd, NULL, NULL);
}

static void do_hello(struct asked *asked) {
	cJSON *value = cJSON_CreateObject();
	cJSON_AddStringToObject(value, "client", "c");
	cJSON_AddStringToObject(value, "version", corder_version());
	cJSON_AddArrayToObject(value, "skips");
	answer(asked, value);
}

static void do_connect(struct asked *asked) {
	const cJSON *patience = member(asked->with, "patience_s");
	struct corder_error error;
	struct corder_options options = { .url = text_of(asked->with, "url"),
		                              .project = text_of(asked->with, "project"),
		                              .prefix = text_of(asked->with, "prefix") };
	options.patience_ms = patience != NULL ? (int64_t)(patience->valuedouble * 1000) : 30000;
	close_all();
	client = corder_open(&options, &error);
	if (client == NULL) {
		answer_failure(asked, &error);
		return;
	}
	corder_watch(client, STDIN_FILENO, read_input, NULL);
	answer(asked, NULL);
}

static void do_close(struct asked *asked) {
	close_all();
	answer(asked, NULL);
}

static const struct {
	const char *verb;
	void (*run)(struct asked *asked);
} others[] = {
	{ "hello", do_hello },
	{ "connect", do_connect },
	{ "close", do_close },
	{ "submit", do_submit },
	{ "enqueue", do_submit },
	{ "generate", do_generate },
	{ "generate_work", do_generate },
	{ "list", do_list },
	{ "services", do_services },
	{ "wait", do_wait },
	{ "watch", do_watch },
	{ "next", do_next },
	{ "unwatch", do_unwatch },
	{ "work_start", do_work_start },
	{ "work_gate", do_work_gate },
	{ "work_log", do_work_log },
	{ "work_stop", do_work_stop },
};

static void take_line(char *line) {
	struct asked *asked = calloc(1, sizeof *asked);
	cJSON *request = cJSON_Parse(line);
	asked->id = member(request, "id")->valueint;
	asked->verb = strdup(text_of(request, "do"));
	asked->with = cJSON_DetachItemFromObjectCaseSensitive(request, "with");
	cJSON_Delete(request);
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		if (strcmp(others[i].verb, asked->verb) == 0) {
			others[i].run(asked);
			return;
		}
	}
	const struct direct *direct = direct_of(asked->verb);
	struct corder_error error = { .message = "there is no such verb" };
	if (direct != NULL)
		do_direct(asked, direct);
	else
		answer_error(asked, "bug", &error);
}

static void take_lines(void) {
	char *end;
	while (input_length > 0 && (end = memchr(input, '\n', input_length)) != NULL) {
		size_t length = (size_t)(end - input);
		char *line = strndup(input, length);
		input_length -= length + 1;
		memmove(input, end + 1, input_length);
		take_line(line);
		free(line);
	}
}

int main(void) {
	while (!input_ended) {
		struct pollfd readable = { .fd = STDIN_FILENO, .events = POLLIN };
		if (client != NULL)
			corder_turn(client, TURN_MS);
		else if (poll(&readable, 1, -1) > 0)
			read_input(NULL, STDIN_FILENO);
		take_lines();
		look_at_watches();
		look_at_workers();
	}
	close_all();
	free(input);
}
