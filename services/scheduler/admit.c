/* Submissions: gathered while a call is under way, so that batches form by themselves, and admitted by one script call.
 * What the script cannot know (ids that left Redis) is looked up and asked again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/base/teeth.h"
#include "shared/state/admit_record.h"
#include "shared/task/record.h"

enum { CALL_RECORDS = 256, CALL_BYTES = 524288, MOST_TRIES = 6, FIXED_WORDS = 7 };

struct admissions {
	struct partition *partition;
	struct submission *first, **end; /* waiting */
	struct submission *under_way;    /* in the call, in order */
	bool calling;
	bool closed; /* whatever still comes ends at once */
};

static void call_next(struct admissions *admissions);

void admit_open(struct partition *partition) {
	struct admissions *admissions = memory_new(sizeof(*admissions));
	admissions->partition = partition;
	admissions->end = &admissions->first;
	partition->admissions = admissions;
}

void admit_end(struct submission *submission, enum status status, const struct state_head *head, struct slice verdict,
               const struct error *err) {
	text_release(&submission->ghosts);
	words_release(&submission->words);
	submission->ghost_count = 0;
	submission->done(submission, status, head, verdict, err);
}

/* These say that something is not there, or not over. */
static bool needs_proof(const struct submission *submission, struct slice verdict) {
	struct slice code = slice_cut(&verdict, RECORD_US);
	return !submission->proved && !teeth_without("refusal-proof") &&
	       (slice_is(code, CODE_UNKNOWN_DEPENDENCY) || slice_is(code, CODE_CYCLE) ||
	        slice_is(code, CODE_LIMIT_EXCEEDED));
}

struct refused {
	struct partition *partition;
	struct submission *submission;
};

static void on_proof(void *context, enum status status) {
	struct refused refused = *(struct refused *)context;
	struct error err = { 0 };
	free(context);
	refused.submission->proved = true;
	if (status == STATUS_OK) {
		admit_submit(refused.partition, refused.submission);
		return;
	}
	fail(&err, STATUS_RETRY, "the log is away, and without it nothing can be refused: repeat later");
	snprintf(err.code, sizeof(err.code), "%s", CODE_UNAVAILABLE);
	admit_end(refused.submission, STATUS_RETRY, NULL, (struct slice){ 0 }, &err);
}

static void make_sure(struct partition *partition, struct submission *submission) {
	struct refused *refused = memory_new(sizeof(*refused));
	*refused = (struct refused){ partition, submission };
	proof_ask(partition, submission->proof, on_proof, refused);
}

static void judge(struct admissions *admissions, struct submission *submission, const struct state_head *head,
                  struct slice verdict) {
	struct slice ids = verdict, by = slice_cut(&ids, RECORD_GS);
	if (!slice_is(slice_cut(&by, RECORD_US), "lookup")) {
		if (needs_proof(submission, verdict))
			make_sure(admissions->partition, submission);
		else
			admit_end(submission, STATUS_OK, head, verdict, NULL);
		return;
	}
	struct error err = { 0 };
	if (++submission->tries > MOST_TRIES) {
		fail(&err, STATUS_RETRY, "what left memory could not be looked up: repeat later");
		snprintf(err.code, sizeof(err.code), "unavailable");
		admit_end(submission, STATUS_RETRY, NULL, (struct slice){ 0 }, &err);
		return;
	}
	lookup_ended(admissions->partition, submission, ids, by);
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
			admit_end(submission, status, NULL, (struct slice){ 0 }, err);
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
	words_slices(&s->words, words + at);
	at += s->words.count;
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
		words += FIXED_WORDS + s->words.count + s->ghost_count;
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
	const char *proof = "";
	for (struct submission *s = admissions->under_way; s != NULL; s = s->next) {
		at = add_submission(words, at, s, counts[i++]);
		proof = state_newer_proof(proof, s->proof);
	}
	must(at == word_count);
	admissions->calling = true;
	state_call_proved(admissions->partition->state, proof, &state_script_admit, words, word_count, on_admitted,
	                  admissions);
	free(counts);
	free(words);
}

/* False when a record is none. */
static bool pack(struct submission *s) {
	struct slice rest = s->records;
	for (size_t i = 0; i < s->record_count; i++)
		if (!admit_record_add(&s->words, s->project, s->batch_id, slice_cut(&rest, RECORD_RS)))
			return false;
	return true;
}

static void end_unknown(struct submission *submission) {
	struct error err = { 0 };
	while (submission != NULL) {
		struct submission *next = submission->next;
		fail(&err, STATUS_RETRY, "this scheduler was stopped meanwhile: repeat");
		snprintf(err.code, sizeof(err.code), "%s", CODE_UNAVAILABLE);
		submission->next = NULL;
		admit_end(submission, STATUS_RETRY, NULL, (struct slice){ 0 }, &err);
		submission = next;
	}
}

void admit_close(struct partition *partition) {
	struct admissions *admissions = partition->admissions;
	admissions->closed = true;
	end_unknown(admissions->under_way);
	end_unknown(admissions->first);
	free(admissions);
	partition->admissions = NULL;
}

void admit_submit(struct partition *partition, struct submission *submission) {
	struct admissions *admissions = partition->admissions;
	struct error err = { 0 };
	if (submission->words.count == 0 && !pack(submission)) {
		reject(&err, CODE_INTERNAL, "", "a malformed task record: ingest and scheduler of different versions?");
		admit_end(submission, STATUS_REJECT, NULL, (struct slice){ 0 }, &err);
		return;
	}
	submission->next = NULL;
	if (admissions->closed) {
		end_unknown(submission);
		return;
	}
	*admissions->end = submission;
	admissions->end = &submission->next;
	call_next(admissions);
}
