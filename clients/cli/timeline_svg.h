/* `corder timeline --svg`. */
#ifndef CORDER_CLI_TIMELINE_SVG_H
#define CORDER_CLI_TIMELINE_SVG_H

#include "plan.h"

/* Rows from `first` on, in order of submission; after plan_find_critical. */
void timeline_svg_add(const struct plan *plan, size_t first, const char *title, struct text *out);

#endif
