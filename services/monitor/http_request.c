/* What a request says, and the answers that are whole; see http.h. */
#include <stdlib.h>
#include <string.h>

#include "http_inside.h"
#include "http_read.h"
#include "shared/base/memory.h"

/* Scripts, styles, pictures and data come from this server alone, and nobody frames it. */
static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
							 "font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; "
							 "form-action 'none'; frame-ancestors 'none'";

static void add_header(struct MHD_Response *response, const char *name, const char *value) {
	must(MHD_add_response_header(response, name, value) == MHD_YES);
}

void http_give(struct http_request *request, unsigned code, struct MHD_Response *response) {
	add_header(response, "Content-Security-Policy", policy);
	add_header(response, "X-Content-Type-Options", "nosniff");
	add_header(response, "X-Frame-Options", "DENY");
	add_header(response, "Referrer-Policy", "no-referrer");
	add_header(response, "Cross-Origin-Opener-Policy", "same-origin");
	add_header(response, "Cross-Origin-Resource-Policy", "same-origin");
	http_take_response(request, code, response);
}

void http_answer(struct http_request *request, unsigned code, const char *content_type, struct slice body) {
	struct MHD_Response *response =
		MHD_create_response_from_buffer(body.length, (void *)(uintptr_t)body.bytes, MHD_RESPMEM_MUST_COPY);
	must(response != NULL);
	add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
	add_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (code == MHD_HTTP_METHOD_NOT_ALLOWED)
		add_header(response, MHD_HTTP_HEADER_ALLOW, request->is_post ? "GET, HEAD" : "GET, HEAD, POST");
	if (code == MHD_HTTP_SERVICE_UNAVAILABLE)
		add_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "2");
	if (code == MHD_HTTP_UNAUTHORIZED)
		add_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
	http_give(request, code, response);
}

void http_answer_file(struct http_request *request, const struct http_file *file) {
	bool known = read_names(http_header(request, MHD_HTTP_HEADER_IF_NONE_MATCH), file->etag);
	bool packed = file->packed.length > 0 && read_names(http_header(request, MHD_HTTP_HEADER_ACCEPT_ENCODING), "gzip");
	struct slice body = known ? (struct slice){ "", 0 } : (packed ? file->packed : file->plain);
	struct MHD_Response *response =
		MHD_create_response_from_buffer(body.length, (void *)(uintptr_t)body.bytes, MHD_RESPMEM_PERSISTENT);
	must(response != NULL);
	add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, file->content_type);
	add_header(response, MHD_HTTP_HEADER_ETAG, file->etag);
	add_header(response, MHD_HTTP_HEADER_VARY, "Accept-Encoding");
	add_header(response, MHD_HTTP_HEADER_CACHE_CONTROL,
	           file->immutable ? "public, max-age=31536000, immutable" : "no-cache");
	if (packed && !known)
		add_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
	http_give(request, known ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, response);
}

struct slice http_path(const struct http_request *request) {
	return slice_of(request->path);
}

bool http_is_post(const struct http_request *request) {
	return request->is_post;
}

struct slice http_body(const struct http_request *request) {
	return (struct slice){ request->body.bytes != NULL ? request->body.bytes : "", request->body.length };
}

struct slice http_header(const struct http_request *request, const char *name) {
	const char *value = NULL;
	if (request->http != NULL)
		value = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
	return value != NULL ? slice_of(value) : (struct slice){ NULL, 0 };
}

struct visit {
	http_parameter *each;
	void *context;
};

static enum MHD_Result visit_one(void *context, enum MHD_ValueKind kind, const char *name, size_t name_length,
                                 const char *value, size_t value_length) {
	struct visit *visit = context;
	(void)kind;
	struct slice value_slice = { value != NULL ? value : "", value != NULL ? value_length : 0 };
	return visit->each(visit->context, (struct slice){ name, name_length }, value_slice) ? MHD_YES : MHD_NO;
}

void http_parameters(const struct http_request *request, http_parameter *each, void *context) {
	struct visit visit = { each, context };
	if (request->http != NULL)
		MHD_get_connection_values_n(request->connection, MHD_GET_ARGUMENT_KIND, visit_one, &visit);
}
