/* What a command is, and what every command has in hand. One file a command, one row a file; commands.c lists them in
 * the order of `corder help`. Exit codes are the same for all and stand in corder.1. */
#ifndef CORDER_CLI_COMMAND_H
#define CORDER_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../shared/base/error.h"
#include "../../shared/base/loop.h"
#include "../../shared/base/text.h"
#include "../../shared/bus/bus.h"
#include "options.h"
#include "term.h"

enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,       /* the thing asked about failed: a task failed, not all completed */
	EXIT_REFUSED = 2,      /* the server answered with an error code */
	EXIT_USAGE = 64,       /* the command line or a file is wrong */
	EXIT_UNREACHABLE = 69, /* no server, no service, or it says that it is unavailable */
	EXIT_INTERRUPTED = 130 /* Ctrl-C */
};

/* Options that every command takes. */
struct common {
	const char *nats, *dir, *color;
	bool json, help;
	double timeout_s; /* 0: not given; see client_timeout_s */
};

struct cli {
	struct common common;
	struct term out, err; /* of stdout and stderr */
	struct arguments arguments;
	struct loop *loop;
	struct bus *bus;    /* NULL until client_open */
	bool was_connected; /* at least once */
	char *full_url;     /* of the server */
	char *url;          /* the same without a password, for messages */
	char *prefix;       /* CORDER_PREFIX */
};

struct command {
	const char *name;
	const char *group;   /* heading in `corder help` */
	const char *summary; /* one line, no full stop */
	const char *usage;   /* after the name: "TASK… [options]" */
	const char *about;   /* paragraphs for --help; may be NULL */
	const char *examples;
	const struct option_row *options;
	size_t option_count;
	size_t values_bytes;  /* sizeof the struct that the options fill */
	const void *defaults; /* such a struct, or NULL: all zero */
	int (*run)(struct cli *cli, const void *values);
	int (*main)(int argc, char **argv); /* instead of run: reads its command line itself */
};

extern const struct command *const commands[];
extern const size_t command_count;
extern const struct option_row common_options[];
extern const size_t common_option_count;

const struct command *command_find(const char *name);
/* Prints "corder: …" and "Try 'corder NAME --help'." on stderr; returns EXIT_USAGE. */
int command_usage(const struct command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
void command_help(const struct command *command, const struct term *term);
void commands_help(const struct term *term);

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
