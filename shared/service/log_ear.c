/* Marks and answers; see log_ear.h. Both become the same text. */
#include "log_ear.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../../subjects/subjects.h"
#include "../base/id.h"
#include "../bus/stream.h"

static const char answers[] = ".internal.logged."; /* SUBJECT_INTERNAL_LOGGED, after prefix and version */

void log_ear_add_answer(struct text *subject, const char *prefix, const struct log_block *block, struct slice ids) {
	text_printf(subject, "%s." SUBJECT_VERSION "%s%" PRId64 ".%s.%" PRId64 ".", prefix, answers, block->partition,
	            block->epoch, block->last_seq);
	while (ids.bytes != NULL) {
		text_add_slice(subject, slice_cut(&ids, '\n'));
		text_add_char(subject, '.');
	}
	text_add(subject, block->name);
}

void log_ear_add_mark(struct text *mark, const struct log_block *block, uint64_t sequence, struct slice ids) {
	text_printf(mark, "%s %" PRId64 " %" PRIu64 "\n", block->epoch, block->last_seq, sequence);
	text_add_slice(mark, ids);
}

bool log_ear_read_mark(struct slice mark, uint64_t *sequence, struct slice *last_id) {
	struct slice line = slice_cut(&mark, '\n');
	slice_cut(&line, ' ');
	slice_cut(&line, ' ');
	*sequence = line.bytes != NULL ? (uint64_t)slice_int(line, 0) : 0;
	*last_id = (struct slice){ NULL, 0 };
	while (mark.bytes != NULL)
		*last_id = slice_cut(&mark, '\n');
	return *sequence > 0 && last_id->length > 0;
}

/* "<partition>.<epoch>.<last seq>.<id>….<block>": the mark that it makes with this sequence; the block's name is what is left. */
static bool read_answer(struct slice subject, uint64_t sequence, struct text *mark, struct slice *block) {
	struct slice epoch = slice_cut(&subject, '.');
	int64_t last_seq = subject.bytes != NULL ? slice_int(slice_cut(&subject, '.'), 0) : 0;
	if (!id_is_token(epoch) || last_seq <= 0 || subject.bytes == NULL)
		return false;
	text_add_slice(mark, epoch);
	text_printf(mark, " %" PRId64 " %" PRIu64, last_seq, sequence);
	while (*block = slice_cut(&subject, '.'), subject.bytes != NULL) {
		text_add_char(mark, '\n');
		text_add_slice(mark, *block);
	}
	return id_is_token(*block);
}

static void on_answer(void *context, const struct bus_message *message) {
	const struct log_ear *ear = context;
	const char *found = strstr(message->subject, answers);
	struct slice subject = slice_of(found != NULL ? found + sizeof(answers) - 1 : "");
	int64_t partition = slice_int(slice_cut(&subject, '.'), -1);
	struct log_answer answer = { 0 };
	struct text mark = { 0 };
	char stream[STREAM_NAME_BYTES];
	if (partition < 0)
		return;
	stream_name(stream, ear->prefix, STREAM_LOG, partition);
	answer.status = stream_read_answer(message, stream, &answer.sequence);
	if (read_answer(subject, answer.sequence, &mark, &answer.block)) {
		struct slice said = { mark.bytes, mark.length }, nothing = { NULL, 0 };
		ear->handler(ear->context, partition, answer.status == STATUS_OK ? said : nothing, &answer);
	}
	text_release(&mark);
}

static void on_mark(void *context, const struct bus_message *message) {
	const struct log_ear *ear = context;
	const char *token = strrchr(message->subject, '.');
	int64_t partition = token != NULL ? slice_int(slice_of(token + 1), -1) : -1;
	if (partition >= 0 && message->body.length > 0)
		ear->handler(ear->context, partition, message->body, NULL);
}

/* Who waits for the log goes on hearing of it while he stops: what is under way then ends by what is heard here. */
enum status log_ear_open(struct log_ear *ear, struct bus *bus, struct error *err) {
	char subject[160];
	snprintf(subject, sizeof(subject), "%s." SUBJECT_VERSION "." SUBJECT_INTERNAL_MARK, ear->prefix);
	if (ear->patient)
		return bus_subscribe(bus, subject, NULL, on_mark, ear, err);
	bus_subscribe_inner(bus, subject, on_mark, ear);
	snprintf(subject, sizeof(subject), "%s." SUBJECT_VERSION "." SUBJECT_INTERNAL_LOGGED, ear->prefix);
	bus_subscribe_inner(bus, subject, on_answer, ear);
	return STATUS_OK;
}
