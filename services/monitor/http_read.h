/* What is read of an HTTP request: its path, parameters and headers, as the text that the client wrote. Pure. */
#ifndef CORDER_MONITOR_HTTP_READ_H
#define CORDER_MONITOR_HTTP_READ_H

#include <stdbool.h>

#include "shared/base/text.h"

/* Whether the path has the pattern's form; then *body is the begin of a JSON object with a member for each {name} of it. */
bool read_path(struct slice path, const char *pattern, struct text *body);
/* Adds a parameter to the object that body, a struct text, has begun; an http_parameter. */
bool read_parameter(void *body, struct slice name, struct slice value);

/* Headers; bytes NULL: there is none. */
bool read_bearer(struct slice authorization, struct slice token);                        /* "" is nobody's token */
bool read_own_page(struct slice origin, struct slice host, struct slice sec_fetch_site); /* may ask for an action */
/* A page elsewhere can make its own name lead to this machine, and then read what answers: so a Host that is a name has to be
 * localhost or one of these (with commas between them; "*" is any). An address cannot be made to lead elsewhere. */
bool read_own_host(struct slice host, const char *names);
bool read_is_loopback(const char *address); /* of CORDER_HTTP_ADDRESS: reached from this machine alone */
bool read_is_json(struct slice content_type);
bool read_names(struct slice list, const char *word); /* Accept-Encoding, If-None-Match */

#endif
