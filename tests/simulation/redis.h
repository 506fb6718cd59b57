/* A Redis in memory: the commands that the scripts and the services use, answered as Redis 7 answers them, and the
 * scripts run by Lua 5.1, which is the one that Redis has inside. What it does not know ends the program. */
#ifndef CORDER_SIMULATION_REDIS_H
#define CORDER_SIMULATION_REDIS_H

#include "shared/kv/kv.h"

struct redis;

enum reply_kind { REPLY_NIL, REPLY_TEXT, REPLY_STATUS, REPLY_ERROR, REPLY_INT, REPLY_LIST };

struct kv_reply {
	enum reply_kind kind;
	struct slice text;
	int64_t number;
	struct kv_reply *items;
	size_t count;
};

struct redis *redis_open(int64_t (*wall_us)(void)); /* the clock of TIME and of what expires */
void redis_close(struct redis **redis);
struct redis *redis_copy(const struct redis *redis);
void redis_flush(struct redis *redis);

/* Both: the reply stays until the next call of either. A blocking XREAD that finds nothing answers nil at once. */
const struct kv_reply *redis_command(struct redis *redis, const struct slice *words, size_t count);
const struct kv_reply *redis_eval(struct redis *redis, const struct kv_script *script, const struct slice *keys,
                                  size_t key_count, const struct slice *arguments, size_t argument_count);
/* Everything it holds, as text, in an order that does not depend on how it came there. */
void redis_dump(struct redis *redis, struct text *out);

#endif
