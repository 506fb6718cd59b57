/* Reads single members out of JetStream's replies, which are well-formed JSON of the server's. Not for client input. */
#ifndef CORDER_BUS_BUS_JSON_H
#define CORDER_BUS_BUS_JSON_H

#include <stdint.h>

#include "../base/text.h"

/* The value of a member of an object, as it is written; { NULL, 0 } when it is absent or json is no object. */
struct slice bus_json_member(struct slice json, const char *name);
/* An unsigned number; fallback when the member is absent or something else. */
uint64_t bus_json_number(struct slice json, const char *name, uint64_t fallback);
/* A string's content without its quotes, escapes left as they are; { NULL, 0 } when it is something else. */
struct slice bus_json_text(struct slice json, const char *name);

#endif
