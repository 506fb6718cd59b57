/* Reading messages: headers, the status that a server sends in place of a reply, and messages that outlive a handler. */
#include <stdlib.h>

#include "bus_inside.h"

/* nats.c frees messages in a thread of its own, and wakes it for each one that comes alone. So they are given back many at
 * a time. A thread's own: what was kept may be freed after its bus. */
static _Thread_local struct {
	natsMsg *messages[256];
	size_t count, bytes;
} spent;

enum { SPENT_MOST_BYTES = 524288 };

void bus_free_spent(void) {
	while (spent.count > 0)
		natsMsg_Destroy(spent.messages[--spent.count]);
	spent.bytes = 0;
}

void bus_spend(natsMsg *message) {
	if (message == NULL)
		return;
	spent.messages[spent.count++] = message;
	spent.bytes += (size_t)natsMsg_GetDataLength(message);
	if (spent.count == sizeof(spent.messages) / sizeof(*spent.messages) || spent.bytes > SPENT_MOST_BYTES)
		bus_free_spent();
}

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
	bus_spend((natsMsg *)(void *)*kept);
	*kept = NULL;
}
