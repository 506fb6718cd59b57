/* NATS_URL: one or several servers, parted by commas. */
#include <stdlib.h>
#include <string.h>

#include "../base/memory.h"
#include "../base/url.h"
#include "bus_inside.h"

static enum status check_url(struct slice text, struct error *err) {
	struct text whole = { 0 };
	struct url url = { 0 };
	if (!text.length || !memmem(text.bytes, text.length, "://", 3))
		text_add(&whole, "nats://"); /* the scheme may be left out */
	text_add_slice(&whole, text);
	enum status status = url_parse(whole.bytes, &url, err);
	if (status == STATUS_OK && strcmp(url.scheme, "nats") != 0 && strcmp(url.scheme, "tls") != 0)
		status = fail(err, STATUS_REJECT, "NATS_URL must begin with nats:// or tls://");
	else if (status == STATUS_OK && !*url.host)
		status = fail(err, STATUS_REJECT, "NATS_URL names no host");
	url_release(&url);
	text_release(&whole);
	return status;
}

enum status bus_check_urls(const char *urls, struct error *err) {
	struct slice rest = slice_of(urls);
	for (const char *c = urls; *c; c++)
		if ((unsigned char)*c <= ' ')
			return fail(err, STATUS_REJECT, "NATS_URL holds a space or a control character");
	enum status status;
	do
		status = check_url(slice_cut(&rest, ','), err);
	while (status == STATUS_OK && rest.bytes);
	return status;
}

/* natsOptions_SetURL takes a list for the name of one server. */
natsStatus bus_set_servers(natsOptions *o, const char *urls) {
	const char *servers[SERVERS_MOST];
	int count = 0;
	char *list = memory_copy(urls, strlen(urls)), *rest = list;
	for (char *server; count < SERVERS_MOST && (server = strsep(&rest, ",")) != NULL;)
		servers[count++] = server;
	natsStatus status = natsOptions_SetServers(o, servers, count);
	free(list);
	return status;
}
