/* What a client writes in an HTTP request: lines of a path, then name=value of its parameters, an empty line, then headers in
 * the order of `headers`. What comes out is a JSON object or is refused by its parser; nobody gets in without the token. */
#include <stdlib.h>
#include <string.h>

#include "services/monitor/http_read.h"
#include "shared/base/error.h"
#include "shared/task/requests.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const char *const patterns[] = {
	"/api/v1/status",
	"/api/v1/tasks/{project}/{task_id}/explain",
	"/api/v1/tasks/{project}/{task_id}",
	"/api/v1/projects/{project}/timeline",
};
static const char token[] = "0123456789abcdef";

static void try_questions(struct slice body) {
	static struct json *json;
	struct task_request task;
	struct list_request list;
	struct status_request counts;
	struct error err = { 0 };
	if (json == NULL)
		json = json_open();
	if (json_parse(json, body, NULL, &err) == STATUS_OK)
		must(json_kind(json_root(json)) == JSON_OBJECT);
	else
		must(err.code[0] != '\0');
	task_request_parse(json, body, &task_limits_default, &task, &err);
	list_request_parse(json, body, &task_limits_default, &list, &err);
	status_request_parse(json, body, &task_limits_default, &counts, &err);
}

static struct slice try_url(struct slice rest) {
	struct text body = { 0 };
	struct slice path = slice_cut(&rest, '\n');
	bool found = false;
	for (size_t i = 0; !found && i < sizeof(patterns) / sizeof(*patterns); i++)
		found = read_path(path, patterns[i], &body);
	if (!found) {
		text_clear(&body);
		text_add_char(&body, '{');
	}
	while (rest.bytes != NULL) {
		struct slice value = slice_cut(&rest, '\n');
		if (value.length == 0)
			break;
		struct slice name = slice_cut(&value, '=');
		must(read_parameter(&body, name, value));
	}
	text_add_char(&body, '}');
	try_questions((struct slice){ body.bytes, body.length });
	text_release(&body);
	return rest;
}

/* A header ends with a NUL behind it, as the library gives it; one that is absent has no bytes. */
static struct slice next_header(struct slice *rest) {
	return rest->bytes != NULL ? slice_cut(rest, '\n') : (struct slice){ NULL, 0 };
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
	struct slice rest = try_url((struct slice){ (const char *)bytes, length });
	struct slice authorization = next_header(&rest), origin = next_header(&rest), host = next_header(&rest);
	struct slice site = next_header(&rest), type = next_header(&rest), list = next_header(&rest);
	if (read_bearer(authorization, slice_of(token)))
		must(authorization.length == strlen(token) + 7 &&
		     memcmp(authorization.bytes + 7, token, sizeof(token) - 1) == 0);
	must(!read_bearer(authorization, slice_of("")));
	if (read_own_page(origin, host, site) && origin.bytes != NULL)
		must(host.bytes != NULL && origin.length >= host.length + 3);
	if (read_is_json(type))
		must(type.length >= sizeof("application/json") - 1);
	if (read_names(list, "gzip"))
		must(memmem(list.bytes, list.length, "gzip", 4) != NULL);
	return 0;
}
