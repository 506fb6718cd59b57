/* The `corder` command: finds the command's row, reads its options, runs it. */
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../shared/base/memory.h"
#include "../../shared/base/version.h"
#include "client.h"
#include "command.h"

const struct option_row common_options[] = {
	{ "nats", 0, OPTION_TEXT, offsetof(struct common, nats), "URL",
	  "NATS server; else NATS_URL, else .corder/env here or above", 0, 0 },
	{ "dir", 0, OPTION_TEXT, offsetof(struct common, dir), "DIR", "data folder of a running `corder up`: reads DIR/env",
	  0, 0 },
	{ "timeout", 0, OPTION_NUMBER, offsetof(struct common, timeout_s), "SECONDS",
	  "how long to go on trying to get an answer (10)", 0, 86400 },
	{ "json", 0, OPTION_FLAG, offsetof(struct common, json), NULL, "JSON on stdout: one document, or lines for streams",
	  0, 0 },
	{ "color", 0, OPTION_TEXT, offsetof(struct common, color), "WHEN",
	  "auto (on a terminal, unless NO_COLOR is set), always, never", 0, 0 },
	{ "help", 'h', OPTION_FLAG, offsetof(struct common, help), NULL, "this text", 0, 0 },
};
const size_t common_option_count = COUNT(common_options);

static bool wants_help(int argc, char **argv) {
	return argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0;
}

static bool is_color(const char *when) {
	return when == NULL || strcmp(when, "auto") == 0 || strcmp(when, "always") == 0 || strcmp(when, "never") == 0;
}

/* Options may stand before the command too (`corder --json status`): finds the command's place in argv. */
static int find_command_word(int argc, char **argv) {
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] != '-')
			return i;
		bool takes_value = false;
		for (size_t o = 0; o < common_option_count; o++)
			if (strcmp(argv[i] + 2, common_options[o].name) == 0 && strlen(argv[i]) > 2)
				takes_value = common_options[o].kind != OPTION_FLAG;
		i += takes_value ? 1 : 0;
	}
	return 0;
}

static int run(const struct command *command, int argc, char **argv) {
	struct cli cli = { 0 };
	struct error err = { 0 };
	void *values = memory_new(command->values_bytes > 0 ? command->values_bytes : 1);
	if (command->defaults != NULL)
		memcpy(values, command->defaults, command->values_bytes);
	struct option_table tables[] = {
		{ command->options, command->option_count, values },
		{ common_options, common_option_count, &cli.common },
	};
	int code;
	if (options_parse(tables, COUNT(tables), argc, argv, &cli.arguments, &err) != STATUS_OK)
		code = command_usage(command, "%s", err.message);
	else if (!is_color(cli.common.color))
		code = command_usage(command, "--color takes auto, always or never");
	else {
		term_open(&cli.out, stdout, cli.common.color);
		term_open(&cli.err, stderr, cli.common.color);
		code = EXIT_DONE;
		if (cli.common.help)
			command_help(command, &cli.out);
		else
			code = command->run(&cli, values);
	}
	client_close(&cli);
	arguments_release(&cli.arguments);
	free(values);
	return code;
}

/* The command's own words: everything but the word that names it. */
static char **without_word(int argc, char **argv, int place) {
	char **rest = memory_array((size_t)argc + 1, sizeof *rest);
	int count = 0;
	for (int i = 1; i < argc; i++)
		if (i != place)
			rest[count++] = argv[i];
	return rest;
}

static int unknown_command(const char *name) {
	const char *names[64];
	for (size_t i = 0; i < command_count && i < COUNT(names); i++)
		names[i] = commands[i]->name;
	const char *nearest = options_nearest(name, names, command_count);
	if (nearest != NULL)
		return command_usage(NULL, "there is no command '%.40s'; did you mean '%s'?", name, nearest);
	return command_usage(NULL, "there is no command '%.40s'", name);
}

static int run_words(int argc, char **argv) {
	if (argc == 2 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)) {
		printf("corder %s\n", CORDER_VERSION);
		return EXIT_DONE;
	}
	if (wants_help(argc, argv)) {
		struct term term;
		term_open(&term, argc < 2 ? stderr : stdout, NULL);
		commands_help(&term);
		return argc < 2 ? EXIT_USAGE : EXIT_DONE;
	}
	int place = find_command_word(argc, argv);
	if (place == 0)
		return command_usage(NULL, "no command in the command line");
	const struct command *command = command_find(argv[place]);
	if (command == NULL)
		return unknown_command(argv[place]);
	if (command->main != NULL)
		return command->main(argc - place, argv + place);
	char **rest = without_word(argc, argv, place);
	int code = run(command, argc - 2, rest);
	free(rest);
	return code;
}

/* What could not be written was not done, and needs a word; but not where the reader had enough: `corder events | head`. */
static int close_output(int code) {
	bool was_lost = ferror(stdout) != 0, is_lost = fflush(stdout) != 0;
	struct pollfd reader = { .fd = STDOUT_FILENO };
	if (!was_lost && !is_lost)
		return code;
	if (poll(&reader, 1, 0) == 1 && (reader.revents & (POLLERR | POLLHUP)) != 0)
		return is_lost ? EXIT_FAILED : code;
	fputs("corder: the output could not be written, or not all of it\n", stderr);
	bool is_done = code == EXIT_DONE || (code == EXIT_INTERRUPTED && client_last_signal() == 0);
	return is_done ? EXIT_FAILED : code;
}

int main(int argc, char **argv) {
	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
	return close_output(run_words(argc, argv));
}
