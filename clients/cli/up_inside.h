/* What the files of `corder up` share. up.c reads the command line; up_folder.c keeps the data folder, up_ports.c finds
 * ports; up_servers.c and up_services.c say what to run; up_process.c starts and ends processes; up_supervise.c watches. */
#ifndef CORDER_CLI_UP_INSIDE_H
#define CORDER_CLI_UP_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../../shared/base/error.h"
#include "../../shared/base/loop.h"
#include "../../shared/bus/bus.h"

enum { UP_PROCESSES_MAX = 128, UP_INSTANCES_MAX = 16, UP_SERVICES = 5 };

/* Processes stop stage by stage, the highest first: intake, then what decides, then what writes and shows, then servers. */
enum up_stage { UP_STAGE_SERVERS = 1, UP_STAGE_READERS, UP_STAGE_SCHEDULER, UP_STAGE_INTAKE, UP_STAGE_COUNT };

enum up_state {
	UP_DOWN,      /* not started yet, or waits for its restart */
	UP_PREPARING, /* what has to run once before it does */
	UP_STARTING,  /* runs, does not answer yet */
	UP_RUNNING,
	UP_STOPPED, /* as asked */
};

struct up;

struct up_process {
	char name[32];    /* "nats", "dispatcher-2": also the name of its log */
	char service[16]; /* "dispatcher"; "" for a server */
	enum up_stage stage;
	char **argv;        /* owned */
	char **prepare;     /* owned; NULL when there is nothing to prepare (any more) */
	char **environment; /* owned; NAME=VALUE beside our own environment */
	enum status (*prepared)(const struct up *up, struct error *err);
	bool (*answers)(const struct up *up); /* of servers */
	int port;
	unsigned long timer_slack_ns; /* how late its timers may fire; 0: as usual, 50 us */
	int64_t metrics_port;         /* of services: where they answer /metrics on 127.0.0.1 */
	enum up_state state;
	pid_t pid;
	int64_t started_mono_us;
	int64_t restart_at_mono_us;
	int64_t backoff_ms;
};

/* Kept in <dir>/settings, so that ports and passwords survive a restart. */
struct up_kept {
	int64_t nats_port, redis_port, mariadb_port, http_port;
	char redis_password[40], database_password[40];
};

struct up {
	/* from the command line */
	const char *dir_option;
	int64_t http_option; /* 0: any */
	bool servers_only;
	bool json; /* said to a program */
	bool help;
	int64_t scale[UP_SERVICES];
	/* where */
	char *dir;      /* absolute */
	char *programs; /* the folder of this program, and so of the services */
	int lock_fd;
	struct up_kept kept;
	char *nats_url, *redis_url, *database_url; /* owned; from our environment or of our servers */
	char *redis_socket_url;                    /* the same Redis, for our services; NULL: they use redis_url */
	bool own_nats, own_redis, own_mariadb;
	/* what runs */
	struct up_process processes[UP_PROCESSES_MAX];
	size_t process_count;
	struct loop *loop;
	int signal_fd;
	int signals;            /* how many times we were asked to stop */
	bool is_up;             /* everything answered once */
	bool is_ticking;        /* a timer is set; otherwise only signals wake us */
	bool failed;            /* the start did not work out */
	enum up_stage stopping; /* 0: not stopping */
	int64_t stage_until_mono_us;
	int64_t start_until_mono_us;
	/* which services answer */
	struct bus *bus;
	char inbox[BUS_INBOX_BYTES + 64];
	int64_t asked_mono_us, answered_mono_us; /* the last question; when all had answered for the first time */
	int64_t answered[UP_SERVICES], healthy[UP_SERVICES];
};

/* up_folder.c */
enum status up_folder_open(struct up *up, struct error *err); /* makes, locks and reads it */
char *up_path(const struct up *up, const char *format, ...)
	__attribute__((format(printf, 2, 3))); /* owned by the caller */
enum status up_folder_make(const struct up *up, const char *name, struct error *err);
/* Replaces a file of the folder in one step; only we may read it. */
enum status up_write(const struct up *up, const char *name, const char *content, struct error *err);
enum status up_keep(const struct up *up, struct error *err);
enum status up_write_environment(const struct up *up, struct error *err);
void up_remove_environment(const struct up *up);

/* up_ports.c: loopback only. A port is kept when it is free, else *port becomes another one. */
bool up_port_is_free(int64_t port);
enum status up_port_choose(int64_t *port, int64_t preferred, struct error *err);
/* A free one below those that the system gives to connections, so that none of them takes it before its process does. */
enum status up_port_find(int64_t *port, struct error *err);

/* up_servers.c */
enum status up_servers_add(struct up *up, struct error *err);

/* up_probe.c: each asks in the server's own protocol, and waits a moment at most. */
bool up_nats_answers(const struct up *up);
bool up_redis_answers(const struct up *up);
bool up_mariadb_answers(const struct up *up);

/* up_services.c */
extern const char *const up_service_names[UP_SERVICES];
int up_service_index(const char *name, size_t length); /* -1: none */
enum status up_services_add(struct up *up, struct error *err);
/* Writes where each process answers /metrics, as a file of targets for Prometheus (file_sd_configs). */
enum status up_services_write_targets(const struct up *up, struct error *err);
/* Asks all services (ADR-32 STATS) now and then; true once as many answered as there should be, in good health. One that
 * stays unwell does not hold up the others for long: the caller may look at `healthy`. */
bool up_services_answer(struct up *up);

/* up_process.c */
struct up_process *up_process_add(struct up *up, const char *name, enum up_stage stage);
char **up_words(const char *first, ...) __attribute__((sentinel)); /* copies; NULL-terminated */
enum status up_process_start(struct up *up, struct up_process *process, struct error *err);
void up_process_signal(const struct up_process *process, int signal); /* the whole group */
void up_process_log_tail(const struct up *up, const struct up_process *process);
bool up_process_alive(const struct up_process *process);
void up_processes_release(struct up *up);

/* up_supervise.c: runs until everything has been stopped again; the exit code of the program. */
int up_supervise(struct up *up);
void up_announce(const struct up *up); /* up.c: what to print once all is there */

#endif
