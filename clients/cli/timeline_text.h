/* The Gantt chart in text. */
#ifndef CORDER_CLI_TIMELINE_TEXT_H
#define CORDER_CLI_TIMELINE_TEXT_H

#include "plan.h"
#include "term.h"

/* Rows from `first` on, in order of submission; after plan_find_critical. */
void timeline_text_add(const struct plan *plan, size_t first, const struct term *term, struct text *out);

#endif
