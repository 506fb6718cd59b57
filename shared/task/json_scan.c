/* The one pass over a message: grammar (RFC 8259), UTF-8, escapes, numbers, depth, names; and the list of nodes.
 * No recursion; whatever cJSON is too friendly about is refused here. */
#include <math.h>
#include <string.h>

#include "../base/memory.h"
#include "json_inside.h"

enum { SURELY_FINITE_CHARS = 300 };

struct scan {
	struct json *json;
	const unsigned char *start, *at, *end;
	uint32_t depth, max_depth;
	struct error *err;
};

static enum status bad(struct scan *scan, const char *what) {
	return reject(scan->err, "bad_json", "", "%s at byte %zu", what, (size_t)(scan->at - scan->start));
}

static uint32_t add_node(struct scan *scan, enum json_kind kind) {
	struct json *json = scan->json;
	if (json->count == json->capacity) {
		json->capacity = json->capacity ? json->capacity * 2 : 64;
		json->nodes = memory_resize(json->nodes, json->capacity, sizeof(*json->nodes));
	}
	uint32_t at = json->count++;
	json->nodes[at] = (struct json_node){
		.start = (uint32_t)(scan->at - scan->start),
		.next = json->count,
		.kind = (uint8_t)kind,
	};
	return at;
}

/* A value that is about to be scanned becomes the newest child of the open container. */
static uint32_t add_value(struct scan *scan, enum json_kind kind) {
	uint32_t at = add_node(scan, kind);
	if (scan->depth == 0)
		return at;
	struct json_level *level = &scan->json->levels[scan->depth - 1];
	struct json_node *container = &scan->json->nodes[level->container];
	container->count++;
	if (container->kind == JSON_OBJECT)
		scan->json->nodes[at].flags |= NODE_MEMBER;
	level->last = at;
	return at;
}

static void skip_space(struct scan *scan) {
	while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\r' || *scan->at == '\t'))
		scan->at++;
}

/* strings -------------------------------------------------------------------------------------------------------- */

/* Whether one of eight bytes is a quote, a backslash, a control character or no ASCII (Mycroft's test, which may see
 * more than there is, never less). */
static bool eight_plain(const unsigned char *at) {
	const uint64_t ones = UINT64_C(0x0101010101010101), highs = UINT64_C(0x8080808080808080);
	uint64_t word;
	memcpy(&word, at, 8);
	uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
	uint64_t found = (word - ones * 0x20) | (quote - ones) | (backslash - ones) | word;
	return (found & highs) == 0;
}

/* The length of the UTF-8 sequence at `at` (Unicode, table 3-7), 0 when it is none. */
static size_t sequence_length(const unsigned char *at, const unsigned char *end) {
	size_t length = at[0] < 0xC2 ? 0 : at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : at[0] < 0xF5 ? 4 : 0;
	if (length == 0 || (size_t)(end - at) < length)
		return 0;
	if ((at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xED && at[1] > 0x9F) || (at[0] == 0xF0 && at[1] < 0x90) ||
	    (at[0] == 0xF4 && at[1] > 0x8F))
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((at[i] & 0xC0) != 0x80)
			return 0;
	return length;
}

/* The four hex digits after \u; -1 when they are none. */
static int scan_hex(const struct scan *scan) {
	int code = 0;
	if (scan->end - scan->at < 6)
		return -1;
	for (int i = 2; i < 6; i++) {
		unsigned char c = scan->at[i];
		int digit = c >= '0' && c <= '9'                     ? c - '0'
		            : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
		                                                     : -1;
		if (digit < 0)
			return -1;
		code = code * 16 + digit;
	}
	return code;
}

static enum status scan_unicode(struct scan *scan) {
	int code = scan_hex(scan);
	if (code < 0)
		return bad(scan, "no four hex digits after \\u");
	if (code == 0)
		return bad(scan, "the character U+0000");
	if (code >= 0xDC00 && code < 0xE000)
		return bad(scan, "half a surrogate pair");
	if (code >= 0xD800 && code < 0xDC00) {
		scan->at += 6;
		bool pair = scan->end - scan->at >= 6 && scan->at[0] == '\\' && scan->at[1] == 'u';
		int low = pair ? scan_hex(scan) : -1;
		if (low < 0xDC00 || low >= 0xE000)
			return bad(scan, "half a surrogate pair");
	}
	scan->at += 6;
	return STATUS_OK;
}

