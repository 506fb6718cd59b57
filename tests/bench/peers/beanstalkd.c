/* corder-bench-beanstalkd: the load of corder-bench for beanstalkd, on its own protocol: one connection puts, others reserve and
 * delete, many commands written at once on each. Prints `begin`, then `end {figures}`, as all harnesses do. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/text.h"
#include "tests/bench/histogram.h"

enum { PAYLOAD_BYTES = 256, WORKERS = 2, IN_BYTES = 1 << 20 };

struct line {
	int socket;
	char in[IN_BYTES];
	size_t length, read;
};

static struct line putter, workers[WORKERS];
static struct text out;

static void die(const char *what) {
	fprintf(stderr, "beanstalkd: %s\n", what);
	exit(1);
}

static void dial(struct line *line) {
	const char *port = getenv("BEANSTALK_PORT");
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	address.sin_port = htons((uint16_t)strtol(port != NULL ? port : "11300", NULL, 10));
	line->socket = socket(AF_INET, SOCK_STREAM, 0);
	int on = 1;
	setsockopt(line->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(line->socket, (struct sockaddr *)&address, sizeof(address)) != 0)
		die("cannot connect");
}

static void send_out(struct line *line) {
	for (size_t sent = 0; sent < out.length;) {
		ssize_t n = write(line->socket, out.bytes + sent, out.length - sent);
		if (n <= 0)
			die("the connection broke");
		sent += (size_t)n;
	}
	text_clear(&out);
}

static void fill(struct line *line) {
	memmove(line->in, line->in + line->read, line->length - line->read);
	line->length -= line->read;
	line->read = 0;
	ssize_t n = read(line->socket, line->in + line->length, IN_BYTES - line->length - 1);
	if (n <= 0)
		die("the connection broke");
	line->length += (size_t)n;
	line->in[line->length] = '\0';
}

/* The next whole reply line, NULL when it has not come yet; with a body of `bytes` behind it where it is a job. */
static const char *next_reply(struct line *line) {
	char *start = line->in + line->read;
	char *stop = memmem(start, line->length - line->read, "\r\n", 2);
	if (stop == NULL)
		return NULL;
	size_t whole = (size_t)(stop + 2 - start);
	if (strncmp(start, "RESERVED ", 9) == 0)
		whole += (size_t)strtol(strchr(start + 9, ' '), NULL, 10) + 2;
	if (line->length - line->read < whole)
		return NULL;
	line->read += whole;
	return start;
}

static const char *await_reply(struct line *line) {
	const char *reply;
	while ((reply = next_reply(line)) == NULL)
		fill(line);
	return reply;
}

static void add_puts(int64_t count) {
	for (int64_t i = 0; i < count; i++)
		text_printf(&out, "put 1024 0 60 %d\r\n%0*d\r\n", PAYLOAD_BYTES, PAYLOAD_BYTES, 7);
}

static void add_reserves(int64_t count) {
	for (int64_t i = 0; i < count; i++)
		text_add(&out, "reserve\r\n");
}

/* Reads what has come: a job is deleted, what was deleted counts, and its place is used for another. */
static int64_t serve(struct line *line, int64_t *reserves_left) {
	int64_t deleted = 0;
	const char *reply;
	fill(line);
	while ((reply = next_reply(line)) != NULL) {
		if (strncmp(reply, "RESERVED ", 9) == 0) {
			text_printf(&out, "delete %ld\r\n", strtol(reply + 9, NULL, 10));
			continue;
		}
		if (strncmp(reply, "DELETED", 7) != 0)
			die(reply);
		deleted++;
		if ((*reserves_left)-- > 0)
			add_reserves(1);
	}
	if (out.length > 0)
		send_out(line);
	return deleted;
}

static void on_puts(int64_t *inserted) {
	const char *reply;
	fill(&putter);
	while ((reply = next_reply(&putter)) != NULL)
		*inserted += strncmp(reply, "INSERTED", 8) == 0 ? 1 : 0;
}

static void crowd(int64_t tasks, int64_t batch) {
	int64_t put = 0, inserted = 0, done = 0, left = tasks - (int64_t)WORKERS * batch;
	struct pollfd polls[WORKERS + 1] = { [WORKERS] = { .fd = putter.socket, .events = POLLIN } };
	for (int i = 0; i < WORKERS; i++) {
		polls[i] = (struct pollfd){ .fd = workers[i].socket, .events = POLLIN };
		add_reserves(batch);
		send_out(&workers[i]);
	}
	while (done < tasks) {
		if (put == inserted && put < tasks) {
			int64_t more = tasks - put < batch ? tasks - put : batch;
			add_puts(more);
			send_out(&putter);
			put += more;
		}
		poll(polls, WORKERS + 1, -1);
		for (int i = 0; i < WORKERS; i++)
			if (polls[i].revents != 0)
				done += serve(&workers[i], &left);
		if (polls[WORKERS].revents != 0)
			on_puts(&inserted);
	}
}

static void idle(int64_t tasks, int64_t rate, struct histogram *starts) {
	for (int64_t i = 0; i < tasks; i++) {
		add_reserves(1);
		send_out(&workers[0]);
		nanosleep(&(struct timespec){ .tv_nsec = 1000000000 / rate }, NULL);
		int64_t since_us = clock_mono_us();
		add_puts(1);
		send_out(&putter);
		const char *reply = await_reply(&workers[0]);
		histogram_add(starts, clock_mono_us() - since_us);
		text_printf(&out, "delete %ld\r\n", strtol(reply + 9, NULL, 10));
		send_out(&workers[0]);
		await_reply(&workers[0]);
		await_reply(&putter);
	}
}

static int64_t number(int argc, char **argv, const char *name, int64_t initial) {
	for (int i = 2; i + 1 < argc; i += 2)
		if (strcmp(argv[i], name) == 0)
			return strtoll(argv[i + 1], NULL, 10);
	return initial;
}

int main(int argc, char **argv) {
	if (argc < 2)
		return 64;
	int64_t tasks = number(argc, argv, "--tasks", 200000);
	struct histogram starts = { 0 };
	dial(&putter);
	for (int i = 0; i < WORKERS; i++)
		dial(&workers[i]);
	printf("begin\n");
	fflush(stdout);
	int64_t began_us = clock_mono_us();
	if (strcmp(argv[1], "idle") == 0)
		idle(tasks, number(argc, argv, "--rate", 100), &starts);
	else
		crowd(tasks, number(argc, argv, "--batch", 100));
	text_printf(&out, "end {\"tasks\":%lld,\"completed_s\":%.6f", (long long)tasks,
	            (double)(clock_mono_us() - began_us) / 1e6);
	if (starts.total > 0) {
		text_add(&out, ",\"start_us\":");
		histogram_json(&starts, &out);
	}
	printf("%s}\n", out.bytes);
	return 0;
}
