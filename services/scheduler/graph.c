/* Graphs too large for one call, admitted whole or not at all:
 *
 *   reserve every slice (takes the ids, checks everything) -> decide: one event, the point of no return
 *   -> place every slice (cannot fail) -> done: one event, then the answer
 *
 * The slices wait in a stream, so that any scheduler can finish what was decided. Before the decision a failure gives the
 * ids back and nothing has happened. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/bus/stream.h"
#include "shared/task/record.h"

enum graph_step { GRAPH_RESERVE, GRAPH_PLACE, GRAPH_UNDO };

enum { ADOPT_TICKS = 15, MOST_SLICE_TRIES = 50, ORPHAN_US = 30000000 };

struct graph {
	struct graph *next;
	struct partition *partition;
	struct service_request *request; /* NULL when it was taken over from another scheduler */
	bool archived, decided, fresh;   /* fresh: some task of it is new */
	enum graph_step step;
	int64_t slice, slices, tasks;
	int tries;
	char *project, *batch_id, *token;
	struct text body;  /* the slice at hand */
	char *verdict;     /* why it was refused, in admit.lua's form; NULL when it was not */
	struct text items; /* what each task comes to, RS-joined, when one message can tell it */
	struct submission submission;
};

struct graphs {
	struct graph *first;
	char seen[64]; /* a token of another scheduler that was there at the last ticks */
	int seen_ticks;
	bool asking;
};

static void next_slice(struct graph *graph);

void graph_open(struct partition *partition) {
	partition->graphs = memory_new(sizeof(*partition->graphs));
}

void graph_close(struct partition *partition) {
	free(partition->graphs);
	partition->graphs = NULL;
}

/* The slices are read by nobody any more. */
static void forget_slices(struct graph *graph) {
	struct scheduler *scheduler = graph->partition->scheduler;
	char stream[96], subject[192];
	snprintf(stream, sizeof(stream), "%s%s", scheduler->stream_prefix, STREAM_SLICES);
	snprintf(subject, sizeof(subject), "%s",
	         service_full_subject(scheduler->service, "internal.slice.%s.*", graph->token));
	stream_purge(scheduler->bus, stream, subject, 0, NULL, NULL);
}

static void end_graph(struct graph *graph) {
	struct partition *partition = graph->partition;
	for (struct graph **at = &partition->graphs->first; *at != NULL; at = &(*at)->next) {
		if (*at == graph) {
			*at = graph->next;
			break;
		}
	}
	if (graph->request != NULL)
		partition->scheduler->busy--;
	text_release(&graph->body);
	free(graph->project);
	free(graph->batch_id);
	free(graph->token);
	free(graph->verdict);
	free(graph);
}

/* Its slices stay: whoever finds it left unfinished gives its ids back, or goes on with it. */
static void answer_unavailable(struct graph *graph, const char *why) {
	struct error err = { 0 };
	fail(&err, STATUS_RETRY, "%s", why);
	if (graph->request != NULL)
		on_admit_fail(graph->request, &err);
	log_warn("a large graph was not admitted", "batch", graph->batch_id, "why", why, NULL);
	end_graph(graph);
}

static void on_safe(void *context, enum status status) {
	struct graph *graph = context;
	if (status != STATUS_OK) {
		answer_unavailable(graph, "the log did not confirm the graph in time: repeat the seal");
		return;
	}
	struct text verdict = { 0 };
	text_add(&verdict, "ok\x1f\x1f\x1d");
	text_append(&verdict, graph->items.bytes, graph->items.length);
	if (graph->request != NULL)
		on_admit_answer(graph->request, (struct slice){ verdict.bytes, verdict.length });
	text_release(&verdict);
	forget_slices(graph);
	log_info("large graph admitted", "batch", graph->batch_id, "tasks", log_int(graph->tasks), NULL);
	end_graph(graph);
}

/* Runs one command about the graph; done gets the head. */
static void command(struct graph *graph, const char *verb, state_handler *done) {
	struct text text = { 0 };
	text_printf(&text, "%s%c%s%c%s%c%s%c%" PRId64 "%c%" PRId64, verb, RECORD_US, graph->project, RECORD_US,
	            graph->batch_id, RECORD_US, graph->token, RECORD_US, graph->slices, RECORD_US, graph->tasks);
	struct slice argument = { text.bytes, text.length };
	state_call(graph->partition->state, &state_script_command, &argument, 1, done, graph);
	text_release(&text);
}

static void on_done(void *context, enum status status, const struct state_head *head, const struct kv_reply *reply,
                    const struct error *err) {
	struct graph *graph = context;
	(void)reply;
	(void)err;
	if (status != STATUS_OK) {
		answer_unavailable(graph, "Redis was lost while the graph was admitted: repeat the seal");
		return;
	}
	heads_note(graph->partition, head);
	*graph->partition->scheduler->admitted += (uint64_t)graph->tasks;
	heads_wait(graph->partition, head, graph->archived, on_safe, graph);
}

