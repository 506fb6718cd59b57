/* Real servers for tests: nats-server with JetStream, redis-server, mariadbd, each in a folder of its own under the
 * temporary directory and on a free port of 127.0.0.1. They die with the test program, however it ends. Starting, stopping
 * and restarting wait until the server answers (or is gone); what goes wrong fails the test with the server's last words. */
#ifndef CORDER_TESTS_SERVERS_H
#define CORDER_TESTS_SERVERS_H

struct server;

struct server *server_start_nats(void);
struct server *server_start_redis(void);
struct server *server_start_mariadb(void);
/* The same with further command line arguments, ended by NULL. */
struct server *server_start_nats_with(const char *const *arguments);
struct server *server_start_redis_with(const char *const *arguments);
struct server *server_start_mariadb_with(const char *const *arguments);
/* Kills it and removes its folder. */
void server_stop(struct server **server);

/* nats://…, redis://…, mysql://root@…/corder: what NATS_URL, REDIS_URL and DATABASE_URL take. Lives as long as the server. */
const char *server_url(const struct server *server);
const char *server_folder(const struct server *server);
int server_port(const struct server *server);
int server_pid(const struct server *server);

void server_kill(struct server *server);      /* kill -9, waits until it is gone */
void server_terminate(struct server *server); /* SIGTERM, waits until it is gone */
void server_restart(struct server *server);   /* starts it again on the same folder and port */
void server_pause(struct server *server);     /* SIGSTOP */
void server_resume(struct server *server);    /* SIGCONT */

/* User and system CPU time the server has used, in microseconds. */
long long server_cpu_us(const struct server *server);

int free_port(void);

#endif
