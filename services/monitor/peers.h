/* The other processes of Corder, as they describe themselves over the NATS services protocol: who is there, who is well,
 * their counters. Asked every few seconds; who has not answered for three rounds is gone. */
#ifndef CORDER_MONITOR_PEERS_H
#define CORDER_MONITOR_PEERS_H

#include "monitor.h"

struct peers;

enum status peers_open(struct monitor *monitor, struct peers **peers, struct error *err);
void peers_close(struct peers **peers);
/* Fills instances, unwell and violations. */
void peers_facts(const struct peers *peers, struct health_facts *facts);
/* How many work requests for the type waited when the dispatchers were asked last; false when none has said so. */
bool peers_workers(const struct peers *peers, struct slice task_type, int64_t *workers);
/* Appends `"services":[…],"missing":[…]`, and `"waiting":{…}`: how many requests for work wait, by type. */
void peers_add_services(const struct peers *peers, struct text *out);
typedef void peers_waiting(void *context, struct slice task_type, int64_t waiting);
void peers_each_waiting(const struct peers *peers, peers_waiting *each, void *context);
void peers_add_waiting(const struct peers *peers, struct text *out);

#endif