static void start_step(struct graph *graph, enum graph_step step) {
	graph->step = step;
	graph->slice = 0;
	graph->tries = 0;
	next_slice(graph);
}

static void on_decided(void *context, enum status status, const struct state_head *head, const struct kv_reply *reply,
                       const struct error *err) {
	struct graph *graph = context;
	(void)reply;
	if (status != STATUS_OK) {
		heads_problem(graph->partition, err);
		answer_unavailable(graph, "Redis was lost before the graph was decided: repeat the seal");
		return;
	}
	heads_note(graph->partition, head);
	graph->decided = true;
	start_step(graph, GRAPH_PLACE);
}

static void on_undone(void *context, enum status status, const struct state_head *head, const struct kv_reply *reply,
                      const struct error *err) {
	struct graph *graph = context;
	(void)head;
	(void)reply;
	(void)err;
	*graph->partition->scheduler->refused += (uint64_t)graph->tasks;
	if (graph->request != NULL)
		on_admit_answer(graph->request, slice_of(graph->verdict));
	if (status == STATUS_OK)
		forget_slices(graph);
	end_graph(graph);
}

static void step_over(struct graph *graph) {
	if (graph->step == GRAPH_UNDO)
		command(graph, "graph_undone", on_undone);
	else if (graph->step == GRAPH_PLACE)
		command(graph, "graph_done", on_done);
	else if (!graph->fresh)
		command(graph, "graph_done", on_done); /* all of it is known: the same answer as the first time */
	else
		command(graph, "graph", on_decided);
}

static bool has_new(struct slice verdict) {
	slice_cut(&verdict, RECORD_GS);
	while (verdict.bytes != NULL && verdict.length > 0)
		if (slice_cut(&verdict, RECORD_RS).bytes[0] == 'a')
			return true;
	return false;
}

/* The slices are reserved in order, so are their items. */
static void keep_items(struct graph *graph, struct slice verdict) {
	slice_cut(&verdict, RECORD_GS);
	if (graph->step != GRAPH_RESERVE || graph->tasks > LIMIT_TASKS_PER_REQUEST || verdict.length == 0)
		return;
	if (graph->items.length > 0)
		text_add_char(&graph->items, RECORD_RS);
	text_add_slice(&graph->items, verdict);
}

static void on_slice_judged(struct submission *submission, enum status status, const struct state_head *head,
                            struct slice verdict, const struct error *err) {
	struct graph *graph = submission->context;
	(void)head;
	if (status != STATUS_OK) {
		log_debug("a slice is tried again", "batch", graph->batch_id, "why", err->message, NULL);
		if (!graph->decided || ++graph->tries > MOST_SLICE_TRIES)
			answer_unavailable(graph, "Redis or the database was away while the graph was checked: repeat the seal");
		else
			next_slice(graph);
		return;
	}
	bool ok = verdict.length > 2 && memcmp(verdict.bytes, "ok\x1f", 3) == 0;
	if (!ok && graph->step == GRAPH_RESERVE) {
		graph->verdict = memory_copy(verdict.bytes, verdict.length);
		graph->slices = graph->slice;
		start_step(graph, GRAPH_UNDO);
		return;
	}
	if (!ok)
		log_error("a slice of a decided graph was refused", "batch", graph->batch_id, NULL);
	graph->fresh = graph->fresh || has_new(verdict);
	keep_items(graph, verdict);
	graph->slice++;
	graph->tries = 0;
	next_slice(graph);
}

static void on_slice(void *context, enum status status, uint64_t sequence, struct slice body) {
	static const char *const modes[] = { "reserve", "place", "unreserve" };
	struct graph *graph = context;
	(void)sequence;
	if (graph->step == GRAPH_UNDO && status == STATUS_REJECT) {
		step_over(graph); /* an orphan's slices end here, or were forgotten */
		return;
	}
	if (status != STATUS_OK || body.length == 0) {
		if (graph->decided && ++graph->tries <= MOST_SLICE_TRIES)
			next_slice(graph);
		else
			answer_unavailable(graph, "a slice of the graph could not be read: repeat the seal");
		return;
	}
	text_clear(&graph->body);
	text_add_slice(&graph->body, body);
	struct slice records = { graph->body.bytes, graph->body.length };
	size_t count = 1;
	for (size_t i = 0; i < records.length; i++)
		count += records.bytes[i] == RECORD_RS;
	graph->submission = (struct submission){
		.project = slice_of(graph->project),
		.batch_id = slice_of(graph->batch_id),
		.token = slice_of(graph->token),
		.mode = modes[graph->step],
		.records = records,
		.record_count = count,
		.done = on_slice_judged,
		.context = graph,
	};
	admit_submit(graph->partition, &graph->submission);
}

static void next_slice(struct graph *graph) {
	if (graph->slice >= graph->slices) {
		step_over(graph);
		return;
	}
	struct scheduler *scheduler = graph->partition->scheduler;
	char stream[96];
	snprintf(stream, sizeof(stream), "%s%s", scheduler->stream_prefix, STREAM_SLICES);
	stream_get_last(scheduler->bus, stream,
	                service_full_subject(scheduler->service, "internal.slice.%s.%" PRId64, graph->token, graph->slice),
	                on_slice, graph);
}

