/* Keys: moving, sorting, filtering, choosing, pausing. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../shared/base/id.h"
#include "../../subjects/subjects.h"
#include "fields.h"
#include "top.h"

enum key {
	KEY_NONE,
	KEY_ESCAPE = 27,
	KEY_BACKSPACE = 127,
	KEY_UP = 256,
	KEY_DOWN,
	KEY_PAGE_UP,
	KEY_PAGE_DOWN,
	KEY_HOME,
	KEY_END,
	KEY_BACK_TAB
};

enum { CHANGE_TIMEOUT_MS = 5000, INTERVAL_LEAST_US = 200000, INTERVAL_MOST_US = 30000000, CHUNK = 10 };

static const struct {
	const char *bytes; /* after ESC */
	enum key key;
} sequences[] = {
	{ "[A", KEY_UP },         { "[B", KEY_DOWN }, { "OA", KEY_UP },    { "OB", KEY_DOWN }, { "[5~", KEY_PAGE_UP },
	{ "[6~", KEY_PAGE_DOWN }, { "[H", KEY_HOME }, { "[F", KEY_END },   { "OH", KEY_HOME }, { "OF", KEY_END },
	{ "[1~", KEY_HOME },      { "[4~", KEY_END }, { "[7~", KEY_HOME }, { "[8~", KEY_END }, { "[Z", KEY_BACK_TAB },
};

/* Takes one key off; an unknown sequence is swallowed whole. */
static int take_key(struct slice *keys) {
	unsigned char first = (unsigned char)keys->bytes[0];
	keys->bytes++;
	keys->length--;
	if (first != KEY_ESCAPE || keys->length == 0 || (keys->bytes[0] != '[' && keys->bytes[0] != 'O'))
		return first;
	for (size_t i = 0; i < COUNT(sequences); i++) {
		size_t length = strlen(sequences[i].bytes);
		if (keys->length < length || memcmp(keys->bytes, sequences[i].bytes, length) != 0)
			continue;
		keys->bytes += length;
		keys->length -= length;
		return (int)sequences[i].key;
	}
	for (bool end = false; keys->length > 0 && !end; keys->bytes++, keys->length--)
		end = isalpha((unsigned char)keys->bytes[0]) != 0 || keys->bytes[0] == '~';
	return KEY_NONE;
}

/* pause and resume ----------------------------------------------------------------------------------------------- */

static void on_changed(void *context, enum status status, const struct bus_message *message) {
	struct top_view *view = context;
	struct json *json = status == STATUS_OK ? json_read(message->body, NULL) : NULL;
	struct json_value root = json_root(json);
	struct slice why = json_text(json_member(json_member(root, "error"), "message"));
	if (json != NULL && json_bool(json_member(root, "ok"), false))
		snprintf(view->message, sizeof view->message, "%s: %s", view->resumes ? "Resumed" : "Paused", view->subject);
	else
		snprintf(view->message, sizeof view->message, "Not changed: %.*s", why.length > 0 ? (int)why.length : 24,
		         why.length > 0 ? why.bytes : "the scheduler is silent.");
	json_close(&json);
	view->changed = true;
}

static void change_queue(struct top_data *data, struct top_view *view) {
	struct text body = { 0 };
	body_add(&body, "task_type", view->subject);
	body_add(&body, "project", data->project);
	body_add(&body, "reason", "corder top");
	body_end(&body);
	char *subject = client_subject(data->cli, view->resumes ? SUBJECT_QUEUE_RESUME : SUBJECT_QUEUE_PAUSE);
	bus_request(data->cli->bus, subject, NULL, 0, text_slice(&body), CHANGE_TIMEOUT_MS, on_changed, view);
	free(subject);
	text_release(&body);
}

static void ask_to_pause(struct top_data *data, struct top_view *view) {
	const char *type = view->pane == TOP_QUEUES ? top_selected_type(data, view) : NULL;
	if (type == NULL) {
		snprintf(view->message, sizeof view->message, "Select a type in the list of queues first (Tab).");
		return;
	}
	snprintf(view->subject, sizeof view->subject, "%s", type);
	view->resumes = false;
	for (size_t i = 0; i < data->queue_count; i++)
		if (strcmp(data->queues[i]->task_type, type) == 0)
			view->resumes = data->queues[i]->paused;
	view->prompt = TOP_CONFIRM_PAUSE;
}

/* the question in the last line ---------------------------------------------------------------------------------- */

