/* /api/v1/live: what an open dashboard listens to. */
#ifndef CORDER_MONITOR_HTTP_LIVE_H
#define CORDER_MONITOR_HTTP_LIVE_H

#include "http.h"
#include "monitor.h"

void live_serve(struct monitor *monitor, struct http_request *request);

#endif
