/* Graphs too large for one call, admitted whole or not at all:
 *
 *   reserve every slice (takes the ids, checks everything) -> decide: one event, the point of no return, and in the log
 *   before anything follows -> place every slice (refused only by a Redis that has lost what was before) -> when all are in the
 *   log, done: one event, then the answer
 *
 * The slices wait in a stream, so that any scheduler can finish what was decided. Before the decision a failure gives the
 * ids back and nothing has happened. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph_inside.h"
#include "graph_names.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/bus/stream.h"
#include "shared/task/record.h"

enum { MOST_SLICE_TRIES = 50 };

static void next_slice(struct graph *graph);

void graph_open(struct partition *partition) {
	partition->graphs = memory_new(sizeof(*partition->graphs));
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
	text_release(&graph->items);
	free(graph->project);
	free(graph->batch_id);
	free(graph->token);
	free(graph->verdict);
	graph->ended = true;
	if (graph->unsafe == 0)
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

void graph_close(struct partition *partition) {
	while (partition->graphs->first != NULL)
		answer_unavailable(partition->graphs->first, "this scheduler was stopped meanwhile: repeat the seal");
	free(partition->graphs);
	partition->graphs = NULL;
}

/* The stream has lost slices of what was decided: what was placed stays, for it may run already; it hangs on nothing that is
 * missing, since tasks are placed in their order. Nobody was told ok, and the same parts again complete it. */
static void end_in_part(struct graph *graph) {
	graph_give_names_back(graph->partition, graph->token);
	answer_unavailable(graph, "NATS has lost a part of it, which stands without that: send all parts again, and seal");
}

static void on_safe(void *context, enum status status) {
	struct graph *graph = context;
	if (graph->lost) {
		end_in_part(graph);
		return;
	}
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
	graph_forget_slices(graph->partition, graph->token);
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

void graph_step_is(struct graph *graph, enum graph_step step) {
	graph->step = step;
	graph->slice = 0;
	graph->tries = 0;
	next_slice(graph);
}

static void on_decision_safe(void *context, enum status status) {
	struct graph *graph = context;
	if (status != STATUS_OK)
		answer_unavailable(graph, "the log did not confirm in time that the graph is decided: repeat the seal");
	else
		graph_step_is(graph, GRAPH_PLACE);
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
	heads_wait(graph->partition, head, false, on_decision_safe, graph);
}

/* Its end is said only when all slices are in the log: a Redis that was lost meanwhile has taken some with it. */
static void end_when_safe(struct graph *graph) {
	if (!graph->placed || graph->unsafe > 0)
		return;
	if (graph->unsure)
		answer_unavailable(graph, "the log did not confirm a slice of the graph in time: repeat the seal");
	else
		command(graph, "graph_done", on_done);
}

static void on_slice_safe(void *context, enum status status) {
	struct graph *graph = context;
	graph->unsafe--;
	graph->unsure = graph->unsure || status != STATUS_OK;
	if (!graph->ended)
		end_when_safe(graph);
	else if (graph->unsafe == 0)
		free(graph);
}

static void on_refusal_safe(void *context, enum status status) {
	struct graph *graph = context;
	if (status != STATUS_OK) {
		answer_unavailable(graph, "the log did not confirm in time why it was refused: repeat the seal");
		return;
	}
	if (graph->request != NULL)
		on_admit_answer(graph->request, slice_of(graph->verdict));
	end_graph(graph);
}

static void on_undone(void *context, enum status status, const struct state_head *head, const struct kv_reply *reply,
                      const struct error *err) {
	struct graph *graph = context;
	(void)reply;
	if (status != STATUS_OK) {
		heads_problem(graph->partition, err);
		answer_unavailable(graph, "Redis was lost while the graph was refused: repeat the seal");
		return;
	}
	*graph->partition->scheduler->refused += (uint64_t)graph->tasks;
	heads_note(graph->partition, head);
	if (graph->lost)
		graph_give_names_back(graph->partition, graph->token);
	graph_forget_slices(graph->partition, graph->token);
	heads_wait(graph->partition, head, false, on_refusal_safe, graph);
}

static void step_over(struct graph *graph) {
	if (graph->step == GRAPH_UNDO)
		command(graph, "graph_undone", on_undone);
	else if (graph->step == GRAPH_PLACE) {
		graph->placed = true;
		end_when_safe(graph);
	} else if (!graph->fresh)
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
	if (status != STATUS_OK) {
		log_debug("a slice is tried again", "batch", graph->batch_id, "why", err->message, NULL);
		if (!graph->decided || ++graph->tries > MOST_SLICE_TRIES)
			answer_unavailable(graph, "Redis or the database was away while the graph was checked: repeat the seal");
		else
			next_slice(graph);
		return;
	}
	bool ok = verdict.length > 2 && memcmp(verdict.bytes, "ok\x1f", 3) == 0;
	/* A Redis that was lost between two slices has lost what the first had reserved: so a refusal is asked for twice. */
	if (!ok && graph->step == GRAPH_RESERVE && graph->slice > 0 && !graph->doubted) {
		graph->doubted = true;
		text_clear(&graph->items);
		graph->fresh = false;
		graph_step_is(graph, GRAPH_RESERVE);
		return;
	}
	if (!ok && graph->step == GRAPH_RESERVE) {
		graph->verdict = memory_copy(verdict.bytes, verdict.length);
		graph->slices = graph->reserved;
		graph_step_is(graph, GRAPH_UNDO);
		return;
	}
	if (!ok && graph->step == GRAPH_PLACE) {
		char why[200];
		snprintf(why, sizeof(why), "%.*s", (int)verdict.length, verdict.bytes);
		log_warn("a slice of a decided graph was refused", "batch", graph->batch_id, "why", why, NULL);
		answer_unavailable(graph, "Redis was lost while the graph was admitted: repeat the seal");
		return;
	}
	if (graph->step == GRAPH_PLACE) {
		graph->unsafe++;
		heads_wait(graph->partition, head, false, on_slice_safe, graph);
	}
	if (graph->step == GRAPH_RESERVE && graph->slice >= graph->reserved)
		graph->reserved = graph->slice + 1;
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
	bool gone = status == STATUS_REJECT && graph->tries >= MOST_SLICE_TRIES;
	if ((graph->step == GRAPH_UNDO && status == STATUS_REJECT) || (graph->step == GRAPH_PLACE && gone)) {
		graph->lost = true; /* in an undo of what another scheduler left, also its end */
		step_over(graph);
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
	char stream[STREAM_NAME_BYTES];
	stream_name(stream, scheduler->settings->common.prefix, STREAM_SLICES, -1);
	stream_get_last(scheduler->bus, stream,
	                service_full_subject(scheduler->service, "internal.slice.%s.%" PRId64, graph->token, graph->slice),
	                on_slice, graph);
}

struct graph *graph_start(struct partition *partition, struct slice project, struct slice batch_id,
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
	struct graph *graph = graph_start(partition, project, batch_id, header);
	graph->request = request;
	graph->archived = archived;
	partition->scheduler->busy++;
	graph_step_is(graph, GRAPH_RESERVE);
}
