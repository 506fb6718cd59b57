/* Reading what json_scan.c has checked: walking nodes, decoding strings (by cJSON, which is safe on what has been
 * checked) and numbers, pointers for errors, and the memory that goes with a message. */
#include "json.h"

#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/memory.h"
#include "json_inside.h"

#define MAX_BYTES ((size_t)1 << 30)
#define MAX_SAFE_INTEGER INT64_C(9007199254740992) /* 2^53 */

struct json_chunk {
	struct json_chunk *next;
	size_t used, size;
	_Alignas(16) char bytes[];
};

static void *allocate_for_cjson(size_t bytes) {
	return memory_new(bytes);
}

struct json *json_open(void) {
	static bool hooked;
	if (!hooked)
		cJSON_InitHooks(&(cJSON_Hooks){ .malloc_fn = allocate_for_cjson, .free_fn = free });
	hooked = true;
	return memory_new(sizeof(struct json));
}

static void free_chunks(struct json_chunk *chunk) {
	while (chunk != NULL) {
		struct json_chunk *next = chunk->next;
		free(chunk);
		chunk = next;
	}
}

void json_close(struct json **json) {
	if (*json == NULL)
		return;
	free_chunks((*json)->chunks);
	free((*json)->nodes);
	free((*json)->levels);
	free((*json)->slots);
	free(*json);
	*json = NULL;
}

/* The newest chunk is the largest: it is kept. */
static void forget(struct json *json, struct slice bytes) {
	json->bytes = bytes;
	json->count = 0;
	if (json->chunks == NULL)
		return;
	free_chunks(json->chunks->next);
	json->chunks->next = NULL;
	json->chunks->used = 0;
}

enum status json_parse(struct json *json, struct slice bytes, const struct json_limits *limits, struct error *err) {
	size_t most =
		limits != NULL && limits->max_bytes > 0 && limits->max_bytes < MAX_BYTES ? limits->max_bytes : MAX_BYTES;
	if (bytes.bytes == NULL)
		bytes = SLICE("");
	forget(json, bytes);
	if (bytes.length > most)
		return reject(err, "too_large", "", "the message has %zu bytes; %zu are the limit", bytes.length, most);
	enum status status = json_scan(json, limits, err);
	if (status != STATUS_OK)
		json->count = 0;
	return status;
}

struct json *json_read(struct slice bytes, struct error *err) {
	struct json *json = json_open();
	if (json_parse(json, bytes, NULL, err) != STATUS_OK)
		json_close(&json);
	return json;
}

void *json_allocate(struct json *json, size_t count, size_t item_bytes) {
	must(item_bytes == 0 || count <= MAX_BYTES * 4 / item_bytes);
	size_t wanted = (count * item_bytes + 15) & ~(size_t)15;
	struct json_chunk *chunk = json->chunks;
	if (chunk == NULL || chunk->size - chunk->used < wanted) {
		size_t size = chunk != NULL ? chunk->size * 2 : 1024;
		while (size < wanted)
			size *= 2;
		chunk = memory_resize(NULL, sizeof(*chunk) + size, 1);
		*chunk = (struct json_chunk){ .next = json->chunks, .size = size };
		json->chunks = chunk;
	}
	void *place = chunk->bytes + chunk->used;
	chunk->used += wanted;
	return memset(place, 0, wanted);
}

/* walking -------------------------------------------------------------------------------------------------------- */

static const struct json_value absent = { NULL, 0 };

static const struct json_node *node_of(struct json_value value) {
	return &value.json->nodes[value.node];
}

uint32_t json_first_node(const struct json *json, uint32_t container) {
	return container + (json->nodes[container].kind == JSON_OBJECT ? 2 : 1);
}

uint32_t json_next_node(const struct json *json, uint32_t node) {
	return json->nodes[node].next + ((json->nodes[node].flags & NODE_MEMBER) ? 1 : 0);
}

struct json_value json_root(struct json *json) {
	return json != NULL && json->count > 0 ? (struct json_value){ json, 0 } : absent;
}

enum json_kind json_kind(struct json_value value) {
	return value.json == NULL ? JSON_ABSENT : (enum json_kind)node_of(value)->kind;
}

bool json_present(struct json_value value) {
	return value.json != NULL;
}

bool json_given(struct json_value value) {
	return value.json != NULL && node_of(value)->kind != JSON_NULL;
}

struct json_value json_first(struct json_value container) {
	if (container.json == NULL || node_of(container)->count == 0)
		return absent;
	return (struct json_value){ container.json, json_first_node(container.json, container.node) };
}

struct json_value json_next(struct json_value item) {
	if (item.json == NULL || item.node == 0 || (node_of(item)->flags & NODE_LAST))
		return absent;
	return (struct json_value){ item.json, json_next_node(item.json, item.node) };
}

size_t json_count(struct json_value container) {
	return container.json == NULL ? 0 : node_of(container)->count;
}

struct slice json_name(struct json_value member) {
	if (member.json == NULL || !(node_of(member)->flags & NODE_MEMBER))
		return (struct slice){ NULL, 0 };
	return json_node_text(member.json, member.node - 1);
}

struct json_value json_member(struct json_value object, const char *name) {
	if (json_kind(object) != JSON_OBJECT)
		return absent;
	struct slice wanted = slice_of(name);
	struct json_value member = json_first(object);
	while (json_present(member) && !slice_equal(json_name(member), wanted))
		member = json_next(member);
	return member;
}

/* decoding ------------------------------------------------------------------------------------------------------- */

