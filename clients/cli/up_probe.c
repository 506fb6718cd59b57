/* Does a server answer? Each is asked in its own protocol, over a socket of its own that is closed again. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "up_inside.h"

enum { ANSWER_WAIT_MS = 250, ANSWER_BYTES_MAX = 4096 };

static int connect_to(int64_t port) {
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	struct timeval wait = { .tv_usec = ANSWER_WAIT_MS * 1000 };
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Reads until the awaited words came, or nothing more does. */
static bool hears(int fd, const char *awaited) {
	char answer[ANSWER_BYTES_MAX];
	size_t length = 0;
	while (length + 1 < sizeof(answer)) {
		ssize_t got = recv(fd, answer + length, sizeof(answer) - 1 - length, 0);
		if (got <= 0)
			return false;
		length += (size_t)got;
		answer[length] = 0;
		if (strstr(answer, awaited) != NULL)
			return true;
	}
	return false;
}

static bool says_and_hears(int64_t port, const char *words, const char *awaited) {
	int fd = connect_to(port);
	if (fd < 0)
		return false;
	bool heard = send(fd, words, strlen(words), MSG_NOSIGNAL) == (ssize_t)strlen(words) && hears(fd, awaited);
	close(fd);
	return heard;
}

bool up_nats_answers(const struct up *up) {
	return says_and_hears(up->kept.nats_port, "CONNECT {\"verbose\":false}\r\nPING\r\n", "PONG\r\n");
}

bool up_redis_answers(const struct up *up) {
	char words[128];
	snprintf(words, sizeof(words), "AUTH %s\r\nPING\r\n", up->kept.redis_password);
	return says_and_hears(up->kept.redis_port, words, "+PONG\r\n");
}

/* The server speaks first: three bytes of length, a number, then 10 for the protocol's version, or 0xFF for an error. */
bool up_mariadb_answers(const struct up *up) {
	int fd = connect_to(up->kept.mariadb_port);
	if (fd < 0)
		return false;
	unsigned char greeting[5];
	bool heard = recv(fd, greeting, sizeof(greeting), MSG_WAITALL) == (ssize_t)sizeof(greeting) && greeting[4] == 10;
	close(fd);
	return heard;
}
