/* What JetStream answers, read; and what streams are called. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "bus_answers.h"
#include "bus_json.h"
#include "stream.h"

enum {
	ERROR_WRONG_LAST_ID = 10070,
	ERROR_WRONG_LAST_SEQUENCE = 10071,
};

enum status bus_api_status(enum status status, const struct bus_message *message, uint64_t *error_code,
                           struct error *err) {
	*error_code = 0;
	if (status != STATUS_OK)
		return fail(err, status, "JetStream did not answer");
	struct slice error = bus_json_member(message->body, "error");
	if (!error.bytes)
		return message->body.length ? STATUS_OK : fail(err, STATUS_RETRY, "JetStream sent an empty answer");
	struct slice description = bus_json_text(error, "description");
	uint64_t code = bus_json_number(error, "code", 500);
	*error_code = bus_json_number(error, "err_code", 0);
	return fail(err, code >= 500 ? STATUS_RETRY : STATUS_REJECT, "JetStream: %.*s (%llu)", (int)description.length,
	            description.bytes ? description.bytes : "", (unsigned long long)*error_code);
}

enum status bus_append_status(enum status status, const struct bus_message *message, uint64_t *sequence) {
	uint64_t error_code;
	status = bus_api_status(status, message, &error_code, NULL);
	*sequence = status == STATUS_OK ? bus_json_number(message->body, "seq", 0) : 0;
	if (error_code == ERROR_WRONG_LAST_SEQUENCE || error_code == ERROR_WRONG_LAST_ID)
		return STATUS_STALE;
	/* No stream answers without a sequence: another service listens on this subject. */
	return status == STATUS_OK && *sequence == 0 ? STATUS_RETRY : status;
}

/* Whoever may ask JetStream for something may have it answer here. But only an append is answered without headers and names
 * the stream and a place in it. */
enum status stream_read_answer(const struct bus_message *message, const char *stream, uint64_t *sequence) {
	bool is_ours = *message->reply == '\0' && bus_header(message, "Nats-Stream") == NULL;
	enum status status = bus_append_status(STATUS_OK, message, sequence);
	if (status == STATUS_OK)
		is_ours = is_ours && slice_is(bus_json_text(message->body, "stream"), stream);
	return is_ours ? status : STATUS_REJECT;
}

void stream_name(char name[STREAM_NAME_BYTES], const char *prefix, const char *what, int64_t partition) {
	int length = partition >= 0 ? snprintf(name, STREAM_NAME_BYTES, "%s_%s%lld", prefix, what, (long long)partition)
	                            : snprintf(name, STREAM_NAME_BYTES, "%s_%s", prefix, what);
	must(length > 0 && length < STREAM_NAME_BYTES);
	for (size_t i = 0; i < strlen(prefix); i++)
		name[i] = (char)toupper((unsigned char)name[i]);
}
