/* Every CORDER_* name, by its first reader. A name in the environment that stands neither here nor in the service's own
 * table stops the start of a service, since it is most likely a slip of the pen. NAME_FILE is known with NAME. */
#include "known_settings.h"

const char *const known_settings[] = {
	/* every service */
	"CORDER_PREFIX",
	"CORDER_PARTITIONS",
	"CORDER_STOP_TIMEOUT_MS",
	"CORDER_LOG_LEVEL",
	"CORDER_MAX_REQUEST_BYTES",
	/* ingest */
	"CORDER_PART_TTL_S",
	"CORDER_EVENTS_MAX_AGE",
	/* scheduler */
	"CORDER_AGE_WEIGHT",
	"CORDER_PATIENCE_MS",
	"CORDER_SWEEP_MS",
	"CORDER_KEEP_ENDED_S",
	"CORDER_AUDIT_MS",
	"CORDER_MAX_LOG_LAG_EVENTS",
	"CORDER_STREAM_REPLICAS",
	"CORDER_LOG_MAX_BYTES",
	/* dispatcher */
	"CORDER_LEASE_MS",
	"CORDER_MAX_WAIT_MS",
	"CORDER_MAX_LEASES_PER_REQUEST",
	"CORDER_MAX_RESULT_BYTES",
	"CORDER_REQUEST_TTL_S",
	"CORDER_MARK_PATIENCE_MS",
	"CORDER_WAITING_MAX",
	/* persister */
	"CORDER_RETENTION_DAYS",
	"CORDER_RETENTION_STEP_ROWS",
	"CORDER_LOG_KEEP_BLOCKS",
	/* monitor */
	"CORDER_HTTP_ADDRESS",
	"CORDER_HTTP_PORT",
	"CORDER_HTTP_MAX_CONNECTIONS",
	"CORDER_HTTP_IDLE_TIMEOUT_S",
	"CORDER_LIST_LIMIT",
	"CORDER_MONITOR_CONNECTIONS",
	"CORDER_MONITOR_MAX_QUESTIONS",
	"CORDER_QUERY_TIMEOUT_MS",
	"CORDER_PEERS_INTERVAL_MS",
	"CORDER_HEALTH_READY_S",
	"CORDER_HEALTH_OUTBOX_EVENTS",
	"CORDER_HEALTH_LAG_EVENTS",
	/* the command line and what it hands to the commands it runs */
	"CORDER_DIR",
	"CORDER_HTTP",
	"CORDER_BIN",
	"CORDER_PROJECT",
	"CORDER_BATCH_ID",
	"CORDER_TASK_ID",
	"CORDER_TASK_TYPE",
	"CORDER_SERVICE_NAME",
	"CORDER_ATTEMPT",
	"CORDER_WORKER",
	"CORDER_INPUTS",
};
const size_t known_setting_count = sizeof(known_settings) / sizeof(known_settings[0]);
