/* Paths to files; see http_files.h. */
#include "http_files.h"

#include <string.h>

#include "web_files.h"

static const char plain_page[] =
	"<!doctype html>\n"
	"<html lang=\"en\">\n"
	"<meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	"<title>Corder</title>\n"
	"<h1>Corder</h1>\n"
	"<p>This is the monitor, built without its dashboard (CORDER_DASHBOARD=OFF, or no npm when it was built).\n"
	"What the dashboard shows can be read as JSON:</p>\n"
	"<ul>\n"
	"<li><a href=\"/api/v1/overview\">/api/v1/overview</a>, <a href=\"/api/v1/status\">/api/v1/status</a>,\n"
	"<a href=\"/api/v1/queues\">/api/v1/queues</a>, <a href=\"/api/v1/services\">/api/v1/services</a></li>\n"
	"<li><a href=\"/api/v1/tasks\">/api/v1/tasks</a>, <a href=\"/api/v1/projects\">/api/v1/projects</a>,\n"
	"<a href=\"/api/v1/events\">/api/v1/events</a>, <a href=\"/api/v1/failures\">/api/v1/failures</a>,\n"
	"<a href=\"/api/v1/poison\">/api/v1/poison</a></li>\n"
	"<li><a href=\"/metrics\">/metrics</a>, <a href=\"/livez\">/livez</a>, <a href=\"/readyz\">/readyz</a></li>\n"
	"</ul>\n"
	"<p>All of it stands in docs/http.md. In a terminal: <code>corder top</code>, <code>corder explain</code>.</p>\n"
	"</html>\n";

static const struct http_file *find(const char *path) {
	for (size_t i = 0; i < web_file_count; i++)
		if (strcmp(web_files[i].path, path) == 0)
			return &web_files[i];
	return NULL;
}

static bool starts(struct slice path, const char *start) {
	size_t length = strlen(start);
	return path.length >= length && memcmp(path.bytes, start, length) == 0 &&
	       (path.length == length || path.bytes[length] == '/' || path.bytes[length - 1] == '/');
}

/* Ids may hold dots, so that a dot says nothing below the pages that name one. */
static bool may_be_page(struct slice path) {
	if (starts(path, "/api") || starts(path, "/assets"))
		return false;
	if (starts(path, "/tasks") || starts(path, "/projects"))
		return true;
	return memchr(path.bytes, '.', path.length) == NULL;
}

bool files_answer(struct http_request *request) {
	struct slice path = http_path(request);
	const struct http_file *file = find(path.bytes);
	if (file == NULL && may_be_page(path))
		file = find("/index.html");
	if (file != NULL)
		http_answer_file(request, file);
	else if (may_be_page(path) && web_file_count == 0)
		http_answer(request, 200, "text/html; charset=utf-8", slice_of(plain_page));
	else
		return false;
	return true;
}
