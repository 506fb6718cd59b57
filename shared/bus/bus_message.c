/* Reading messages: headers, the status that a server sends in place of a reply, and messages that outlive a handler. */
#include <stdlib.h>

#include "bus_inside.h"

const char *bus_header(const struct bus_message *message, const char *name) {
	const char *value = NULL;
	if (!message || natsMsgHeader_Get(message->native, name, &value) != NATS_OK)
		return NULL;
	return value;
}

int bus_status_code(const struct bus_message *message) {
	const char *value = message->body.length == 0 ? bus_header(message, "Status") : NULL;
	return value ? (int)slice_int(slice_of(value), 0) : 0;
}

/* A kept message is the native one by another name. */
struct bus_kept *bus_keep(const struct bus_message *message) {
	message->bus->kept = true;
	return message->native;
}

void bus_kept_free(struct bus_kept **kept) {
	natsMsg_Destroy((natsMsg *)(void *)*kept);
	*kept = NULL;
}
