/* Asking the services: a connection on a loop, requests that are repeated with the same body until somebody answers (all
 * of Corder's requests are idempotent), and refusals told in a way that says what to do. */
#ifndef CORDER_CLI_CLIENT_H
#define CORDER_CLI_CLIENT_H

#include "../../shared/task/json.h"
#include "command.h"

/* The body of a reply and its parsed form. */
struct answer {
	struct text body;
	struct json *json;      /* NULL until there was an answer */
	struct json_value root; /* borrows body */
};

/* Connects when that has not been done; EXIT_DONE, or the exit code after saying why on stderr. */
int client_open(struct cli *cli);
/* The same, and waits a moment for the connection itself. */
int client_connect(struct cli *cli);
void client_close(struct cli *cli);

/* A full subject, owned by the caller: "<prefix>.v1.<relative>". */
char *client_subject(const struct cli *cli, const char *relative);

/* How long to go on: --timeout when it was given, else patience_s or the default, whichever is longer. */
double client_timeout_s(const struct cli *cli, double patience_s);

/* Sends body to <prefix>.v1.<relative> until an ok answer comes (EXIT_DONE), a refusal (EXIT_REFUSED) or the time is up
 * (EXIT_UNREACHABLE). All but the first are told on stderr (and the refusal on stdout with --json). patience_s: see
 * client_timeout_s. */
int client_ask(struct cli *cli, const char *relative, struct slice body, double patience_s, struct answer *answer);
/* The same, but says nothing about a refusal: the caller looks at answer->root. */
int client_ask_quiet(struct cli *cli, const char *relative, struct slice body, double patience_s,
                     struct answer *answer);
/* Asks and, with --json, prints the answer as it came: then *printed is true and nothing is left to do. */
int client_ask_or_print(struct cli *cli, const char *relative, struct slice body, struct answer *answer, bool *printed);
void answer_release(struct answer *answer);

/* Tells a refusal ({"ok":false,"error":{…}}) on stderr; returns EXIT_REFUSED, or EXIT_UNREACHABLE for unavailable. */
int client_tell_refusal(const struct cli *cli, struct json_value root);

/* Runs the loop for at most wait_us; false once the user interrupted. */
bool client_turn(struct cli *cli, int64_t wait_us);
bool client_interrupted(void);
void client_catch_signals(struct cli *cli); /* INT, TERM and HUP end client_turn instead of the process */
int client_signal_count(void);              /* all of HUP count as one */
bool client_hung_up(void);
int client_last_signal(void); /* its number, or 0 */

/* "PROJECT/TASK" or "TASK" with --project or CORDER_PROJECT. */
struct task_name {
	struct slice project, task_id;
};
/* Returns EXIT_USAGE after a message when the project is not known or a part is malformed. */
int client_task_name(const char *word, const char *project, struct task_name *name);
/* --project, else CORDER_PROJECT, else NULL. */
const char *client_project(const char *option);

#endif
