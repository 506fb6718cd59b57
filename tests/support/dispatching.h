/* A dispatcher as a process of its own, with NATS, Redis and a stand-in relay, and a client that talks to it. */
#ifndef CORDER_TESTS_DISPATCHING_H
#define CORDER_TESTS_DISPATCHING_H

#include <sys/types.h>

#include "shared/task/json.h"
#include "tests/support/scripts.h"
#include "tests/support/test_relay.h"

enum { DISPATCHING_MOST = 4 };

struct dispatching {
	struct scripts *scripts;
	struct server *nats;
	struct bus *bus;
	struct test_relay *relays[2];
	struct state *other; /* partition 1, when there are two */
	pid_t pids[DISPATCHING_MOST];
	int count;
};

/* settings: further NAME=value of the dispatcher's environment, ended by NULL. */
#define dispatching_open(instances, ...)                                                                               \
	dispatching_open_program(CORDER_BIN_DIR "/corder-dispatcher", instances, __VA_ARGS__)
struct dispatching *dispatching_open_program(const char *program, int instances, int partitions,
                                             const char *const *settings);
void dispatching_close(struct dispatching **dispatching);

/* A request under way, and its reply. */
struct asked {
	bool done;
	struct text body; /* "" when nobody answered */
	struct json *json;
	struct json_value reply;
};
/* The body: printf, with ' for ". */
struct asked *ask(struct dispatching *d, const char *subject, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void await_reply(struct dispatching *d, struct asked *asked);
/* Both. */
struct asked *ask_now(struct dispatching *d, const char *subject, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void asked_free(struct asked **asked);
/* Turns the loop for so long: to see that nothing comes. */
void turn_for(struct dispatching *d, int64_t ms);

/* Texts within a reply: "tasks/0/lease"; "" when absent; anything but a string as it stands in the JSON. */
const char *text_in(const struct asked *asked, const char *path);
size_t count_in(const struct asked *asked, const char *path);
#define assert_reply(asked, path, expected) assert_string_equal(text_in(asked, path), expected)

#endif
