/* Reads the events that the stream keeps, from a place on, many requests at a time, in order. */
#ifndef CORDER_CLI_REPLAY_H
#define CORDER_CLI_REPLAY_H

#include "client.h"

/* Where to begin: the whole stream, the first event from a time on, or the first with this seq. */
enum replay_from { REPLAY_ALL, REPLAY_TIME, REPLAY_SEQ };

/* Called for each event, in order; false ends the replay. */
typedef bool replay_event(void *context, struct slice body);

/* Replays up to what the stream holds at the end. An exit code, after a message when it is not EXIT_DONE. */
int replay(struct cli *cli, enum replay_from from, int64_t place, replay_event *event, void *context);

#endif
