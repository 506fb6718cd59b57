/* The stream of events by sequence: a binary search for the place to begin, then a window of reads under way. */
#include "replay.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/memory.h"
#include "../../shared/bus/stream.h"
#include "../../subjects/subjects.h"

enum { WINDOW = 64, TRIES = 20, PAUSE_US = 100000 };

/* A read under way; freed by its answer when nobody waits for it any more. */
struct read {
	bool done, abandoned;
	enum status status;
	struct text body;
};

struct replay {
	struct cli *cli;
	char *stream;
	struct json *json;
};

static char *event_stream_name(const struct cli *cli) {
	struct text name = { 0 };
	for (const char *c = cli->prefix; *c != 0; c++)
		text_add_char(&name, *c == '.' ? '_' : (char)toupper((unsigned char)*c));
	text_add(&name, "_" STREAM_EVENTS);
	return text_take(&name);
}

static void on_got(void *context, enum status status, uint64_t sequence, struct slice body) {
	struct read *read = context;
	(void)sequence;
	if (read->abandoned) {
		free(read);
		return;
	}
	read->done = true;
	read->status = status;
	if (status == STATUS_OK)
		text_add_slice(&read->body, body);
}

/* Waits for one read; false when the user interrupted. */
static bool wait_for(struct cli *cli, const struct read *read) {
	while (!read->done)
		if (!client_turn(cli, PAUSE_US))
			return false;
	return true;
}

static struct read *start(struct replay *replay, uint64_t sequence) {
	struct read *read = memory_new(sizeof *read);
	stream_get(replay->cli->bus, replay->stream, sequence, on_got, read);
	return read;
}

/* Whether its answer has come or not. */
static void finish(struct read *read) {
	text_release(&read->body);
	read->abandoned = true;
	if (read->done)
		free(read);
}

/* One message; tried again while the server is away. STATUS_REJECT: there is none with this sequence. */
static enum status get(struct replay *replay, uint64_t sequence, struct text *body) {
	enum status status = STATUS_RETRY;
	for (int i = 0; i < TRIES && status == STATUS_RETRY; i++) {
		struct read *read = start(replay, sequence);
		if (!wait_for(replay->cli, read)) {
			finish(read);
			return STATUS_RETRY;
		}
		status = read->status;
		text_clear(body);
		text_append(body, read->body.bytes, read->body.length);
		finish(read);
		if (status == STATUS_RETRY && !client_turn(replay->cli, PAUSE_US))
			return status;
	}
	return status;
}

struct info {
	bool done, abandoned;
	enum status status;
	struct stream_state state;
};

static void on_info(void *context, enum status status, const struct stream_state *state) {
	struct info *info = context;
	if (info->abandoned) {
		free(info);
		return;
	}
	info->done = true;
	info->status = status;
	if (status == STATUS_OK)
		info->state = *state;
}

static int read_state(struct replay *replay, struct stream_state *state) {
	int64_t until_us = clock_mono_us() + (int64_t)(client_timeout_s(replay->cli, 0) * 1e6);
	enum status last = STATUS_RETRY;
	while (clock_mono_us() < until_us && last == STATUS_RETRY) {
		struct info *info = memory_new(sizeof *info);
		stream_info(replay->cli->bus, replay->stream, on_info, info);
		while (!info->done)
			if (!client_turn(replay->cli, PAUSE_US) && !info->done) {
				info->abandoned = true;
				return EXIT_INTERRUPTED;
			}
		last = info->status;
		*state = info->state;
		free(info);
		if (last == STATUS_RETRY && !client_turn(replay->cli, PAUSE_US))
			return EXIT_INTERRUPTED;
	}
	if (last == STATUS_OK)
		return EXIT_DONE;
	fprintf(
		stderr,
		"corder: the stream %s does not answer at %s. It is made by the scheduler, unless CORDER_EVENTS_MAX_AGE is 0; "
		"without --since, 'corder events' follows what happens now.\n",
		replay->stream, replay->cli->url);
	return EXIT_UNREACHABLE;
}

/* Whether the event lies before the wanted place. */
static bool is_before(struct replay *replay, const struct text *body, enum replay_from from, int64_t place) {
	struct slice bytes = { body->bytes, body->length };
	if (json_parse(replay->json, bytes, NULL, NULL) != STATUS_OK)
		return true;
	struct json_value event = json_root(replay->json);
	if (from == REPLAY_SEQ)
		return json_int(json_member(event, "seq"), 0) < place;
	struct slice at = json_text(json_member(event, "at"));
	int64_t at_us;
	return at.length == 0 || !clock_parse(at.bytes, at.length, &at_us) || at_us < place;
}

static uint64_t find(struct replay *replay, const struct stream_state *state, enum replay_from from, int64_t place) {
	uint64_t low = state->first_sequence, high = state->last_sequence + 1;
	struct text body = { 0 };
	while (low < high && from != REPLAY_ALL && !client_interrupted()) {
		uint64_t middle = low + (high - low) / 2;
		enum status status = get(replay, middle, &body);
		if (status != STATUS_OK || is_before(replay, &body, from, place))
			low = middle + 1;
		else
			high = middle;
	}
	text_release(&body);
	return low;
}

/* Tells one event; false when nothing more is wanted, or can be had: then *code says which. */
static bool tell(struct replay *replay, uint64_t sequence, struct read *read, replay_event *event, void *context,
                 int *code) {
	*code = EXIT_INTERRUPTED;
	if (!wait_for(replay->cli, read))
		return false;
	if (read->status == STATUS_RETRY) {
		text_clear(&read->body);
		read->status = get(replay, sequence, &read->body);
	}
	if (read->status == STATUS_RETRY) {
		fprintf(stderr, "corder: lost the connection to %s while reading events\n", replay->cli->url);
		*code = client_interrupted() ? EXIT_INTERRUPTED : EXIT_UNREACHABLE;
		return false;
	}
	*code = EXIT_DONE;
	return read->status != STATUS_OK || event(context, (struct slice){ read->body.bytes, read->body.length });
}

/* Reads [first, last], a window of requests ahead of what is told. */
static int read_range(struct replay *replay, uint64_t first, uint64_t last, replay_event *event, void *context) {
	struct read *window[WINDOW] = { 0 };
	uint64_t asked = first, sequence = first;
	int code = EXIT_DONE;
	for (bool more = true; more && sequence <= last; sequence++) {
		for (; asked <= last && asked < sequence + WINDOW; asked++)
			window[asked % WINDOW] = start(replay, asked);
		struct read *read = window[sequence % WINDOW];
		more = tell(replay, sequence, read, event, context, &code);
		finish(read);
	}
	for (; sequence < asked; sequence++)
		finish(window[sequence % WINDOW]);
	return code;
}

int replay(struct cli *cli, enum replay_from from, int64_t place, replay_event *event, void *context) {
	struct replay replay = { cli, event_stream_name(cli), json_open() };
	struct stream_state state;
	int code = read_state(&replay, &state);
	uint64_t next = code == EXIT_DONE && state.messages > 0 ? find(&replay, &state, from, place) : 0;
	while (code == EXIT_DONE && state.messages > 0 && next <= state.last_sequence) {
		code = read_range(&replay, next, state.last_sequence, event, context);
		next = state.last_sequence + 1;
		if (code == EXIT_DONE)
			code = read_state(&replay, &state);
	}
	json_close(&replay.json);
	free(replay.stream);
	return code;
}
