/* Free ports on the loopback address. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../shared/base/id.h"
#include "up_inside.h"

enum { FIND_FROM = 20000, FIND_COUNT = 12000, FIND_TRIES = 200 };

/* Binds a socket to the port (0: any free one) and lets go of it; the port it got, or 0. */
static int64_t try_port(int64_t port) {
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	int yes = 1;
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	socklen_t length = sizeof(address);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	int64_t got = 0;
	if (bind(fd, (struct sockaddr *)&address, length) == 0 && listen(fd, 1) == 0 &&
	    getsockname(fd, (struct sockaddr *)&address, &length) == 0)
		got = ntohs(address.sin_port);
	close(fd);
	return got;
}

bool up_port_is_free(int64_t port) {
	return port > 0 && port <= UINT16_MAX && try_port(port) == port;
}

enum status up_port_choose(int64_t *port, int64_t preferred, struct error *err) {
	if (up_port_is_free(*port))
		return STATUS_OK;
	*port = up_port_is_free(preferred) ? preferred : try_port(0);
	if (*port == 0)
		return fail(err, STATUS_RETRY, "there is no free port on 127.0.0.1");
	return STATUS_OK;
}

enum status up_port_find(int64_t *port, struct error *err) {
	for (int i = 0; i < FIND_TRIES; i++) {
		*port = FIND_FROM + (int64_t)(id_random() % FIND_COUNT);
		if (up_port_is_free(*port))
			return STATUS_OK;
	}
	return fail(err, STATUS_RETRY, "there is no free port on 127.0.0.1 from %d on", FIND_FROM);
}
