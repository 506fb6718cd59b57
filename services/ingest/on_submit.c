/* submit: a request, answered when the verdict is safe. */
#include <stdio.h>

#include "ingest.h"

void on_submit(struct service *service, struct service_request *request) {
	struct submission *s = submission_open(service_own(service), request, NULL);
	snprintf(s->traceparent, sizeof(s->traceparent), "%s", service_traceparent(request));
	take(s, service_body(request), (struct slice){ NULL, 0 });
}
