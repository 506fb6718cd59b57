/* queue.pause and queue.resume: a type, a project, or a type of a project gives out no more work until it is resumed.
 * A pause of a type alone holds in every partition. And internal.reject: ingest writes down that it refused an enqueue. */
#include <stdio.h>
#include <stdlib.h>

#include "scheduler.h"
#include "shared/base/memory.h"
#include "shared/task/record.h"
#include "shared/task/requests.h"

struct queue_run {
	struct scheduler *scheduler;
	struct service_request *request;
	bool plain;   /* answered "ok" or an error's text, not JSON */
	int64_t left; /* partitions that have not answered */
	struct error err;
};

struct queue_part {
	struct queue_run *run;
	struct partition *partition;
	char *argument; /* of the script; owned */
};

static void ask(struct queue_part *part);

static void part_free(struct queue_part *part) {
	free(part->argument);
	free(part);
}

static void part_done(struct queue_run *run) {
	if (--run->left > 0)
		return;
	run->scheduler->busy--;
	if (run->plain)
		service_reply(run->request, run->err.code[0] == '\0' ? SLICE("ok") : slice_of(run->err.code));
	else if (run->err.code[0] != '\0')
		service_fail(run->request, &run->err, "");
	else
		service_reply(run->request, SLICE("{\"ok\":true}"));
	free(run);
}

static void set_unavailable(struct queue_run *run, const char *why) {
	fail(&run->err, STATUS_RETRY, "%s", why);
	snprintf(run->err.code, sizeof(run->err.code), "%s", CODE_UNAVAILABLE);
}

static void on_safe(void *context, enum status status) {
	struct queue_run *run = context;
	if (status != STATUS_OK)
		set_unavailable(run, "the log did not confirm it in time: repeat the request");
	part_done(run);
}

static void on_done(void *context, enum status status, const struct state_head *head, const struct kv_reply *reply,
                    const struct error *err) {
	struct queue_part *part = context;
	struct queue_run *run = part->run;
	struct partition *partition = part->partition;
	(void)reply;
	if (status != STATUS_OK) {
		part_free(part);
		heads_problem(partition, err);
		set_unavailable(run, err->message);
		part_done(run);
		return;
	}
	heads_note(partition, head);
	if (head->more) {
		ask(part); /* what was parked comes back in slices; the same again goes on where the last one stopped */
		return;
	}
	part_free(part);
	heads_wait(partition, head, false, on_safe, run);
}

static void ask(struct queue_part *part) {
	struct slice argument = slice_of(part->argument);
	state_call(part->partition->state, &state_script_command, &argument, 1, on_done, part);
}

static void start(struct queue_run *run, struct partition *partition, struct slice argument) {
	struct queue_part *part = memory_new(sizeof(*part));
	*part = (struct queue_part){ run, partition, slice_copy(argument) };
	ask(part);
}

static void change(struct service *service, struct service_request *request, const char *verb) {
	struct scheduler *scheduler = service_own(service);
	struct queue_request asked;
	struct error err = { 0 };
	struct json *json = json_open();
	if (queue_request_parse(json, service_body(request), &scheduler->settings->limits, &asked, &err) != STATUS_OK) {
		service_fail(request, &err, "");
		json_close(&json);
		return;
	}
	struct queue_run *run = memory_new(sizeof(*run));
	*run = (struct queue_run){ .scheduler = scheduler, .request = request };
	struct text text = { 0 };
	text_printf(&text, "%s%c%.*s%c%.*s%c", verb, RECORD_US, (int)asked.task_type.length, asked.task_type.bytes,
	            RECORD_US, (int)asked.project.length, asked.project.bytes, RECORD_US);
	text_add_slice(&text, asked.reason);
	struct slice argument = { text.bytes, text.length };
	scheduler->busy++;
	(*scheduler->commands)++;
	if (asked.project.length > 0) {
		run->left = 1;
		start(run, scheduler_partition_of(scheduler, asked.project), argument);
	} else {
		run->left = scheduler->partition_count;
		for (int64_t i = 0; i < scheduler->partition_count; i++)
			start(run, scheduler->partitions[i], argument);
	}
	text_release(&text);
	json_close(&json);
}

void on_pause(struct service *service, struct service_request *request) {
	change(service, request, "pause");
}

void on_resume(struct service *service, struct service_request *request) {
	change(service, request, "resume");
}

/* Body: project US task_type US task_id US batch_id US code US path US message */
void on_refused(struct service *service, struct service_request *request) {
	struct scheduler *scheduler = service_own(service);
	struct partition *partition = scheduler_partition_named(scheduler, service_last_token(request));
	struct slice body = service_body(request);
	if (partition == NULL || body.length == 0) {
		service_reply(request, SLICE(CODE_INTERNAL));
		return;
	}
	struct queue_run *run = memory_new(sizeof(*run));
	*run = (struct queue_run){ .scheduler = scheduler, .request = request, .plain = true, .left = 1 };
	struct text text = { 0 };
	text_printf(&text, "refused%c", RECORD_US);
	text_add_slice(&text, body);
	scheduler->busy++;
	start(run, partition, (struct slice){ text.bytes, text.length });
	text_release(&text);
}
