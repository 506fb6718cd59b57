/* What no event tells: how full the streams are, and since when a server is away. Looked at every few seconds. */
#ifndef CORDER_MONITOR_WATCH_H
#define CORDER_MONITOR_WATCH_H

#include "monitor.h"

struct watch;

struct watch *watch_open(struct monitor *monitor);
void watch_close(struct watch **watch);
/* Fills what is connected, since when not, and stream_percent. */
void watch_facts(const struct watch *watch, struct health_facts *facts);

#endif
