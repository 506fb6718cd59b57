/* One line an event on stderr: logfmt on a terminal, JSON otherwise. Never a payload, never a secret.
 * If nobody would act on it, it is no warning; a warning says what to do. */
#ifndef CORDER_BASE_LOG_H
#define CORDER_BASE_LOG_H

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

void log_open(const char *program, enum log_level least);

/* fields: pairs of names and values after the message, ended by NULL; "task" goes first when there is one.
 *   log_info("lease expired", "task", "t-1", "worker", "w-3", NULL) */
void log_debug(const char *message, ...) __attribute__((sentinel));
void log_info(const char *message, ...) __attribute__((sentinel));
void log_warn(const char *message, ...) __attribute__((sentinel));
void log_error(const char *message, ...) __attribute__((sentinel));

/* A decimal in one of eight rotating static buffers, for use as a field value within one call. */
const char *log_int(long long value);

#endif
