/* The tasks of a reply, read in the bench's careless way, and what is said when they are done. */
#include <string.h>

#include "bench.h"

bool bench_next_task(struct delivery *delivery, struct delivered *task) {
	const char *at = delivery->at, *end = delivery->end;
	/* Each task begins with its project; the objects inside it do not. */
	if (at == NULL || (at = bench_find(at, end, SLICE("{\"project\":\""), &task->project)) == NULL ||
	    (at = bench_find(at, end, SLICE("\"task_id\":\""), &task->id)) == NULL)
		return false;
	task->rest = at;
	if ((at = bench_find(at, end, SLICE("\"lease\":\""), &task->lease)) == NULL)
		return false;
	delivery->at = at;
	return true;
}

struct delivery bench_delivery(const struct corder_reply *reply) {
	const char *at = memmem(reply->body, reply->length, "\"tasks\":[", 9);
	const char *done = memmem(reply->body, reply->length, "\"done\":[", 8);
	const char *end = reply->body + reply->length;
	return (struct delivery){ at, at != NULL && done != NULL && done > at ? done : end };
}

void bench_add_done(struct text *done, const struct delivered *task) {
	text_add(done, done->length > 0 ? ",{\"project\":\"" : "{\"project\":\"");
	text_add_slice(done, task->project);
	text_add(done, "\",\"task_id\":\"");
	text_add_slice(done, task->id);
	text_add(done, "\",\"lease\":\"");
	text_add_slice(done, task->lease);
	text_add(done, "\",\"outcome\":\"completed\",\"result\":{}}");
}
