/* The service's own main(), under a name of its own: service_main() is that of processes.c. */
int dispatcher_main(int argc, char **argv);
#define main dispatcher_main
#include "services/dispatcher/main.c" /* NOLINT(bugprone-suspicious-include): its main() under another name */
