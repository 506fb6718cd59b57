/* Where the server is: --nats, --dir, NATS_URL, or the nearest .corder/env above the current folder. */
#ifndef CORDER_CLI_CONNECTION_H
#define CORDER_CLI_CONNECTION_H

#include "../../shared/base/error.h"

struct connection {
	char *url, *prefix;     /* owned */
	char *redis, *database; /* of the environment, or of the env file where the URL is from; NULL: not known */
	const char *found;      /* how: "--nats", "NATS_URL", …; for messages */
	struct error unread;    /* why one of redis and database could not be read; no message when all could */
};

/* nats and dir are the options' values, or NULL. STATUS_REJECT: --dir names a folder without an env file, the prefix is no
 * token, or a file that NATS_URL_FILE or CORDER_PREFIX_FILE names cannot be read. */
enum status connection_find(const char *nats, const char *dir, struct connection *connection, struct error *err);
void connection_release(struct connection *connection);
/* The URL without a password, owned by the caller. */
char *connection_masked(const char *url);

#endif
