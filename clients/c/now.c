/* The calls that wait: each runs the client until what it began has ended. */
#include <stdlib.h>

#include "../../shared/base/memory.h"
#include "inside.h"

enum { TURN_MS = 1000 };

struct answer {
	bool done;
	enum corder_status status;
	char *body;
	struct corder_error error;
};

static void on_answer_now(void *context, const struct corder_reply *reply) {
	struct answer *answer = context;
	answer->done = true;
	answer->status = reply->status;
	answer->error = reply->error;
	if (reply->length > 0)
		answer->body = memory_copy(reply->body, reply->length);
}

enum corder_status corder_ask_now(struct corder *client, const struct corder_request *request, char **body,
                                  struct corder_error *error) {
	struct answer answer = { 0 };
	corder_ask(client, request, on_answer_now, &answer);
	while (!answer.done)
		corder_turn(client, TURN_MS);
	if (error != NULL)
		*error = answer.error;
	if (body != NULL)
		*body = answer.body;
	else
		free(answer.body);
	return answer.status;
}

struct submitted {
	bool done;
	struct corder_submission *submission;
	struct corder_error error;
};

static void on_submitted(void *context, struct corder_submission *submission, const struct corder_error *error) {
	struct submitted *submitted = context;
	*submitted = (struct submitted){ true, submission, *error };
}

struct corder_submission *corder_submit_now(struct corder *client, const struct corder_submit *what,
                                            struct corder_error *error) {
	struct submitted submitted = { 0 };
	corder_submit(client, what, on_submitted, &submitted);
	while (!submitted.done)
		corder_turn(client, TURN_MS);
	if (error != NULL)
		*error = submitted.error;
	return submitted.submission;
}

struct waited {
	bool done;
	struct corder_outcomes *outcomes;
	struct corder_error error;
};

static void on_waited(void *context, struct corder_outcomes *outcomes, const struct corder_error *error) {
	struct waited *waited = context;
	*waited = (struct waited){ true, outcomes, *error };
}

struct corder_outcomes *corder_wait_now(struct corder *client, const struct corder_wait *what,
                                        struct corder_error *error) {
	struct waited waited = { 0 };
	corder_wait(client, what, on_waited, &waited);
	while (!waited.done)
		corder_turn(client, TURN_MS);
	if (error != NULL)
		*error = waited.error;
	return waited.outcomes;
}
