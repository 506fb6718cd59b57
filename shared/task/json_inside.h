/* What json_scan.c (writes) and json.c (reads) share: the flat list of nodes. Nobody else includes it. */
#ifndef CORDER_TASK_JSON_INSIDE_H
#define CORDER_TASK_JSON_INSIDE_H

#include "json.h"

enum { NODE_LAST = 1, NODE_MEMBER = 2, NODE_ESCAPED = 4 };

/* In the order of the message. The name of a member is the node before its value; the first child of a list is the node
 * after it, of an object the one after that. */
struct json_node {
	uint32_t start, length; /* in the message; a string without its quotes */
	uint32_t next;          /* the node after this value and all inside it; UINT32_MAX while it is open */
	uint32_t count;         /* children */
	uint8_t kind;           /* enum json_kind */
	uint8_t flags;
};

struct json_level {
	uint32_t container;
	uint32_t last; /* its newest child */
};

struct json {
	struct slice bytes;
	struct json_node *nodes;
	uint32_t count, capacity;
	struct json_level *levels;
	uint32_t level_capacity;
	uint32_t *slots; /* for names of wide objects */
	size_t slot_capacity;
	struct json_chunk *chunks;
};

enum status json_scan(struct json *json, const struct json_limits *limits, struct error *err);
/* Refuses an object, just closed, that has a name twice. */
enum status json_check_names(struct json *json, uint32_t object, struct error *err);
/* The first child of a container that has one, and the one after a child that is not the last. */
uint32_t json_first_node(const struct json *json, uint32_t container);
uint32_t json_next_node(const struct json *json, uint32_t node);
/* The text of a string node or name, decoded. */
struct slice json_node_text(struct json *json, uint32_t node);

#endif