struct slice json_node_text(struct json *json, uint32_t node) {
	const struct json_node *string = &json->nodes[node];
	struct slice raw = { json->bytes.bytes + string->start, string->length };
	if (!(string->flags & NODE_ESCAPED))
		return raw;
	cJSON *decoded = cJSON_ParseWithLength(raw.bytes - 1, raw.length + 2);
	must(cJSON_IsString(decoded));
	size_t length = strlen(decoded->valuestring);
	char *text = json_allocate(json, length + 1, 1);
	memcpy(text, decoded->valuestring, length);
	cJSON_Delete(decoded);
	return (struct slice){ text, length };
}

struct slice json_text(struct json_value value) {
	return json_kind(value) == JSON_STRING ? json_node_text(value.json, value.node) : (struct slice){ NULL, 0 };
}

struct slice json_raw(struct json_value value) {
	if (value.json == NULL)
		return (struct slice){ NULL, 0 };
	const struct json_node *node = node_of(value);
	size_t quotes = node->kind == JSON_STRING ? 1 : 0;
	return (struct slice){ value.json->bytes.bytes + node->start - quotes, node->length + 2 * quotes };
}

/* The exact value of a whole number in any notation, however long; false for what is none or is beyond 2^53. */
static bool read_int(struct slice raw, int64_t *out) {
	if (raw.bytes == NULL)
		return false;
	bool negative = raw.bytes[0] == '-';
	struct slice rest = { raw.bytes + negative, raw.length - negative };
	int64_t value = 0, exponent = 0;
	size_t mark = 0;
	while (mark < rest.length && (rest.bytes[mark] | 0x20) != 'e')
		mark++;
	if (mark < rest.length) {
		size_t plus = rest.bytes[mark + 1] == '+' ? 1 : 0;
		struct slice digits = { rest.bytes + mark + 1 + plus, rest.length - mark - 1 - plus };
		exponent = slice_int(digits, digits.bytes[0] == '-' ? INT32_MIN : INT32_MAX);
	}
	const char *point = memchr(rest.bytes, '.', mark);
	int64_t whole = (point != NULL ? point - rest.bytes : (int64_t)mark);
	exponent = exponent > 1 << 30 ? 1 << 30 : exponent < -(1 << 30) ? -(1 << 30) : exponent;
	int64_t wanted = whole + exponent; /* digits before the decimal point */
	int64_t seen = 0;
	for (size_t i = 0; i < mark; i++) {
		if (rest.bytes[i] == '.')
			continue;
		int digit = rest.bytes[i] - '0';
		if (seen++ >= wanted && digit != 0)
			return false;
		if (seen <= wanted && (value = value * 10 + digit) > MAX_SAFE_INTEGER)
			return false;
	}
	for (; seen < wanted && value != 0; seen++)
		if ((value *= 10) > MAX_SAFE_INTEGER)
			return false;
	*out = negative ? -value : value;
	return true;
}

bool json_is_int(struct json_value value) {
	int64_t ignored;
	return json_kind(value) == JSON_NUMBER && read_int(json_raw(value), &ignored);
}

int64_t json_int(struct json_value value, int64_t fallback) {
	int64_t number;
	return json_kind(value) == JSON_NUMBER && read_int(json_raw(value), &number) ? number : fallback;
}

double json_double(struct json_value value, double fallback) {
	if (json_kind(value) != JSON_NUMBER)
		return fallback;
	char *terminated = slice_copy(json_raw(value));
	double number = strtod(terminated, NULL);
	free(terminated);
	return number;
}

bool json_bool(struct json_value value, bool fallback) {
	enum json_kind kind = json_kind(value);
	return kind == JSON_TRUE || (kind != JSON_FALSE && fallback);
}

/* errors --------------------------------------------------------------------------------------------------------- */

struct pointer {
	char *out;
	size_t length, capacity;
};

static void add_bytes(struct pointer *pointer, const char *bytes, size_t length) {
	for (size_t i = 0; i < length && pointer->length + 1 < pointer->capacity; i++)
		pointer->out[pointer->length++] = bytes[i];
}

static void add_name(struct pointer *pointer, struct slice name) {
	add_bytes(pointer, "/", 1);
	for (size_t i = 0; i < name.length; i++) {
		char c = name.bytes[i];
		add_bytes(pointer, c == '~' ? "~0" : c == '/' ? "~1" : &c, c == '~' || c == '/' ? 2 : 1);
	}
}

/* One step from a container down towards the target; what is open has no end yet. */
static uint32_t step_down(struct pointer *pointer, struct json *json, uint32_t container, uint32_t target) {
	uint32_t child = json_first_node(json, container);
	size_t index = 0;
	for (; json->nodes[child].next <= target; index++)
		child = json_next_node(json, child);
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%zu", index);
	struct json_value value = { json, child };
	add_name(pointer,
	         json->nodes[container].kind == JSON_OBJECT ? json_name(value) : (struct slice){ digits, (size_t)length });
	return child;
}

void json_pointer(struct json_value value, char *out, size_t capacity) {
	struct pointer pointer = { .out = out, .capacity = capacity };
	if (value.json != NULL)
		for (uint32_t at = 0; at != value.node;)
			at = step_down(&pointer, value.json, at, value.node);
	if (capacity > 0)
		out[pointer.length] = '\0';
}

enum status json_reject(struct json_value value, const char *name, const char *code, struct error *err,
                        const char *format, ...) {
	struct error shown = { 0 };
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(shown.message, sizeof(shown.message), format, arguments);
	va_end(arguments);
	json_pointer(value, shown.path, sizeof(shown.path));
	if (name != NULL) {
		size_t length = strlen(shown.path);
		snprintf(shown.path + length, sizeof(shown.path) - length, "/%s", name);
	}
	return reject(err, code, shown.path, "%s", shown.message);
}
