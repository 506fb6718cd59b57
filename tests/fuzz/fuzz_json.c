/* The strict reader on any bytes: what it takes, cJSON reads as the same tree; every value's raw bytes are JSON by
 * themselves; and each pointer leads back to its value. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/task/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

enum { CJSON_NUMBER_CHARS = 63, POINTER_BYTES = 4096 };

static bool has_long_number(struct json_value value) {
	if (json_kind(value) == JSON_NUMBER)
		return json_raw(value).length > CJSON_NUMBER_CHARS;
	for (struct json_value item = json_first(value); json_present(item); item = json_next(item))
		if (has_long_number(item))
			return true;
	return false;
}

static void check_same(struct json_value ours, const cJSON *theirs) {
	size_t count = 0;
	enum json_kind kind = json_kind(ours);
	must(theirs != NULL);
	must((kind == JSON_NULL) == cJSON_IsNull(theirs) && (kind == JSON_TRUE) == cJSON_IsTrue(theirs));
	must((kind == JSON_OBJECT) == cJSON_IsObject(theirs) && (kind == JSON_LIST) == cJSON_IsArray(theirs));
	if (kind == JSON_STRING)
		must(cJSON_IsString(theirs) && slice_is(json_text(ours), theirs->valuestring));
	if (kind == JSON_NUMBER)
		must(cJSON_IsNumber(theirs) && json_double(ours, NAN) == theirs->valuedouble);
	const cJSON *child = theirs->child;
	for (struct json_value item = json_first(ours); json_present(item); item = json_next(item), count++) {
		must(kind != JSON_OBJECT || slice_is(json_name(item), child->string));
		check_same(item, child);
		child = child->next;
	}
	must(child == NULL && count == json_count(ours));
}

static void check_raw(struct json_value value) {
	struct json *again = json_read(json_raw(value), NULL);
	must(again != NULL && json_kind(json_root(again)) == json_kind(value));
	must(json_count(json_root(again)) == json_count(value));
	json_close(&again);
}

/* One step of a JSON pointer, undone by hand. */
static struct json_value step(struct json_value container, struct slice token) {
	size_t index = 0;
	for (struct json_value item = json_first(container); json_present(item); item = json_next(item), index++) {
		struct slice name = json_name(item);
		struct text escaped = { 0 };
		if (json_kind(container) == JSON_LIST)
			text_printf(&escaped, "%zu", index);
		for (size_t i = 0; i < name.length; i++)
			text_add(&escaped, name.bytes[i] == '~'   ? "~0"
			                   : name.bytes[i] == '/' ? "~1"
			                                          : (char[]){ name.bytes[i], 0 });
		bool found = slice_equal((struct slice){ escaped.bytes, escaped.length }, token);
		text_release(&escaped);
		if (found)
			return item;
	}
	return (struct json_value){ 0 };
}

static void check_pointer(struct json_value root, struct json_value value) {
	char pointer[POINTER_BYTES];
	json_pointer(value, pointer, sizeof(pointer));
	if (strlen(pointer) + 1 == sizeof(pointer))
		return; /* cut */
	struct slice rest = slice_of(pointer);
	struct json_value at = root;
	slice_cut(&rest, '/');
	while (rest.bytes != NULL)
		at = step(at, slice_cut(&rest, '/'));
	must(at.json == value.json && at.node == value.node);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
	struct error err = { 0 };
	struct json *json = json_read((struct slice){ (const char *)bytes, length }, &err);
	if (json == NULL) {
		must(err.code[0] != '\0');
		return 0;
	}
	struct json_value root = json_root(json);
	if (!has_long_number(root)) {
		cJSON *theirs = cJSON_ParseWithLength((const char *)bytes, length);
		check_same(root, theirs);
		cJSON_Delete(theirs);
	}
	int some = 0;
	for (struct json_value item = json_first(root); json_present(item) && some < 20; item = json_next(item), some++) {
		struct json_value inner = json_first(item);
		check_raw(item);
		check_pointer(root, item);
		if (json_present(inner))
			check_pointer(root, inner);
	}
	json_close(&json);
	return 0;
}
