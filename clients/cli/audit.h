/* One partition's Redis against the database and the log, see cmd_audit.c. */
#ifndef CORDER_CLI_AUDIT_H
#define CORDER_CLI_AUDIT_H

#include "stores.h"

enum { AUDIT_PAGE = 500 };

/* A task that the stores do not agree on. */
struct suspect {
	int64_t number;
	char what[360];   /* its name, and what is wrong */
	bool in_database; /* the database does not agree with itself: a rebuild mends nothing */
};

struct audit {
	struct stores *stores;
	size_t partition;
	int64_t tasks;            /* looked at */
	struct suspect *suspects; /* owned */
	size_t count, capacity;
	int64_t database_seq, redis_seq, log_seq; /* how far each has come */
	char positions[240];                      /* what is wrong with these, or "" */
};

/* Looks at all that has not ended, in Redis and in the database; what is only on its way is looked at again until it has come.
 * An exit code; audit_release is due in either case. */
int audit_partition(struct audit *audit, struct stores *stores, size_t partition);
void audit_release(struct audit *audit);

#endif
