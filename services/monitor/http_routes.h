/* What the answers over HTTP share. */
#ifndef CORDER_MONITOR_HTTP_ROUTES_H
#define CORDER_MONITOR_HTTP_ROUTES_H

#include "http.h"
#include "monitor.h"

/* Error codes that only HTTP has, beside those of subjects.h. */
#define HTTP_CODE_UNAUTHORIZED "unauthorized"
#define HTTP_CODE_READ_ONLY "read_only"
#define HTTP_CODE_FORBIDDEN_ORIGIN "forbidden_origin"
#define HTTP_CODE_FORBIDDEN_HOST "forbidden_host"
#define HTTP_CODE_UNSUPPORTED "unsupported_type"

/* Handler of http_open; context is the monitor. */
void route_request(void *monitor, struct http_request *request);
/* The parameters of the URL as members of the object that *body has begun, and its end. */
void route_add_parameters(const struct http_request *request, struct text *body);
/* Both end the request. */
void route_fail(struct http_request *request, const struct error *error);
void route_refuse(struct http_request *request, const char *code, const char *message);

#endif
