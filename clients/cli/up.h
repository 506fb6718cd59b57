/* `corder up`: a private stack in a folder: three servers and the five services, started, watched and stopped. */
#ifndef CORDER_CLI_UP_H
#define CORDER_CLI_UP_H

/* argv[0] is "up". Returns the exit code of the program. */
int up_main(int argc, char **argv);

#endif
