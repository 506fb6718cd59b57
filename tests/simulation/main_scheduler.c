/* The service's own main(), under a name of its own: service_main() is that of processes.c. */
int scheduler_main(int argc, char **argv);
#define main scheduler_main
#include "services/scheduler/main.c" /* NOLINT(bugprone-suspicious-include): its main() under another name */
