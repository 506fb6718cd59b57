/* One connection, one request at a time, repeated until answered. */
#include "client.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/id.h"
#include "../../shared/base/log.h"
#include "../../shared/base/memory.h"
#include "../../subjects/subjects.h"
#include "connection.h"

static volatile sig_atomic_t signals_seen;
static volatile sig_atomic_t signal_last;
static volatile sig_atomic_t hung_up;
static struct loop *loop_to_wake; /* for the signal handler alone */

enum {
	TIMEOUT_S = 10,
	NO_SERVER_S = 3,
	ABSENT_US = 1000000,
	TURN_US = 20000,
	TRY_MS = 5000,
	LONG_TRY_MS = 60000,
	LONG_PATIENCE_S = 120,
	PAUSE_LEAST_MS = 50,
	PAUSE_MOST_MS = 1000,
	TRACEPARENT_CHARS = 55
};

static void on_signal(int number) {
	int before = errno;
	signal_last = number;
	if (number == SIGHUP) { /* one closed terminal may say it several times */
		hung_up = 1;
		signals_seen = signals_seen > 0 ? signals_seen : 1;
	} else {
		signals_seen++;
	}
	if (loop_to_wake != NULL)
		loop_wake(loop_to_wake);
	errno = before;
}

void client_catch_signals(struct cli *cli) {
	struct sigaction action = { .sa_handler = on_signal }, before;
	sigemptyset(&action.sa_mask);
	loop_to_wake = cli->loop;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN) /* else nohup wants it to go on */
		sigaction(SIGHUP, &action, NULL);
}

bool client_interrupted(void) {
	return signals_seen > 0;
}

int client_last_signal(void) {
	return signal_last;
}

int client_signal_count(void) {
	return signals_seen;
}

bool client_hung_up(void) {
	return hung_up != 0;
}

bool client_turn(struct cli *cli, int64_t wait_us) {
	loop_turn(cli->loop, wait_us);
	if (ferror(stdout) && signals_seen == 0) /* nobody reads any more: `corder events | head` */
		signals_seen = 1;
	return !client_interrupted();
}

int client_open(struct cli *cli) {
	if (cli->bus != NULL)
		return EXIT_DONE;
	struct connection connection;
	struct error err = { 0 };
	log_open("corder", LOG_LEVEL_ERROR);
	enum status status = connection_find(cli->common.nats, cli->common.dir, &connection, &err);
	if (status == STATUS_OK) {
		cli->loop = loop_open();
		cli->prefix = memory_copy(connection.prefix, strlen(connection.prefix));
		cli->full_url = memory_copy(connection.url, strlen(connection.url));
		cli->url = connection_masked(connection.url);
		struct bus_options options = { .url = connection.url, .name = "corder" };
		status = bus_open(cli->loop, &options, &cli->bus, &err);
	}
	connection_release(&connection);
	if (status != STATUS_OK) {
		fprintf(stderr, "corder: %s\n", err.message);
		return EXIT_USAGE;
	}
	client_catch_signals(cli);
	return EXIT_DONE;
}

void client_close(struct cli *cli) {
	if (cli->bus != NULL) {
		bus_fail_requests(cli->bus);
		bus_close(&cli->bus);
	}
	loop_to_wake = NULL;
	if (cli->loop != NULL)
		loop_close(&cli->loop);
	free(cli->url);
	free(cli->full_url);
	free(cli->prefix);
	cli->url = cli->full_url = cli->prefix = NULL;
}

char *client_subject(const struct cli *cli, const char *relative) {
	struct text subject = { 0 };
	text_printf(&subject, "%s." SUBJECT_VERSION ".%s", cli->prefix, relative);
	return text_take(&subject);
}

/* What became of one try. */
struct attempt {
	bool answered;
	enum status status;
	struct text body;
	bool abandoned; /* the caller has gone: free it on arrival */
};

static void on_reply(void *context, enum status status, const struct bus_message *message) {
	struct attempt *attempt = context;
	if (attempt->abandoned) {
		free(attempt);
		return;
	}
	attempt->answered = true;
	attempt->status = status;
	if (status == STATUS_OK)
		text_add_slice(&attempt->body, message->body);
}

