/* settle.<type>: a worker says how tries ended. The type of the subject need not be that of the tasks. */
#include "dispatcher.h"

void on_settle(struct service *service, struct service_request *message) {
	struct dispatcher *dispatcher = service_own(service);
	struct request *request = request_open(dispatcher, message);
	struct settle_request settle;
	struct error err = { 0 };
	if (settle_request_parse(request->json, service_body(message), &dispatcher->limits, &settle, &err) != STATUS_OK) {
		request_refuse(request, &err);
		return;
	}
	request->worker = settle.worker;
	request->done = settle.done;
	request->done_count = settle.done_count;
	request->archived = settle.archived;
	request_pin(request);
	request_spread(request);
	request_unpin(request, STATUS_OK, NULL);
}
