/* Reading what a client wrote; see http_read.h. */
#include "http_read.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

static bool is_integer(struct slice text) {
	size_t at = text.length > 0 && text.bytes[0] == '-' ? 1 : 0;
	if (text.length == at || text.length > 15 || (text.bytes[at] == '0' && text.length > at + 1))
		return false;
	for (; at < text.length; at++)
		if (text.bytes[at] < '0' || text.bytes[at] > '9')
			return false;
	return true;
}

static void add_member(struct text *body, struct slice name, struct slice value) {
	text_add_char(body, body->length > 1 ? ',' : ' ');
	text_add_json(body, name);
	text_add_char(body, ':');
	bool number = slice_is(name, "limit") || slice_is(name, "window_s") || slice_is(name, "step_s");
	if (number && is_integer(value))
		text_add_slice(body, value);
	else
		text_add_json(body, value);
}

/* An empty value counts as none, as a form sends it. Bad UTF-8 is found by the parser of the body. */
bool read_parameter(void *body, struct slice name, struct slice value) {
	if (value.length > 0)
		add_member(body, name, value);
	return true;
}

bool read_path(struct slice path, const char *pattern, struct text *body) {
	struct slice wanted = slice_of(pattern);
	text_clear(body);
	text_add_char(body, '{');
	while (path.bytes != NULL && wanted.bytes != NULL) {
		struct slice piece = slice_cut(&path, '/'), form = slice_cut(&wanted, '/');
		if (form.length > 2 && *form.bytes == '{') {
			if (piece.length == 0)
				return false;
			add_member(body, (struct slice){ form.bytes + 1, form.length - 2 }, piece);
		} else if (!slice_equal(piece, form)) {
			return false;
		}
	}
	return path.bytes == NULL && wanted.bytes == NULL;
}

/* Takes as long for a wrong token as for the right one. */
static bool same(struct slice given, struct slice wanted) {
	volatile unsigned char difference = (unsigned char)(given.length != wanted.length);
	for (size_t i = 0; i < given.length; i++)
		difference |= (unsigned char)(given.bytes[i] ^ wanted.bytes[i % (wanted.length > 0 ? wanted.length : 1)]);
	return difference == 0;
}

bool read_bearer(struct slice authorization, struct slice token) {
	static const char bearer[] = "Bearer ";
	size_t skip = sizeof(bearer) - 1;
	if (token.length == 0 || authorization.length <= skip || memcmp(authorization.bytes, bearer, skip) != 0)
		return false;
	return same((struct slice){ authorization.bytes + skip, authorization.length - skip }, token);
}

/* A browser says where the page came from that asks: only our own may. Other programs say nothing. */
bool read_own_page(struct slice origin, struct slice host, struct slice sec_fetch_site) {
	if (sec_fetch_site.bytes != NULL && !slice_is(sec_fetch_site, "same-origin") && !slice_is(sec_fetch_site, "none"))
		return false;
	if (origin.bytes == NULL)
		return true;
	const char *end = origin.length > 0 ? memmem(origin.bytes, origin.length, "://", 3) : NULL;
	if (end == NULL || host.bytes == NULL)
		return false;
	end += 3;
	return slice_equal((struct slice){ end, origin.length - (size_t)(end - origin.bytes) }, host);
}

static bool is_address(struct slice host) {
	char text[INET6_ADDRSTRLEN];
	unsigned char address[sizeof(struct in6_addr)];
	bool bracketed = host.length > 2 && host.bytes[0] == '[' && host.bytes[host.length - 1] == ']';
	size_t length = bracketed ? host.length - 2 : host.length;
	if (length >= sizeof(text))
		return false;
	memcpy(text, host.bytes + (bracketed ? 1 : 0), length);
	text[length] = '\0';
	return inet_pton(bracketed ? AF_INET6 : AF_INET, text, address) == 1;
}

bool read_is_loopback(const char *address) {
	return strcmp(address, "localhost") == 0 || strcmp(address, "::1") == 0 || strncmp(address, "127.", 4) == 0;
}

static struct slice without_port(struct slice host) {
	size_t length = host.length;
	while (length > 0 && host.bytes[length - 1] >= '0' && host.bytes[length - 1] <= '9')
		length--;
	if (length > 0 && host.bytes[length - 1] == ':')
		host.length = length - 1;
	return host;
}

static bool same_name(struct slice name, struct slice other) {
	return name.length == other.length && strncasecmp(name.bytes, other.bytes, name.length) == 0;
}

bool read_own_host(struct slice host, const char *names) {
	struct slice rest = slice_of(names);
	if (host.bytes == NULL)
		return true; /* no browser's */
	host = without_port(host);
	if (same_name(host, SLICE("localhost")) || is_address(host))
		return true;
	while (rest.bytes != NULL) {
		struct slice name = slice_cut(&rest, ',');
		while (name.length > 0 && *name.bytes == ' ')
			name = (struct slice){ name.bytes + 1, name.length - 1 };
		if (name.length > 0 && (slice_is(name, "*") || same_name(host, name)))
			return true;
	}
	return false;
}

bool read_is_json(struct slice content_type) {
	return content_type.bytes != NULL && slice_is(slice_cut(&content_type, ';'), "application/json");
}

bool read_names(struct slice list, const char *word) {
	size_t length = strlen(word);
	while (list.bytes != NULL) {
		struct slice item = slice_cut(&list, ',');
		while (item.length > 0 && (*item.bytes == ' ' || *item.bytes == '\t'))
			item = (struct slice){ item.bytes + 1, item.length - 1 };
		if (item.length > 2 && memcmp(item.bytes, "W/", 2) == 0)
			item = (struct slice){ item.bytes + 2, item.length - 2 };
		if (item.length >= length && memcmp(item.bytes, word, length) == 0 &&
		    (item.length == length || item.bytes[length] == ' ' || item.bytes[length] == ';'))
			return true;
	}
	return false;
}
