/* Sends a submission: in one message when it fits, else in parts under one batch_id, sealed at the end. Or publishes the
 * same bodies into the stream that needs no service to be up. */
#include <stdio.h>
#include <stdlib.h>

#include "../../shared/bus/stream.h"
#include "../../subjects/subjects.h"
#include "submit.h"

enum { ENVELOPE_BYTES = 512, SEAL_PATIENCE_S = 300, PATIENCE_S = 60 };

static void add_envelope(struct text *body, const struct submission *submission) {
	text_clear(body);
	text_add(body, "{\"project\":");
	text_add_json(body, slice_of(submission->project));
	text_add(body, ",\"batch_id\":");
	text_add_json(body, slice_of(submission->batch_id));
}

static size_t start_of(const struct submission *submission, size_t index) {
	return index == 0 ? 0 : submission->ends[index - 1] + 1; /* + 1: the comma */
}

/* How many tasks from `first` on fit into one message. */
static size_t fitting(const struct submission *submission, size_t first, size_t max_bytes) {
	size_t start = start_of(submission, first);
	size_t end = first;
	while (end < submission->count && end - first < LIMIT_TASKS_PER_REQUEST &&
	       submission->ends[end] - start + ENVELOPE_BYTES <= max_bytes)
		end++;
	return end - first;
}

static void add_tasks(struct text *body, const struct submission *submission, size_t first, size_t count) {
	size_t start = start_of(submission, first);
	text_add(body, ",\"tasks\":[");
	text_append(body, submission->tasks.bytes + start, submission->ends[first + count - 1] - start);
	text_add_char(body, ']');
}

static void add_orders(struct text *body, const struct submit_orders *orders) {
	if (orders->mode == SUBMIT_DRY_RUN)
		text_add(body, ",\"dry_run\":true");
	if (orders->workers > 0)
		text_printf(body, ",\"workers\":%lld", (long long)orders->workers);
	if (orders->order != SUBMIT_ORDER_UNSAID)
		text_printf(body, ",\"order\":\"%s\"", submit_order_word(orders->order));
	if (orders->archived)
		text_add(body, ",\"ack\":\"archived\"");
	text_add_char(body, '}');
}

struct append {
	bool done;
	enum status status;
	uint64_t sequence;
};

static void on_appended(void *context, enum status status, uint64_t sequence) {
	struct append *append = context;
	*append = (struct append){ true, status, sequence };
}

/* Publishes into the stream; the same body twice is harmless, so no answer is followed by another try. */
static int enqueue(struct cli *cli, const struct submission *submission, const struct text *body) {
	int code = client_connect(cli);
	if (code != EXIT_DONE)
		return code;
	struct text relative = { 0 };
	text_printf(&relative, "enqueue.%s", submission->project);
	char *subject = client_subject(cli, relative.bytes);
	code = EXIT_UNREACHABLE;
	int64_t until_us = loop_now(cli->loop) + (int64_t)(client_timeout_s(cli, 0) * 1e6);
	while (code == EXIT_UNREACHABLE && loop_now(cli->loop) < until_us && !client_interrupted()) {
		static struct append append; /* outlives this call when the answer comes too late */
		append = (struct append){ 0 };
		stream_append(cli->bus, subject, STREAM_ANY_SEQUENCE, (struct slice){ body->bytes, body->length }, 2000,
		              on_appended, &append);
		while (!append.done && client_turn(cli, 100000))
			;
		if (append.done && append.status == STATUS_OK)
			code = EXIT_DONE;
		else
			client_turn(cli, 200000);
	}
	if (code != EXIT_DONE)
		fprintf(stderr,
		        "corder: the stream behind %s did not confirm; is NATS up at %s, with JetStream, and did ingest ever "
		        "start?\n",
		        subject, cli->url);
	free(subject);
	text_release(&relative);
	return client_interrupted() ? EXIT_INTERRUPTED : code;
}

static int deliver(struct cli *cli, const struct submission *submission, const struct submit_orders *orders,
                   const struct text *body, double patience_s, struct answer *answer) {
	if (orders->mode == SUBMIT_ENQUEUE)
		return enqueue(cli, submission, body);
	return client_ask(cli, SUBJECT_SUBMIT, (struct slice){ body->bytes, body->length }, patience_s, answer);
}

static void show_parts(struct cli *cli, size_t sent, size_t total) {
	if (!cli->err.live)
		return;
	struct text line = { 0 };
	text_add(&line, "\r");
	struct term_part part = { (double)sent, SHADE_GREEN };
	term_add_bar(&cli->err, &line, &part, 1, (double)total, 30);
	text_printf(&line, " %zu of %zu tasks sent%s", sent, total, sent == total ? "\r\x1b[K" : "");
	term_write(&cli->err, &line);
	text_release(&line);
}

static int send_parts(struct cli *cli, const struct submission *submission, const struct submit_orders *orders,
                      struct answer *answer) {
	struct text body = { 0 };
	size_t part = 0;
	int code = EXIT_DONE;
	for (size_t first = 0, count; first < submission->count && code == EXIT_DONE; first += count) {
		count = fitting(submission, first, orders->max_bytes);
		add_envelope(&body, submission);
		text_printf(&body, ",\"part\":%zu", ++part);
		add_tasks(&body, submission, first, count);
		text_add_char(&body, '}');
		answer_release(answer);
		code = deliver(cli, submission, orders, &body, PATIENCE_S, answer);
		show_parts(cli, first + count, submission->count);
	}
	if (code == EXIT_DONE) {
		add_envelope(&body, submission);
		text_printf(&body, ",\"seal\":%zu", part);
		add_orders(&body, orders);
		answer_release(answer);
		code = deliver(cli, submission, orders, &body, SEAL_PATIENCE_S, answer);
	}
	text_release(&body);
	return code;
}

static int tell_too_large(const struct submission *submission, size_t index, size_t max_bytes) {
	size_t bytes = submission->ends[index] - start_of(submission, index);
	fprintf(
		stderr,
		"corder: task %zu has %zu bytes; a message holds %zu. Put large data elsewhere and a reference to it into the "
		"task.\n",
		index, bytes, max_bytes);
	return EXIT_USAGE;
}

int submission_send(struct cli *cli, const struct submission *submission, const struct submit_orders *orders,
                    struct answer *answer) {
	for (size_t first = 0, count; first < submission->count; first += count) {
		count = fitting(submission, first, orders->max_bytes);
		if (count == 0)
			return tell_too_large(submission, first, orders->max_bytes);
	}
	if (fitting(submission, 0, orders->max_bytes) < submission->count)
		return send_parts(cli, submission, orders, answer);
	struct text body = { 0 };
	add_envelope(&body, submission);
	add_tasks(&body, submission, 0, submission->count);
	add_orders(&body, orders);
	int code = deliver(cli, submission, orders, &body, PATIENCE_S, answer);
	text_release(&body);
	return code;
}