/* One request and its reply. STATUS_RETRY also when interrupted. */
static enum status try_once(struct cli *cli, const char *subject, struct slice body, int64_t timeout_ms,
                            struct text *reply) {
	struct attempt *attempt = memory_new(sizeof *attempt);
	/* What a command of a worker asks for belongs to the trace of its task. */
	const char *parent = getenv("TRACEPARENT");
	struct bus_header header = { HEADER_TRACEPARENT, parent };
	bool has_parent = parent != NULL && strlen(parent) == TRACEPARENT_CHARS && strpbrk(parent, "\r\n") == NULL;
	bus_request(cli->bus, subject, &header, has_parent, body, timeout_ms, on_reply, attempt);
	while (!attempt->answered && client_turn(cli, 100000))
		;
	if (!attempt->answered) {
		attempt->abandoned = true;
		return STATUS_RETRY;
	}
	enum status status = attempt->status;
	text_release(reply);
	*reply = attempt->body;
	free(attempt);
	return status;
}

static bool is_unavailable(struct json_value root) {
	return slice_is(json_text(json_member(json_member(root, "error"), "code")), CODE_UNAVAILABLE);
}

static const char *service_of(const char *relative) {
	static const char *const served[][2] = {
		{ "submit", "ingest" },    { "work.", "dispatcher" },  { "settle.", "dispatcher" }, { "renew.", "dispatcher" },
		{ "task.get", "monitor" }, { "task.list", "monitor" }, { "task.", "scheduler" },    { "queue.", "scheduler" },
	};
	for (size_t i = 0; i < COUNT(served); i++)
		if (strncmp(relative, served[i][0], strlen(served[i][0])) == 0)
			return served[i][1];
	return "monitor";
}

static int tell_no_server(const struct cli *cli) {
	fprintf(
		stderr,
		"corder: no NATS server answers at %s.\nStart a stack here with 'corder up', or name the server: --nats URL, "
		"NATS_URL, or --dir DIR of a running stack.\n",
		cli->url);
	return EXIT_UNREACHABLE;
}

int client_connect(struct cli *cli) {
	int code = client_open(cli);
	double wait_s = cli->common.timeout_s > 0 ? cli->common.timeout_s : NO_SERVER_S;
	int64_t until_us = clock_mono_us() + (int64_t)(wait_s * 1e6);
	while (code == EXIT_DONE && !bus_connected(cli->bus)) {
		if (!client_turn(cli, TURN_US))
			code = EXIT_INTERRUPTED;
		else if (clock_mono_us() >= until_us)
			code = tell_no_server(cli);
	}
	cli->was_connected |= code == EXIT_DONE;
	return code;
}

static int tell_unreachable(struct cli *cli, const char *relative, const struct answer *answer, double waited_s) {
	if (client_interrupted())
		return EXIT_INTERRUPTED;
	if (!bus_connected(cli->bus))
		return tell_no_server(cli);
	if (answer->json != NULL)
		client_tell_refusal(cli, answer->root);
	else
		fprintf(stderr,
		        "corder: nobody answered %s." SUBJECT_VERSION ".%s within %.1f s: is the %s service running?\n"
		        "'corder services' lists what runs at %s.\n",
		        cli->prefix, relative, waited_s, service_of(relative), cli->url);
	return EXIT_UNREACHABLE;
}

static void pause_before_repeat(struct cli *cli, int64_t *pause_ms, int64_t until_us) {
	int64_t now = clock_mono_us();
	int64_t end = now + *pause_ms * 1000;
	end = end < until_us ? end : until_us;
	*pause_ms = *pause_ms * 2 < PAUSE_MOST_MS ? *pause_ms * 2 : PAUSE_MOST_MS;
	while ((now = clock_mono_us()) < end && client_turn(cli, end - now))
		;
}

double client_timeout_s(const struct cli *cli, double patience_s) {
	if (cli->common.timeout_s > 0)
		return cli->common.timeout_s;
	return patience_s > TIMEOUT_S ? patience_s : TIMEOUT_S;
}

