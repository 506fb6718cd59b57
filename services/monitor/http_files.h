/* The dashboard's files, as they were built into this program; without them a plain page. */
#ifndef CORDER_MONITOR_HTTP_FILES_H
#define CORDER_MONITOR_HTTP_FILES_H

#include "http.h"

/* A file of the dashboard, or its one page for every URL that may be one of its pages. false: neither. */
bool files_answer(struct http_request *request);

#endif