static enum status scan_escape(struct scan *scan) {
	if (scan->end - scan->at < 2)
		return bad(scan, "a string without an end");
	if (scan->at[1] == 'u')
		return scan_unicode(scan);
	if (scan->at[1] == '\0' || strchr("\"\\/bfnrt", scan->at[1]) == NULL)
		return bad(scan, "an unknown escape");
	scan->at += 2;
	return STATUS_OK;
}

/* A byte that is not plain; *done at the closing quote. */
static enum status scan_special(struct scan *scan, uint8_t *flags, bool *done) {
	unsigned char c = *scan->at;
	if (c == '"') {
		*done = true;
		return STATUS_OK;
	}
	if (c == '\\') {
		*flags |= NODE_ESCAPED;
		return scan_escape(scan);
	}
	if (c < 0x20)
		return bad(scan, c == 0 ? "a NUL" : "a raw control character in a string");
	size_t length = sequence_length(scan->at, scan->end);
	if (length == 0)
		return bad(scan, "bad UTF-8");
	scan->at += length;
	return STATUS_OK;
}

/* At the opening quote. Fills the node, which is there already. */
static enum status scan_string(struct scan *scan, uint32_t node) {
	bool done = false;
	uint8_t flags = 0;
	const unsigned char *first = ++scan->at;
	for (;;) {
		while (scan->end - scan->at >= 8 && eight_plain(scan->at))
			scan->at += 8;
		while (scan->at < scan->end && *scan->at >= 0x20 && *scan->at < 0x80 && *scan->at != '"' && *scan->at != '\\')
			scan->at++;
		if (scan->at == scan->end)
			return bad(scan, "a string without an end");
		enum status status = scan_special(scan, &flags, &done);
		if (status != STATUS_OK)
			return status;
		if (done)
			break;
	}
	struct json_node *string = &scan->json->nodes[node];
	string->start = (uint32_t)(first - scan->start);
	string->length = (uint32_t)(scan->at - first);
	string->flags |= flags;
	scan->at++;
	return STATUS_OK;
}

/* numbers -------------------------------------------------------------------------------------------------------- */

static bool at_digit(const struct scan *scan) {
	return scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9';
}

static bool skip_digits(struct scan *scan) {
	if (!at_digit(scan))
		return false;
	while (at_digit(scan))
		scan->at++;
	return true;
}

/* -?(0|[1-9][0-9]*) */
static bool scan_integer(struct scan *scan) {
	if (*scan->at == '-')
		scan->at++;
	if (scan->at < scan->end && *scan->at == '0') {
		scan->at++;
		return !at_digit(scan);
	}
	return skip_digits(scan);
}

/* [.digits][e[+-]digits] */
static bool scan_fraction(struct scan *scan, bool *exponent) {
	if (scan->at < scan->end && *scan->at == '.') {
		scan->at++;
		if (!skip_digits(scan))
			return false;
	}
	*exponent = scan->at < scan->end && (*scan->at | 0x20) == 'e';
	if (!*exponent)
		return true;
	scan->at++;
	if (scan->at < scan->end && (*scan->at == '+' || *scan->at == '-'))
		scan->at++;
	return skip_digits(scan);
}

static enum status scan_number(struct scan *scan) {
	uint32_t node = add_value(scan, JSON_NUMBER);
	const unsigned char *first = scan->at;
	bool exponent = false;
	if (!scan_integer(scan) || !scan_fraction(scan, &exponent))
		return bad(scan, "no JSON number");
	struct json_value value = { scan->json, node };
	scan->json->nodes[node].length = (uint32_t)(scan->at - first);
	if ((exponent || scan->at - first > SURELY_FINITE_CHARS) && !isfinite(json_double(value, 0)))
		return json_reject(value, NULL, "invalid_field", scan->err, "a number that is too large");
	return STATUS_OK;
}

/* containers ----------------------------------------------------------------------------------------------------- */

static enum status open_container(struct scan *scan, enum json_kind kind) {
	struct json *json = scan->json;
	uint32_t at = add_value(scan, kind);
	if (scan->depth == scan->max_depth)
		return reject(scan->err, "limit_exceeded", "", "more than %u nested lists and objects", scan->max_depth);
	if (scan->depth == json->level_capacity) {
		json->level_capacity = json->level_capacity ? json->level_capacity * 2 : 16;
		json->levels = memory_resize(json->levels, json->level_capacity, sizeof(*json->levels));
	}
	json->levels[scan->depth++] = (struct json_level){ .container = at };
	json->nodes[at].next = UINT32_MAX;
	scan->at++;
	return STATUS_OK;
}

