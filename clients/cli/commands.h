/* The rows of all commands; each stands in its own file. */
#ifndef CORDER_CLI_COMMANDS_H
#define CORDER_CLI_COMMANDS_H

#include "command.h"

extern const struct command command_up, command_top, command_submit, command_work;
extern const struct command command_status, command_list, command_get, command_watch, command_graph, command_timeline;
extern const struct command command_explain, command_events, command_services;
extern const struct command command_cancel, command_retry, command_approve, command_reject, command_update;
extern const struct command command_pause, command_resume;
extern const struct command command_audit, command_rebuild, command_poison;
extern const struct command command_help_row, command_version;

#endif