static void finish_question(struct top_data *data, struct top_view *view) {
	if (view->prompt == TOP_ASK_FILTER)
		snprintf(view->filter, sizeof view->filter, "%s", view->typed);
	else if (view->typed[0] == 0)
		top_data_choose(data, NULL);
	else if (id_is_token(slice_of(view->typed)))
		top_data_choose(data, view->typed);
	else
		snprintf(view->message, sizeof view->message, "'%s' is no project name.", view->typed);
	view->prompt = TOP_NO_PROMPT;
}

static void take_answer(struct top_data *data, struct top_view *view, int key) {
	size_t length = strlen(view->typed);
	if (view->prompt == TOP_CONFIRM_PAUSE) {
		if (key == 'y' || key == 'Y')
			change_queue(data, view);
		view->prompt = TOP_NO_PROMPT;
	} else if (key == KEY_ESCAPE) {
		view->prompt = TOP_NO_PROMPT;
	} else if (key == '\r' || key == '\n') {
		finish_question(data, view);
	} else if ((key == KEY_BACKSPACE || key == '\b') && length > 0) {
		view->typed[length - 1] = 0;
	} else if (key == 'U' - '@') {
		view->typed[0] = 0;
	} else if (key > ' ' && key < KEY_BACKSPACE && length + 1 < sizeof view->typed - 8) {
		view->typed[length] = (char)key;
		view->typed[length + 1] = 0;
	}
}

static void ask(struct top_view *view, enum top_prompt prompt, const char *initial) {
	view->prompt = prompt;
	snprintf(view->typed, sizeof view->typed, "%s", initial != NULL ? initial : "");
}

/* ----------------------------------------------------------------------------------------------------------------- */

static void move(struct top_view *view, int64_t by) {
	int64_t most = (int64_t)view->rows[view->pane] - 1, to = (int64_t)view->selected[view->pane] + by;
	to = to > most ? most : to;
	view->selected[view->pane] = (size_t)(to < 0 ? 0 : to);
}

static void change_interval(struct top_data *data, struct top_view *view, double factor) {
	double us = (double)data->interval_us * factor;
	us = us < INTERVAL_LEAST_US ? INTERVAL_LEAST_US : us > INTERVAL_MOST_US ? INTERVAL_MOST_US : us;
	data->interval_us = (int64_t)us;
	snprintf(view->message, sizeof view->message, "Every %.1f s.", us / 1e6);
}

static bool take_move(struct top_view *view, int key) {
	int64_t page = view->visible[view->pane] > 1 ? (int64_t)view->visible[view->pane] - 1 : CHUNK;
	switch (key) {
	case KEY_UP:
	case 'k': move(view, -1); return true;
	case KEY_DOWN:
	case 'j': move(view, 1); return true;
	case KEY_PAGE_UP: move(view, -page); return true;
	case KEY_PAGE_DOWN: move(view, page); return true;
	case KEY_HOME:
	case 'g': move(view, -(int64_t)view->rows[view->pane]); return true;
	case KEY_END:
	case 'G': move(view, (int64_t)view->rows[view->pane]); return true;
	case '\t': view->pane = (view->pane + 1) % TOP_PANES; return true;
	case KEY_BACK_TAB: view->pane = (view->pane + TOP_PANES - 1) % TOP_PANES; return true;
	default: return false;
	}
}

static void take_command(struct top_data *data, struct top_view *view, int key) {
	switch (key) {
	case 'q':
	case 'Q': view->quit = true; break;
	case '?':
	case 'h': view->help = true; break;
	case ' ': view->frozen = !view->frozen; break;
	case 's': top_sort_next(view, 1); break;
	case 'S': top_sort_next(view, -1); break;
	case 'r': view->reversed[view->pane] = !view->reversed[view->pane]; break;
	case '/': ask(view, TOP_ASK_FILTER, view->filter); break;
	case 'P': ask(view, TOP_ASK_PROJECT, data->project); break;
	case 'p': ask_to_pause(data, view); break;
	case '+': change_interval(data, view, 2); break;
	case '-': change_interval(data, view, 0.5); break;
	case KEY_ESCAPE: view->filter[0] = 0; break;
	default: break;
	}
}

void top_keys_take(struct top_data *data, struct top_view *view, struct slice keys) {
	while (keys.length > 0) {
		int key = take_key(&keys);
		view->message[0] = 0;
		if (view->prompt != TOP_NO_PROMPT)
			take_answer(data, view, key);
		else if (view->help)
			view->help = false;
		else if (!take_move(view, key))
			take_command(data, view, key);
	}
}