static enum status close_container(struct scan *scan) {
	struct json_level *level = &scan->json->levels[--scan->depth];
	struct json_node *container = &scan->json->nodes[level->container];
	scan->at++;
	container->next = scan->json->count;
	container->length = (uint32_t)(scan->at - scan->start) - container->start;
	if (container->count > 0)
		scan->json->nodes[level->last].flags |= NODE_LAST;
	if (container->kind == JSON_LIST || container->count < 2)
		return STATUS_OK;
	return json_check_names(scan->json, level->container, scan->err);
}

/* "name" and the colon. */
static enum status scan_name(struct scan *scan) {
	skip_space(scan);
	if (scan->at == scan->end || *scan->at != '"')
		return bad(scan, "no name of a member");
	enum status status = scan_string(scan, add_node(scan, JSON_STRING));
	if (status != STATUS_OK)
		return status;
	skip_space(scan);
	if (scan->at == scan->end || *scan->at != ':')
		return bad(scan, "no colon after a name");
	scan->at++;
	return STATUS_OK;
}

/* values --------------------------------------------------------------------------------------------------------- */

static enum status scan_word(struct scan *scan, const char *word, enum json_kind kind) {
	size_t length = strlen(word);
	if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, word, length) != 0)
		return bad(scan, "no JSON value");
	uint32_t node = add_value(scan, kind);
	scan->json->nodes[node].length = (uint32_t)length;
	scan->at += length;
	return STATUS_OK;
}

/* One value, or the opening of a container: *opened then. */
static enum status scan_value(struct scan *scan, bool *opened) {
	skip_space(scan);
	if (scan->at == scan->end)
		return bad(scan, "the message ends too early");
	unsigned char c = *scan->at;
	*opened = c == '{' || c == '[';
	switch (c) {
	case '{': return open_container(scan, JSON_OBJECT);
	case '[': return open_container(scan, JSON_LIST);
	case '"': return scan_string(scan, add_value(scan, JSON_STRING));
	case 't': return scan_word(scan, "true", JSON_TRUE);
	case 'f': return scan_word(scan, "false", JSON_FALSE);
	case 'n': return scan_word(scan, "null", JSON_NULL);
	default: break;
	}
	if (c == '-' || (c >= '0' && c <= '9'))
		return scan_number(scan);
	return bad(scan, c == 0xEF ? "a byte order mark, or no JSON value," : "no JSON value");
}

/* After a value, or right after an opening: closes what ends here; *more when another value follows. */
static enum status scan_between(struct scan *scan, bool opened, bool *more) {
	enum status status = STATUS_OK;
	*more = false;
	while (scan->depth > 0 && status == STATUS_OK) {
		skip_space(scan);
		if (scan->at == scan->end)
			return bad(scan, "the message ends too early");
		bool object = scan->json->nodes[scan->json->levels[scan->depth - 1].container].kind == JSON_OBJECT;
		if (*scan->at == (object ? '}' : ']')) {
			status = close_container(scan);
			opened = false;
			continue;
		}
		if (!opened && *scan->at != ',')
			return bad(scan, "no comma or end of a list or object");
		scan->at += opened ? 0 : 1;
		*more = true;
		return object ? scan_name(scan) : STATUS_OK;
	}
	return status;
}

enum status json_scan(struct json *json, const struct json_limits *limits, struct error *err) {
	struct scan scan = {
		.json = json,
		.start = (const unsigned char *)json->bytes.bytes,
		.max_depth = limits != NULL && limits->max_depth > 0 ? (uint32_t)limits->max_depth : JSON_DEFAULT_DEPTH,
		.err = err,
	};
	scan.at = scan.start;
	scan.end = scan.start + json->bytes.length;
	bool more = true;
	while (more) {
		bool opened = false;
		enum status status = scan_value(&scan, &opened);
		if (status == STATUS_OK)
			status = scan_between(&scan, opened, &more);
		if (status != STATUS_OK)
			return status;
	}
	skip_space(&scan);
	return scan.at == scan.end ? STATUS_OK : bad(&scan, "something after the end of the message");
}
