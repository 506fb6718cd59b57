/* The parts of a connection URL, percent-decoded: scheme://[user[:password]@][host[:port]][/path][?name=value&…].
 * Knows no scheme; what a part means is up to the folder that connects. */
#ifndef CORDER_BASE_URL_H
#define CORDER_BASE_URL_H

#include "error.h"

struct url {
	char *scheme, *user, *password, *host; /* never NULL after url_parse; "" when absent; a host has no brackets */
	char *path;                            /* with its leading '/', or "" */
	char *query;                           /* as written, without '?' */
	int port;                              /* 0 when absent */
};

/* STATUS_REJECT when it is no URL. The message never holds the URL: it may carry a password. */
enum status url_parse(const char *text, struct url *url, struct error *err);
void url_release(struct url *url);
/* The decoded value of a name in the query, owned by the caller; NULL when it is not there. */
char *url_query(const struct url *url, const char *name);

#endif