static struct graph *start(struct partition *partition, struct slice project, struct slice batch_id,
                           struct slice header) {
	struct graph *graph = memory_new(sizeof(*graph));
	graph->partition = partition;
	graph->project = slice_copy(project);
	graph->batch_id = slice_copy(batch_id);
	struct slice token = header.bytes != NULL ? slice_cut(&header, RECORD_US) : (struct slice){ 0 };
	graph->token = slice_copy(token);
	graph->slices = header.bytes != NULL ? slice_int(slice_cut(&header, RECORD_US), 0) : 0;
	graph->tasks = header.bytes != NULL ? slice_int(slice_cut(&header, RECORD_US), 0) : 0;
	graph->next = partition->graphs->first;
	partition->graphs->first = graph;
	return graph;
}

void graph_admit(struct partition *partition, struct service_request *request, struct slice project,
                 struct slice batch_id, bool archived, struct slice header) {
	/* The header goes on: traceparent was cut by the caller; token, slice count, task count follow. */
	struct graph *graph = start(partition, project, batch_id, header);
	graph->request = request;
	graph->archived = archived;
	partition->scheduler->busy++;
	start_step(graph, GRAPH_RESERVE);
}

/* ------------------------------------------------------------------------------- what another scheduler left unfinished */

static bool is_ours(const struct graphs *graphs, struct slice token) {
	for (const struct graph *graph = graphs->first; graph != NULL; graph = graph->next)
		if (slice_is(token, graph->token))
			return true;
	return false;
}

static void adopt(struct partition *partition, struct slice token, struct slice value) {
	struct slice project = slice_cut(&value, RECORD_US);
	struct slice batch_id = slice_cut(&value, RECORD_US);
	struct text header = { 0 };
	text_add_slice(&header, token);
	text_add_char(&header, RECORD_US);
	text_add_slice(&header, value);
	struct graph *graph = start(partition, project, batch_id, (struct slice){ header.bytes, header.length });
	text_release(&header);
	graph->decided = true;
	log_info("finishing a large graph that was left", "batch", graph->batch_id, NULL);
	start_step(graph, GRAPH_PLACE);
}

static void on_unfinished(void *context, enum status status, const struct kv_reply *reply, const struct error *err) {
	struct partition *partition = context;
	struct graphs *graphs = partition->graphs;
	(void)err;
	graphs->asking = false;
	if (status != STATUS_OK || kv_count(reply) < 2) {
		graphs->seen_ticks = 0;
		return;
	}
	for (size_t i = 0; i + 1 < kv_count(reply); i += 2) {
		struct slice token = kv_text(kv_at(reply, i));
		if (is_ours(graphs, token))
			continue;
		if (!slice_is(token, graphs->seen)) {
			snprintf(graphs->seen, sizeof(graphs->seen), "%.*s", (int)token.length, token.bytes);
			graphs->seen_ticks = 0;
		} else if (++graphs->seen_ticks >= ADOPT_TICKS) {
			graphs->seen_ticks = 0;
			adopt(partition, token, kv_text(kv_at(reply, i + 1)));
		}
		return;
	}
}

/* Ids that a scheduler reserved and neither took nor gave back before it died. */
static void on_reserved(void *context, enum status status, const struct kv_reply *reply, const struct error *err) {
	struct partition *partition = context;
	(void)err;
	for (size_t i = 0; status == STATUS_OK && i + 1 < kv_count(reply); i += 2) {
		struct slice token = kv_text(kv_at(reply, i)), value = kv_text(kv_at(reply, i + 1));
		struct slice project = slice_cut(&value, RECORD_US);
		struct slice batch_id = value.bytes != NULL ? slice_cut(&value, RECORD_US) : (struct slice){ 0 };
		if (is_ours(partition->graphs, token) || clock_wall_us() - slice_int(value, INT64_MAX / 2) < ORPHAN_US)
			continue;
		struct graph *graph = start(partition, project, batch_id, token);
		graph->slices = INT64_MAX;
		log_info("giving back the ids of a large graph that was left", "batch", graph->batch_id, NULL);
		start_step(graph, GRAPH_UNDO);
		return;
	}
}

void graph_tick(struct partition *partition) {
	if (partition->graphs->asking)
		return;
	char key[32], reserved_key[32];
	snprintf(reserved_key, sizeof(reserved_key), "%srs", state_prefix(partition->state));
	struct slice ask[] = { SLICE("HGETALL"), slice_of(reserved_key) };
	kv_command(state_kv(partition->state), ask, 2, 0, on_reserved, partition);
	snprintf(key, sizeof(key), "%sab", state_prefix(partition->state));
	struct slice words[] = { SLICE("HGETALL"), slice_of(key) };
	partition->graphs->asking = true;
	kv_command(state_kv(partition->state), words, 2, 0, on_unfinished, partition);
}
