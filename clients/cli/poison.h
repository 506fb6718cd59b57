/* One event that was set aside: written down after all, or deleted. See cmd_poison.c. */
#ifndef CORDER_CLI_POISON_H
#define CORDER_CLI_POISON_H

#include "stores.h"

struct poison {
	int64_t partition, seq;
	enum status
		status; /* OK: done; STALE: there is no such event; REJECT: it can never be written; RETRY: not as things are */
	char name[200]; /* project/task, or "" */
	struct error why;
};

/* Both return an exit code: EXIT_DONE also when the event stays where it is, and poison->why says why. */
int poison_replay(struct stores *stores, struct poison *poison);
int poison_drop(struct stores *stores, struct poison *poison);

#endif
