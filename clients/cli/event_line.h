/* An event as a line for people. */
#ifndef CORDER_CLI_EVENT_LINE_H
#define CORDER_CLI_EVENT_LINE_H

#include "client.h"

/* Ends without a newline. with_project: the task as PROJECT/TASK_ID. */
void event_line_add(const struct term *term, struct text *out, struct json_value event, bool with_project);

#endif
