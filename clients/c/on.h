/* A client on a loop and a connection that are there already, for programs of this repository. Both must outlive it. */
#ifndef CORDER_CLIENTS_C_ON_H
#define CORDER_CLIENTS_C_ON_H

#include "../../shared/bus/bus.h"
#include "corder.h"

struct corder *corder_on(struct loop *loop, struct bus *bus, const char *prefix);
/* Whether it is JSON, and nested no deeper than a settlement or a renewal can carry it. err may be NULL. */
bool corder_is_value(struct slice text, struct error *err);

#endif
