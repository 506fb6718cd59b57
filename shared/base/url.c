/* Splits a connection URL from left to right; see url.h. */
#include "url.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "text.h"

static int hex_digit(char c) {
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* NULL for a broken escape, or one that hides a NUL or a line break. */
static char *decode(struct slice part) {
	char *out = memory_new(part.length + 1);
	size_t length = 0;
	for (size_t i = 0; i < part.length; i++) {
		char c = part.bytes[i];
		if (c == '%') {
			int high = i + 2 < part.length ? hex_digit(part.bytes[i + 1]) : -1;
			int low = high >= 0 ? hex_digit(part.bytes[i + 2]) : -1;
			if (low < 0)
				goto broken;
			c = (char)(high * 16 + low);
			i += 2;
		}
		if (c == 0 || c == '\n' || c == '\r')
			goto broken;
		out[length++] = c;
	}
	return out;
broken:
	free(out);
	return NULL;
}

static struct slice between(const char *from, const char *to) {
	return (struct slice){ from, (size_t)(to - from) };
}

static const char *find(const char *from, const char *to, const char *any) {
	for (const char *at = from; at < to; at++)
		if (strchr(any, *at))
			return at;
	return to;
}

static const char *find_last(const char *from, const char *to, char c) {
	for (const char *at = to; at > from; at--)
		if (at[-1] == c)
			return at - 1;
	return NULL;
}

/* host, host:port, [v6], [v6]:port */
static bool parse_host(struct url *url, const char *from, const char *to) {
	const char *host_end = to;
	const char *after = NULL;
	if (from < to && *from == '[') {
		host_end = find(from, to, "]");
		if (host_end == to)
			return false;
		url->host = decode(between(from + 1, host_end));
		after = host_end + 1;
	} else {
		host_end = find(from, to, ":");
		url->host = decode(between(from, host_end));
		after = host_end;
	}
	if (after == to)
		return true;
	int64_t port = *after == ':' ? slice_int(between(after + 1, to), -1) : -1;
	url->port = (int)port;
	return port > 0 && port < 65536;
}

static bool parse_authority(struct url *url, const char *from, const char *to) {
	const char *at = find_last(from, to, '@');
	if (at) {
		const char *colon = find(from, at, ":");
		url->user = decode(between(from, colon));
		url->password = decode(between(colon < at ? colon + 1 : at, at));
		from = at + 1;
	} else {
		url->user = memory_copy("", 0);
		url->password = memory_copy("", 0);
	}
	return parse_host(url, from, to);
}

static const char scheme_characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-";

enum status url_parse(const char *text, struct url *url, struct error *err) {
	*url = (struct url){ 0 };
	const char *mark = strstr(text, "://");
	const char *end = text + strlen(text);
	if (!mark || mark == text || strspn(text, scheme_characters) != (size_t)(mark - text))
		return fail(err, STATUS_REJECT, "not a URL: it has no scheme://");
	const char *authority = mark + 3;
	const char *authority_end = find(authority, end, "/?");
	const char *path_end = find(authority_end, end, "?");
	url->scheme = memory_copy(text, (size_t)(mark - text));
	bool ok = parse_authority(url, authority, authority_end);
	url->path = decode(between(authority_end, path_end));
	url->query = memory_copy(path_end < end ? path_end + 1 : end, path_end < end ? (size_t)(end - path_end - 1) : 0);
	if (ok && url->user && url->password && url->host && url->path)
		return STATUS_OK;
	url_release(url);
	return fail(err, STATUS_REJECT, "not a URL: its host, port or a %%-escape is broken");
}

void url_release(struct url *url) {
	free(url->scheme);
	free(url->user);
	free(url->password);
	free(url->host);
	free(url->path);
	free(url->query);
	*url = (struct url){ 0 };
}

char *url_query(const struct url *url, const char *name) {
	struct slice rest = slice_of(url->query);
	while (rest.bytes && rest.length > 0) {
		struct slice value = slice_cut(&rest, '&');
		struct slice key = slice_cut(&value, '=');
		if (slice_is(key, name))
			return value.bytes ? decode(value) : memory_copy("", 0);
	}
	return NULL;
}
