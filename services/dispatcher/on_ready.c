/* internal.ready.<type>: somebody made tasks of this type ready; the body names the partition. */
#include "dispatcher.h"

void on_ready(struct service *service, struct service_request *message) {
	struct dispatcher *dispatcher = service_own(service);
	match_wake(dispatcher->match, service_last_token(message), slice_int(service_body(message), 0));
	service_drop(message);
}
