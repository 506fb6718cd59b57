/* A client on a loop and a connection that are there already, for programs of this repository. Both must outlive it. */
#ifndef CORDER_CLIENTS_C_ON_H
#define CORDER_CLIENTS_C_ON_H

#include "../../shared/bus/bus.h"
#include "corder.h"

struct corder *corder_on(struct loop *loop, struct bus *bus, const char *prefix);

#endif
