/* Events as spans, in the JSON of OpenTelemetry's protocol, one line a span: a batch has its tasks, a task its tries; what
 * happened to a task stands as events in its span, what it waited for as links. A span is written when it has ended. */
#ifndef CORDER_CLI_OTLP_H
#define CORDER_CLI_OTLP_H

#include <stdio.h>

#include "../../shared/task/json.h"

struct otlp;

struct otlp *otlp_open(FILE *file); /* borrows file */
void otlp_close(struct otlp **otlp);
/* Events of a task in order. A task whose first event was not seen is left out. */
void otlp_take(struct otlp *otlp, struct json_value event);

#endif
