/* renew.<type>: a worker keeps its leases, tells progress, and learns of a cancel. */
#include "dispatcher.h"
#include "shared/base/id.h"
#include "subjects/subjects.h"

void on_renew(struct service *service, struct service_request *message) {
	struct dispatcher *dispatcher = service_own(service);
	struct request *request = request_open(dispatcher, message);
	struct renew_request renew;
	struct error err = { 0 };
	enum status status =
		id_is_token(service_last_token(message))
			? renew_request_parse(request->json, service_body(message), &dispatcher->limits, &renew, &err)
			: reject(&err, CODE_INVALID_FIELD, "", "the subject's last token is no task type");
	if (status != STATUS_OK) {
		request_refuse(request, &err);
		return;
	}
	request->is_renewal = true;
	request->worker = renew.worker;
	request->leases = renew.leases;
	request->lease_count = renew.lease_count;
	request->lease_us = 1000 * (renew.lease_ms > 0 ? renew.lease_ms : dispatcher->settings->lease_ms);
	request_pin(request);
	request_spread(request);
	request_unpin(request, STATUS_OK, NULL);
}
