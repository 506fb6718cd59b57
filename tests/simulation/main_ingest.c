/* The service's own main(), under a name of its own: service_main() is that of processes.c. */
int ingest_main(int argc, char **argv);
#define main ingest_main
#include "services/ingest/main.c" /* NOLINT(bugprone-suspicious-include): its main() under another name */
