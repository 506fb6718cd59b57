/* The list of commands, and what is printed about them. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "commands.h"

const struct command *const commands[] = {
	&command_up,      &command_submit,  &command_work,     &command_top,      &command_status,
	&command_list,    &command_get,     &command_watch,    &command_graph,    &command_timeline,
	&command_explain, &command_events,  &command_services, &command_cancel,   &command_retry,
	&command_approve, &command_reject,  &command_update,   &command_pause,    &command_resume,
	&command_audit,   &command_rebuild, &command_poison,   &command_help_row, &command_version,
};
const size_t command_count = COUNT(commands);

const struct command *command_find(const char *name) {
	for (size_t i = 0; i < command_count; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

int command_usage(const struct command *command, const char *format, ...) {
	va_list arguments;
	va_start(arguments, format);
	fputs("corder: ", stderr);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	if (command != NULL)
		fprintf(stderr, "\nusage: corder %s %s\nMore: corder %s --help\n", command->name, command->usage,
		        command->name);
	else
		fputs("\nAll commands: corder help\n", stderr);
	return EXIT_USAGE;
}

/* A heading and, indented, the lines under it. */
static void add_section(const struct term *term, struct text *out, const char *heading, const char *lines,
                        const char *indent) {
	if (lines == NULL)
		return;
	text_add_char(out, '\n');
	term_say(term, out, SHADE_BOLD, "%s", heading);
	text_add_char(out, '\n');
	struct slice rest = slice_of(lines);
	while (rest.bytes != NULL) {
		struct slice line = slice_cut(&rest, '\n');
		if (line.length > 0)
			text_add(out, indent);
		text_add_slice(out, line);
		text_add_char(out, '\n');
	}
}

void command_help(const struct command *command, const struct term *term) {
	struct text out = { 0 };
	term_say(term, &out, SHADE_BOLD, "corder %s", command->name);
	text_printf(&out, ": %s\n", command->summary);
	add_section(term, &out, "Usage", "", "");
	out.length--;
	text_printf(&out, "  corder %s %s\n", command->name, command->usage);
	if (command->about != NULL)
		text_printf(&out, "\n%s\n", command->about);
	if (command->option_count > 0) {
		text_add_char(&out, '\n');
		term_say(term, &out, SHADE_BOLD, "Options");
		text_add_char(&out, '\n');
		options_help(command->options, command->option_count, &out);
	}
	text_add_char(&out, '\n');
	term_say(term, &out, SHADE_BOLD, "Options of every command");
	text_add_char(&out, '\n');
	options_help(common_options, common_option_count, &out);
	add_section(term, &out, "Examples", command->examples, "  ");
	term_write(term, &out);
	text_release(&out);
}

void commands_help(const struct term *term) {
	struct text out = { 0 };
	text_add(&out, "Corder runs work that has an order: tasks with dependencies, the most urgent first.\n\n"
	               "usage: corder COMMAND [options]\n");
	const char *group = "";
	for (size_t i = 0; i < command_count; i++) {
		if (strcmp(group, commands[i]->group) != 0) {
			group = commands[i]->group;
			text_add_char(&out, '\n');
			term_say(term, &out, SHADE_BOLD, "%s", group);
			text_add_char(&out, '\n');
		}
		text_printf(&out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
	}
	text_add(&out, "\nOne command in full: corder COMMAND --help. All of them, with the exit codes: man corder.\n"
	               "New here? In one terminal 'corder up', in another:\n\n"
	               "  corder submit --project demo --type shell --context '{\"command\":\"echo hello\"}'\n"
	               "  corder work --type shell --exec 'eval \"$CORDER_CONTEXT_COMMAND\"' --until-idle\n"
	               "  corder list --project demo\n");
	term_write(term, &out);
	text_release(&out);
}
