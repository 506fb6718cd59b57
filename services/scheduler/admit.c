/* Submissions: gathered while a call is under way, so that batches form by themselves, and admitted by one script call.
 * What the script cannot know (ids that left Redis) is looked up and asked again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/state/admit_record.h"
#include "shared/task/record.h"

enum { CALL_RECORDS = 256, CALL_BYTES = 524288, MOST_TRIES = 6, FIXED_WORDS = 7 };

struct admissions {
	struct partition *partition;
	struct submission *first, **end; /* waiting */
	struct submission *under_way;    /* in the call, in order */
	bool calling;
};

static void call_next(struct admissions *admissions);

void admit_open(struct partition *partition) {
	struct admissions *admissions = memory_new(sizeof(*admissions));
	admissions->partition = partition;
	admissions->end = &admissions->first;
	partition->admissions = admissions;
}

void admit_close(struct partition *partition) {
	free(partition->admissions);
	partition->admissions = NULL;
}

static void end_submission(struct submission *submission, enum status status, const struct state_head *head,
                           struct slice verdict, const struct error *err) {
	text_release(&submission->ghosts);
	text_release(&submission->packed);
	free(submission->words);
	submission->words = NULL;
	submission->ghost_count = 0;
	submission->done(submission, status, head, verdict, err);
}

static void judge(struct admissions *admissions, struct submission *submission, const struct state_head *head,
                  struct slice verdict) {
	struct slice rest = verdict, word = slice_cut(&rest, RECORD_US);
	if (!slice_is(word, "lookup")) {
		end_submission(submission, STATUS_OK, head, verdict, NULL);
		return;
	}
	struct error err = { 0 };
	if (++submission->tries > MOST_TRIES) {
		fail(&err, STATUS_RETRY, "what left memory could not be looked up: repeat later");
		snprintf(err.code, sizeof(err.code), "unavailable");
		end_submission(submission, STATUS_RETRY, NULL, (struct slice){ 0 }, &err);
		return;
	}
	char looked[24];
	struct slice evicted = slice_cut(&rest, RECORD_US);
	snprintf(looked, sizeof(looked), "%.*s", (int)evicted.length, evicted.bytes);
	slice_cut(&rest, RECORD_GS);
	lookup_ended(admissions->partition, submission, rest, looked);
}

static void on_admitted(void *context, enum status status, const struct state_head *head, const struct kv_reply *reply,
                        const struct error *err) {
	struct admissions *admissions = context;
	struct submission *submission = admissions->under_way;
	admissions->under_way = NULL;
	admissions->calling = false;
	if (status == STATUS_OK)
		heads_note(admissions->partition, head);
	else
		heads_problem(admissions->partition, err);
	if (status == STATUS_REJECT)
		log_error("the admit script failed", "why", err->message, NULL);
	for (size_t i = 1; submission != NULL; i++) {
		struct submission *next = submission->next;
		submission->next = NULL;
		if (status == STATUS_OK)
			judge(admissions, submission, head, kv_text(kv_at(reply, i)));
		else
			end_submission(submission, status, NULL, (struct slice){ 0 }, err);
		submission = next;
	}
	call_next(admissions);
}

static size_t add_list(struct slice *words, size_t at, struct slice list, size_t count) {
	for (size_t i = 0; i < count; i++)
		words[at++] = slice_cut(&list, RECORD_RS);
	return at;
}

static size_t add_submission(struct slice *words, size_t at, const struct submission *s, char counts[2][16]) {
	snprintf(counts[0], 16, "%zu", s->record_count);
	snprintf(counts[1], 16, "%zu", s->ghost_count);
	words[at++] = s->project;
	words[at++] = s->batch_id;
	words[at++] = slice_of(s->mode);
	words[at++] = s->token;
	words[at++] = slice_of(s->looked);
	words[at++] = slice_of(counts[0]);
	words[at++] = slice_of(counts[1]);
	memcpy(words + at, s->words, 2 * s->record_count * sizeof(*words));
	at += 2 * s->record_count;
	return add_list(words, at, (struct slice){ s->ghosts.bytes, s->ghosts.length }, s->ghost_count);
}

/* Takes from the queue what fits into one call; always at least one. */
static size_t take(struct admissions *admissions, size_t *submissions) {
	size_t records = 0, bytes = 0, words = 0;
	struct submission **at = &admissions->first;
	*submissions = 0;
	while (*at != NULL) {
		struct submission *s = *at;
		if (*submissions > 0 && (records + s->record_count > CALL_RECORDS || bytes + s->records.length > CALL_BYTES))
			break;
		records += s->record_count + s->ghost_count;
		bytes += s->records.length + s->ghosts.length;
		words += FIXED_WORDS + 2 * s->record_count + s->ghost_count;
		(*submissions)++;
		at = &s->next;
	}
	admissions->under_way = admissions->first;
	admissions->first = *at;
	if (admissions->first == NULL)
		admissions->end = &admissions->first;
	*at = NULL;
	return words;
}

static void call_next(struct admissions *admissions) {
	if (admissions->calling || admissions->first == NULL)
		return;
	size_t submissions = 0, at = 0, i = 0;
	size_t word_count = take(admissions, &submissions);
	struct slice *words = memory_array(word_count, sizeof(*words));
	char(*counts)[2][16] = memory_array(submissions, sizeof(*counts));
	for (struct submission *s = admissions->under_way; s != NULL; s = s->next)
		at = add_submission(words, at, s, counts[i++]);
	must(at == word_count);
	admissions->calling = true;
	state_call(admissions->partition->state, &state_script_admit, words, word_count, on_admitted, admissions);
	free(counts);
	free(words);
}

/* False when a record is none. */
static bool pack(struct submission *s) {
	struct slice rest = s->records;
	size_t *ends = memory_array(s->record_count + 1, sizeof(*ends));
	bool valid = true;
	s->words = memory_array(2 * s->record_count + 1, sizeof(*s->words));
	for (size_t i = 0; valid && i < s->record_count; i++) {
		valid =
			admit_record_add(&s->packed, s->project, s->batch_id, slice_cut(&rest, RECORD_RS), &s->words[2 * i + 1]);
		ends[i] = s->packed.length;
	}
	for (size_t i = 0, start = 0; valid && i < s->record_count; start = ends[i++])
		s->words[2 * i] = (struct slice){ s->packed.bytes + start, ends[i] - start };
	free(ends);
	return valid;
}

void admit_submit(struct partition *partition, struct submission *submission) {
	struct admissions *admissions = partition->admissions;
	struct error err = { 0 };
	if (submission->words == NULL && !pack(submission)) {
		reject(&err, CODE_INTERNAL, "", "a malformed task record: ingest and scheduler of different versions?");
		end_submission(submission, STATUS_REJECT, NULL, (struct slice){ 0 }, &err);
		return;
	}
	submission->next = NULL;
	*admissions->end = submission;
	admissions->end = &submission->next;
	call_next(admissions);
}
