/* What people may change over HTTP: commands that go on to the scheduler, when a token is set and given. */
#ifndef CORDER_MONITOR_HTTP_ACTIONS_H
#define CORDER_MONITOR_HTTP_ACTIONS_H

#include "http.h"
#include "monitor.h"

/* Takes every request below /api/v1/actions/; false: it is another one. */
bool actions_take(struct monitor *monitor, struct http_request *request);
/* The request brings the token. */
bool actions_authorized(const struct monitor *monitor, const struct http_request *request);

#endif
