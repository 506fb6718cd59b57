/* Entries that are in the log now; internal.persisted.<partition>: and in the database. */
#include "dispatcher.h"

static struct partition *partition_of(struct dispatcher *dispatcher, const struct service_request *message) {
	int64_t index = slice_int(service_last_token(message), -1);
	return index >= 0 && index < dispatcher->partition_count ? &dispatcher->partitions[index] : NULL;
}

void on_mark(void *context, int64_t index, struct slice mark, const struct log_answer *answer) {
	struct dispatcher *dispatcher = context;
	if (index >= dispatcher->partition_count)
		return;
	if (answer != NULL)
		direct_heard(&dispatcher->partitions[index], mark, answer);
	if (mark.bytes != NULL)
		marks_note(dispatcher->partitions[index].marks, mark);
}

void on_persisted(struct service *service, struct service_request *message) {
	struct partition *partition = partition_of(service_own(service), message);
	struct slice body = service_body(message);
	if (partition != NULL)
		archive_note(partition, slice_int(slice_cut(&body, ' '), 0));
	service_drop(message);
}
