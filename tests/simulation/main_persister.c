/* The service's own main(), under a name of its own: service_main() is that of processes.c. */
int persister_main(int argc, char **argv);
#define main persister_main
#include "services/persister/main.c" /* NOLINT(bugprone-suspicious-include): its main() under another name */
