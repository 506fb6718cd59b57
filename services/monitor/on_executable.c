/* executable: what could be leased now, in order. Each type's ready queue is asked for its best, in every partition that
 * has some, and the answers are merged by score. */
#include <stdlib.h>

#include "live.h"
#include "monitor.h"
#include "score.h"
#include "shared/base/memory.h"
#include "subjects/subjects.h"

enum { REPLIES_MAX = 256 }; /* queues that one question goes over */

struct candidate {
	struct view view;
	struct score score;
	double sum;
};

struct executable {
	struct executable_request request;
	size_t waiting; /* replies under way */
	struct live_reply *replies[REPLIES_MAX];
	size_t reply_count, asked;
	int64_t now_us;
	enum status status; /* the first failure */
	struct error error;
};

/* One call that was sent; it knows its partition. */
struct ask {
	struct question *question;
	size_t partition;
};

static int compare(const void *left, const void *right) {
	const struct candidate *a = left, *b = right;
	if (a->sum != b->sum)
		return a->sum > b->sum ? -1 : 1;
	if (a->view.ready_at_us != b->view.ready_at_us)
		return a->view.ready_at_us < b->view.ready_at_us ? -1 : 1;
	return (a->view.number > b->view.number) - (a->view.number < b->view.number);
}

static void release(struct executable *executable) {
	for (size_t i = 0; i < executable->reply_count; i++)
		live_free(&executable->replies[i]);
}

static void add_task(struct text *out, const struct candidate *candidate) {
	const struct view *view = &candidate->view;
	text_add(out, "{\"project\":");
	text_add_json(out, view->project);
	text_add(out, ",\"task_id\":");
	text_add_json(out, view->task_id);
	text_add(out, ",\"task_type\":");
	text_add_json(out, view->task_type);
	text_printf(out, ",\"priority\":%lld,", (long long)view->priority);
	score_add_json(out, &candidate->score);
	view_add_time(out, "ready_at", view->ready_at_us);
	text_add_char(out, '}');
}

static size_t gather(struct question *question, struct candidate *candidates) {
	struct executable *executable = question->own;
	double weight = (double)question->monitor->settings->age_weight;
	size_t count = 0;
	for (size_t i = 0; i < executable->reply_count; i++)
		for (size_t j = 0; j < executable->replies[i]->count; j++) {
			struct candidate *candidate = &candidates[count];
			struct view *view = &candidate->view;
			bool has_specification;
			if (!live_view(executable->replies[i], j, view, &has_specification))
				continue;
			candidate->score = score_of(executable->now_us, view->ready_at_us, view->priority, view->degree,
			                            specification_order(&view->specification), view->retry_count, weight);
			candidate->sum = score_sum(&candidate->score);
			count++;
		}
	return count;
}

static void answer(struct question *question) {
	struct executable *executable = question->own;
	size_t room = 1;
	for (size_t i = 0; i < executable->reply_count; i++)
		room += executable->replies[i]->count;
	struct candidate *candidates = memory_array(room, sizeof(*candidates));
	size_t count = gather(question, candidates);
	qsort(candidates, count, sizeof(*candidates), compare);
	text_add(&question->out, "{\"ok\":true,\"tasks\":[");
	for (size_t i = 0; i < count && i < (size_t)executable->request.limit; i++) {
		if (question->out.length + 1024 > question->most_bytes)
			break;
		if (i > 0)
			text_add_char(&question->out, ',');
		add_task(&question->out, &candidates[i]);
	}
	text_add(&question->out, "]}");
	free(candidates);
	release(executable);
	question_answer(question);
}

static void note_reply(struct question *question, enum status status, const struct error *err) {
	struct executable *executable = question->own;
	if (status != STATUS_OK && executable->status == STATUS_OK) {
		executable->status = status;
		executable->error = *err;
	}
	if (--executable->waiting > 0)
		return;
	if (executable->status == STATUS_OK) {
		answer(question);
		return;
	}
	enum status failed = executable->status;
	struct error error = executable->error;
	release(executable);
	question_fail_status(question, failed, &error);
}

static void on_ready(void *context, enum status status, struct live_reply *reply, const struct error *err) {
	struct question *question = context;
	struct executable *executable = question->own;
	if (reply != NULL) {
		executable->now_us = reply->now_us > executable->now_us ? reply->now_us : executable->now_us;
		executable->replies[executable->reply_count++] = reply;
	}
	note_reply(question, status, err);
}

static void ask_ready(struct question *question, size_t partition, struct slice task_type) {
	struct executable *executable = question->own;
	if (executable->asked == REPLIES_MAX)
		return;
	struct text limit = { 0 };
	text_add_int(&limit, executable->request.limit);
	struct slice words[] = { SLICE("ready"), task_type, { limit.bytes, limit.length }, executable->request.project };
	executable->asked++;
	executable->waiting++;
	live_read(question->monitor->live, partition, LIVE_LOGGED, words, executable->request.project.length > 0 ? 4 : 3,
	          on_ready, question);
	text_release(&limit);
}

/* Threes of task_type, depth, oldest. */
static void on_types(void *context, enum status status, struct live_reply *reply, const struct error *err) {
	struct ask *ask = context;
	for (size_t i = 0; reply != NULL && i + 2 < reply->count; i += 3)
		ask_ready(ask->question, ask->partition, live_text(reply, i));
	live_free(&reply);
	note_reply(ask->question, status, err);
	free(ask);
}

static void ask_queues(struct question *question, size_t partition) {
	struct executable *executable = question->own;
	struct ask *ask = memory_new(sizeof(*ask));
	*ask = (struct ask){ question, partition };
	struct slice words[] = { SLICE("queues") };
	executable->waiting++;
	live_read(question->monitor->live, partition, LIVE_ANY, words, 1, on_types, ask);
}

void on_executable(struct monitor *monitor, struct slice body, const struct asker *asker) {
	struct question *question = question_open(monitor, body, sizeof(struct executable), asker);
	if (question == NULL)
		return;
	struct executable *executable = question->own;
	struct error error = { 0 };
	if (executable_request_parse(question->json, question->text, &task_limits_default, &executable->request, &error) !=
	    STATUS_OK) {
		question_fail(question, &error);
		return;
	}
	size_t first = 0, end = monitor_partitions(monitor);
	if (executable->request.project.length > 0) {
		first = monitor_partition_of(monitor, executable->request.project);
		end = first + 1;
	}
	for (size_t i = first; i < end; i++) {
		if (executable->request.task_type.length > 0)
			ask_ready(question, i, executable->request.task_type);
		else
			ask_queues(question, i);
	}
}