static void read_answer(struct answer *answer) {
	json_close(&answer->json);
	answer->json = json_read((struct slice){ answer->body.bytes, answer->body.length }, NULL);
	answer->root = answer->json != NULL ? json_root(answer->json) : (struct json_value){ 0 };
}

/* How long to go on. While somebody has the request and takes his time, until_us; while nobody is there at all, a
 * shorter time, that the user does not wait long to hear of a server that is not running. */
struct patience {
	bool given; /* by --timeout: then it counts for both */
	int64_t started_us, until_us;
	int64_t absent_us; /* since when nobody was there; 0: somebody is */
};

static bool is_patient(struct cli *cli, const struct patience *patience) {
	int64_t now_us = clock_mono_us();
	if (client_interrupted() || now_us >= patience->until_us)
		return false;
	int64_t most_s = cli->was_connected ? TIMEOUT_S : NO_SERVER_S;
	return patience->given || patience->absent_us == 0 || now_us - patience->absent_us < most_s * 1000000;
}

/* One try; an exit code when it decides, -1 when not. */
static int try_and_read(struct cli *cli, const char *subject, struct slice body, int64_t try_ms,
                        struct patience *patience, struct answer *answer) {
	int64_t began_us = clock_mono_us(), left_ms = (patience->until_us - began_us) / 1000 + 1;
	enum status status = try_once(cli, subject, body, left_ms < try_ms ? left_ms : try_ms, &answer->body);
	cli->was_connected |= bus_connected(cli->bus);
	bool at_once = clock_mono_us() - began_us < ABSENT_US;
	if (status != STATUS_OK && at_once)
		patience->absent_us = patience->absent_us > 0 ? patience->absent_us : began_us;
	else
		patience->absent_us = 0;
	if (status != STATUS_OK)
		return -1;
	read_answer(answer);
	if (answer->json == NULL || is_unavailable(answer->root))
		return -1;
	return json_bool(json_member(answer->root, "ok"), false) ? EXIT_DONE : EXIT_REFUSED;
}

int client_ask_quiet(struct cli *cli, const char *relative, struct slice body, double patience_s,
                     struct answer *answer) {
	*answer = (struct answer){ 0 };
	int code = client_open(cli);
	if (code != EXIT_DONE)
		return code;
	struct patience patience = { .given = cli->common.timeout_s > 0, .started_us = clock_mono_us() };
	patience.until_us = patience.started_us + (int64_t)(client_timeout_s(cli, patience_s) * 1e6);
	int64_t pause_ms = PAUSE_LEAST_MS, try_ms = patience_s >= LONG_PATIENCE_S ? LONG_TRY_MS : TRY_MS;
	char *subject = client_subject(cli, relative);
	code = try_and_read(cli, subject, body, try_ms, &patience, answer);
	while (code < 0 && is_patient(cli, &patience)) {
		pause_before_repeat(cli, &pause_ms, patience.until_us);
		code = try_and_read(cli, subject, body, try_ms, &patience, answer);
	}
	free(subject);
	double waited_s = (double)(clock_mono_us() - patience.started_us) / 1e6;
	return code < 0 ? tell_unreachable(cli, relative, answer, waited_s) : code;
}

int client_ask(struct cli *cli, const char *relative, struct slice body, double patience_s, struct answer *answer) {
	int code = client_ask_quiet(cli, relative, body, patience_s, answer);
	if (code != EXIT_REFUSED)
		return code;
	if (cli->common.json)
		printf("%s\n", answer->body.bytes);
	return client_tell_refusal(cli, answer->root);
}

int client_ask_or_print(struct cli *cli, const char *relative, struct slice body, struct answer *answer,
                        bool *printed) {
	int code = client_ask(cli, relative, body, 0, answer);
	*printed = code != EXIT_DONE || cli->common.json;
	if (code == EXIT_DONE && cli->common.json)
		printf("%s\n", answer->body.bytes);
	return code;
}

void answer_release(struct answer *answer) {
	json_close(&answer->json);
	text_release(&answer->body);
}
