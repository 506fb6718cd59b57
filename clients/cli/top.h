/* What the files of `corder top` share. top_data.c and top_running.c gather, top_rates.c counts a second at a time,
 * top_picture.c draws the overview, top_list.c and top_panes.c the lists under it, top_keys.c reads keys, top_screen.c
 * owns the terminal, top_json.c writes for programs; cmd_top.c ties them together. */
#ifndef CORDER_CLI_TOP_H
#define CORDER_CLI_TOP_H

#include "client.h"

enum { TOP_HISTORY_S = 300, TOP_FAILURES = 200, TOP_CHECKS = 16, TOP_STATUSES = 8 };

/* rates ---------------------------------------------------------------------------------------------------------- */

enum top_rate { TOP_IN, TOP_STARTED, TOP_DONE, TOP_FAILED, TOP_RATES };
extern const char *const top_rate_words[TOP_RATES];

/* How many of each in the last seconds, one number a second. */
struct top_rates {
	uint32_t counts[TOP_RATES][TOP_HISTORY_S];
	int64_t second; /* the newest that was touched */
};
void top_rates_add(struct top_rates *rates, int64_t second, enum top_rate rate);
/* In the second so long before now_s; 0 is the one under way. */
uint32_t top_rates_at(const struct top_rates *rates, int64_t now_s, enum top_rate rate, int64_t ago_s);
/* A second, over the last whole seconds; at most five, and no more than have been seen since since_s. */
double top_rates_per_s(const struct top_rates *rates, int64_t now_s, int64_t since_s, enum top_rate rate);

/* data ----------------------------------------------------------------------------------------------------------- */

struct top_queue {
	char *task_type;
	int64_t pending, running;
	double oldest_s; /* age of the longest waiting ready task; -1: none, or not known */
	bool paused;
	struct top_rates rates;
};

struct top_running {
	char *project, *task_id, *task_type, *worker;
	int64_t since_us;
	int64_t gone_us; /* it has ended, and is kept for a while so that an old list does not bring it back; 0: it runs */
};

struct top_worker {
	char *name;
	size_t runs;     /* so many tasks */
	int64_t seen_us; /* monotonic: when it began or ended something last */
};

struct top_failure {
	char *project, *task_id, *task_type, *code, *message;
	int64_t at_us;
	bool is_final; /* otherwise it will be tried again */
};

struct top_check {
	char *name, *message, *advice; /* advice may be NULL */
	bool is_critical;
};

extern const char *const top_status_words[TOP_STATUSES]; /* those that are not final first */

struct top_data {
	struct cli *cli;
	char *project; /* NULL: all */
	int64_t interval_us;
	int64_t since_s; /* when counting began */
	int64_t counts[TOP_STATUSES];
	double average_wait_s;               /* -1: none */
	char *health;                        /* "ok", "degraded", "critical"; NULL: no answer yet */
	struct top_check checks[TOP_CHECKS]; /* those that are not ok */
	size_t check_count;
	struct top_rates rates;
	struct top_queue **queues;
	size_t queue_count;
	struct table *by_type, *running, *workers; /* queues; struct top_running by "project/task_id"; workers by name */
	struct top_failure failures[TOP_FAILURES]; /* a ring */
	size_t failure_count;                      /* since the start */
	int64_t answered_us, asked_us, listed_us;  /* monotonic; 0: never */
	bool is_asking, is_listing;
	size_t lists;  /* asked for */
	char *trouble; /* why there is no answer; NULL: there is */
	struct json *json;
	uint64_t changes; /* grows with everything that a picture shows */
};

int top_data_open(struct top_data *data, struct cli *cli, const char *project, double interval_s);
void top_data_close(struct top_data *data);
/* Asks what is due; never waits. */
void top_data_refresh(struct top_data *data);
void top_data_choose(struct top_data *data, const char *project); /* NULL: all */
/* Failure i, the newest is 0; NULL: there is none. */
const struct top_failure *top_data_failure(const struct top_data *data, size_t i);

/* top_running.c */
void top_running_note(struct top_data *data, struct slice project, struct json_value event, bool begins);
void top_running_take_list(struct top_data *data, struct json_value root);
void top_running_forget(struct top_data *data);

/* what is shown -------------------------------------------------------------------------------------------------- */

enum top_pane { TOP_QUEUES, TOP_WORKERS, TOP_TROUBLE, TOP_PANES };

struct top_view {
	enum top_pane pane;
	size_t selected[TOP_PANES], first[TOP_PANES]; /* rows */
	size_t rows[TOP_PANES];                       /* that there were in the last picture */
	size_t visible[TOP_PANES];
	size_t sort[TOP_PANES];
	bool reversed[TOP_PANES];
	char filter[72];
	bool help, frozen, quit;
	/* a question in the last line: what is typed, and what to do with it */
	enum top_prompt { TOP_NO_PROMPT, TOP_ASK_FILTER, TOP_ASK_PROJECT, TOP_CONFIRM_PAUSE } prompt;
	char typed[72];
	char subject[72]; /* the type to pause or resume */
	bool resumes;
	char message[160]; /* said once in the last line */
	bool changed;      /* a queue was: look at once */
};

void top_picture_add(const struct top_data *data, struct top_view *view, const struct term *term, struct text *out);
/* The lists alone, in `height` lines; 0: as many as there are. */
void top_panes_add(const struct top_data *data, struct top_view *view, const struct term *term, struct text *out,
                   size_t height);
void top_sort_next(struct top_view *view, int step); /* 1 or -1 */
/* The type in the selected row of the queues; NULL: none. */
const char *top_selected_type(const struct top_data *data, struct top_view *view);
/* A sparkline of the last `width` seconds. */
void top_add_spark(const struct term *term, struct text *out, enum shade shade, const struct top_rates *rates,
                   int64_t now_s, enum top_rate rate, size_t width);

void top_keys_take(struct top_data *data, struct top_view *view, struct slice keys);

void top_json_add(const struct top_data *data, struct text *out);

/* the terminal --------------------------------------------------------------------------------------------------- */

/* Takes the whole screen and every key; what was there comes back at top_screen_close, at any exit and any signal. */
bool top_screen_open(void);
void top_screen_close(void);
bool top_screen_resized(void); /* since it was asked last */
void top_screen_draw(struct term *term, struct text *picture);

#endif
