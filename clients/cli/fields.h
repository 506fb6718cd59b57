/* Members of replies as people read them, and request bodies from options. */
#ifndef CORDER_CLI_FIELDS_H
#define CORDER_CLI_FIELDS_H

#include "client.h"

int64_t field_time(struct json_value value); /* microseconds; 0 when it is null or absent */
/* "3.2s ago", "in 1m05s", "-" when at_us is 0. */
void field_add_ago(struct text *out, int64_t at_us);
/* Appends ,"name":"value" ('{' instead of ',' at the front); nothing when value is NULL. */
void body_add(struct text *body, const char *name, const char *value);
void body_add_int(struct text *body, const char *name, int64_t value);
void body_end(struct text *body);
struct slice text_slice(const struct text *text);
/* The status with its mark, in its shade. */
void field_add_status(const struct term *term, struct text *out, struct slice status);
/* "  name        " in dim, for lists of fields. */
void field_add_label(const struct term *term, struct text *out, const char *label);

/* Asks `subject` about each task of the command line and prints what `add` makes of the answer. An exit code. */
int about_each_task(struct cli *cli, const char *subject, const char *project,
                    void (*add)(const struct term *term, struct text *out, struct json_value root));

/* Asks for the timeline of --project and --batch and hands its reply to `show`, which returns an exit code. */
typedef int timeline_show(struct cli *cli, const void *options, const char *project, struct json_value root);
int about_timeline(struct cli *cli, const struct command *command, const char *project, const char *batch,
                   timeline_show *show, const void *options);
/* "project/task  ✔ completed" and the end of the line. */
void field_add_task_head(const struct term *term, struct text *out, struct json_value task);
/* "project / batch" */
void field_add_title(struct text *out, const char *project, const char *batch);

#endif
