/* `corder graph --svg`. */
#ifndef CORDER_CLI_GRAPH_SVG_H
#define CORDER_CLI_GRAPH_SVG_H

#include "plan.h"

void graph_svg_add(const struct plan *plan, const char *title, struct text *out); /* after plan_find_critical */

#endif
