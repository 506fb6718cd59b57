/* Simulated processes: started, killed, started again. A service runs its own main(), whose service_main() is ours: it
 * takes the definition and opens the service as shared/service/service.c does, without signals and descriptors. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"
#include "servers.h"
#include "services/scheduler/scheduler.h"
#include "shared/base/memory.h"
#include "shared/service/service_inside.h"
#include "world.h"

int ingest_main(int argc, char **argv);
int scheduler_main(int argc, char **argv);
int dispatcher_main(int argc, char **argv);
int persister_main(int argc, char **argv);

/* ---- shared/service/service.h, as far as it is the life of a process ---- */

struct loop *service_loop(struct service *service) {
	return service->loop;
}

struct bus *service_bus(struct service *service) {
	return service->bus;
}

struct kv *service_kv(struct service *service, int64_t partition) {
	return service->kvs[(size_t)partition % service->kv_count];
}

struct db *service_db(struct service *service) {
	return service->db;
}

const void *service_settings(struct service *service) {
	return service->settings;
}

const char *service_id(struct service *service) {
	return service->id;
}

void service_context(struct service *service, void *context) {
	service->own = context;
}

void *service_own(struct service *service) {
	return service->own;
}

const char *service_full_subject(struct service *service, const char *format, ...) {
	static char buffers[4][512];
	static unsigned next;
	char *buffer = buffers[next++ % 4];
	int prefix = snprintf(buffer, sizeof(buffers[0]), "%s.v1.", service->common->prefix);
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(buffer + prefix, sizeof(buffers[0]) - (size_t)prefix, format, arguments);
	va_end(arguments);
	return buffer;
}

uint64_t *service_counter(struct service *service, const char *name) {
	(void)service;
	(void)name;
	return memory_new(sizeof(uint64_t));
}

uint64_t *service_gauge(struct service *service, const char *name) {
	return service_counter(service, name);
}

static struct service *open_service(const struct service_definition *definition, struct error *err) {
	struct service *service = memory_new(sizeof(*service));
	struct service_definition *own = memory_new(sizeof(*own));
	*own = *definition;
	service->definition = own;
	id_make(service->id);
	if (service_read_settings(service, err) != STATUS_OK)
		return NULL;
	/* Shorter than is allowed outside: ended tasks are to leave Redis within the life of a small world. */
	if (world.current->kind == PROCESS_SCHEDULER)
		((struct scheduler_settings *)service->settings)->keep_ended_s = scenario.keep_ended_s;
	struct bus_options options = { service->common->nats_url, definition->name };
	service->loop = world.current->loop = loop_open();
	enum status status = bus_open(service->loop, &options, &service->bus, err);
	world.current->bus = service->bus;
	service->kvs = memory_array(1, sizeof(*service->kvs));
	service->kv_count = 1;
	if (status == STATUS_OK && (own->needs & SERVICE_NEEDS_REDIS))
		status = kv_open(service->loop, service->common->redis_url, definition->name, &service->kvs[0], err);
	if (status == STATUS_OK && (own->needs & SERVICE_NEEDS_DATABASE))
		status = db_open(service->loop, service->common->database_url, &service->db, err);
	if (status == STATUS_OK)
		status = own->start(service, err);
	return status == STATUS_OK ? service : NULL;
}

int service_main(int argc, char **argv, const struct service_definition *definition) {
	struct error err = { 0 };
	(void)argc;
	(void)argv;
	world.current->own = open_service(definition, &err);
	if (!world.current->own)
		world_violation("%s does not start: %s", definition->name, err.message);
	return 0;
}

/* ---- processes ---- */

struct process *process_add(enum process_kind kind) {
	must(world.process_count < PROCESSES_MOST);
	struct process *process = &world.processes[world.process_count];
	*process = (struct process){ .id = world.process_count++, .kind = kind };
	return process;
}

bool process_is(const struct process *process, uint64_t life) {
	return process->alive && process->life == life;
}

static void run_main(struct process *process) {
	switch (process->kind) {
	case PROCESS_INGEST: ingest_main(0, NULL); return;
	case PROCESS_SCHEDULER: scheduler_main(0, NULL); return;
	case PROCESS_DISPATCHER: dispatcher_main(0, NULL); return;
	case PROCESS_PERSISTER: persister_main(0, NULL); return;
	case PROCESS_CLIENT: client_start(process); return;
	case PROCESS_WORKER: worker_start(process); return;
	}
}

void process_start(struct process *process) {
	process->life++;
	process->alive = true;
	process->dying = false;
	process->arena = arena_open();
	struct arena *arena = arena_use(process->arena);
	struct process *before = world.current;
	world.current = process;
	run_main(process);
	world.current = before;
	arena_use(arena);
	if (process->dying)
		process_kill(process, 0);
}

static void start_again(void *context) {
	struct process *process = context;
	if (!process->alive)
		process_start(process);
}

/* again_after_us 0: after a time that is drawn; below 0: never. */
void process_kill(struct process *process, int64_t again_after_us) {
	if (!process->alive)
		return;
	if (world.current == process) {
		process->dying = true;
		return;
	}
	world_say("process %d (%d) dies", process->id, process->kind);
	bus_forget(process);
	process->alive = process->dying = false;
	process->loop = NULL;
	process->bus = NULL;
	process->own = NULL;
	arena_close(&process->arena);
	if (again_after_us == 0)
		again_after_us = world.calm ? 1000 : 1000 + world_draw(world_draw(4) ? 300000 : 4000000);
	if (again_after_us > 0)
		world_at(world.now_us + again_after_us, NULL, start_again, NULL, process);
}
