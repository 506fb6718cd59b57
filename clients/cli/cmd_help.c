/* `corder help`, `corder version`, and the row of `corder up`, which reads its command line itself. */
#include <stdio.h>

#include "../../shared/base/version.h"
#include "command.h"
#include "commands.h"
#include "up.h"

static int help_run(struct cli *cli, const void *values) {
	(void)values;
	if (cli->arguments.count == 0) {
		commands_help(&cli->out);
		return EXIT_DONE;
	}
	const struct command *command = command_find(cli->arguments.words[0]);
	if (command == NULL)
		return command_usage(NULL, "there is no command '%.40s'", cli->arguments.words[0]);
	if (command->main != NULL)
		return command->main(2, (char *[]){ (char *)command->name, (char *)"--help", NULL });
	command_help(command, &cli->out);
	return EXIT_DONE;
}

static int version_run(struct cli *cli, const void *values) {
	(void)values;
	printf(cli->common.json ? "{\"version\":\"%s\"}\n" : "corder %s\n", CORDER_VERSION);
	return EXIT_DONE;
}

const struct command command_up = {
	.name = "up",
	.group = "Run it",
	.summary = "start a private stack here: NATS, Redis, MariaDB and the five services",
	.usage = "[options]",
	.main = up_main,
};

const struct command command_help_row = {
	.name = "help",
	.group = "About",
	.summary = "this list, or one command in full",
	.usage = "[COMMAND]",
	.run = help_run,
};

const struct command command_version = {
	.name = "version",
	.group = "About",
	.summary = "print the version",
	.usage = "",
	.run = version_run,
};
