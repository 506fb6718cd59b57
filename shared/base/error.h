/* What a call says back: a status that tells the caller what to do next, and an error that tells why.
 * Return an error or log it, never both. */
#ifndef CORDER_BASE_ERROR_H
#define CORDER_BASE_ERROR_H

enum status {
	STATUS_OK,     /* done */
	STATUS_RETRY,  /* the world is in the way: the same call may succeed later */
	STATUS_REJECT, /* the input is wrong for ever */
	STATUS_STALE,  /* somebody has already done it, or it is no longer ours to do */
};

/* code: one of the contract's error codes, "" when not for a client; path: a JSON pointer or "". */
struct error {
	char code[24];
	char path[160];
	char message[320];
};

/* Fills err (which may be NULL) with a message and returns status, so that failing is one line. */
enum status fail(struct error *err, enum status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same for a client's mistake: sets code and path too and returns STATUS_REJECT. */
enum status reject(struct error *err, const char *code, const char *path, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Our own bug: logs the condition and its place, and aborts; stays on in release. */
#define must(condition) ((condition) ? (void)0 : must_fail(#condition, __FILE__, __LINE__))
_Noreturn void must_fail(const char *condition, const char *file, int line);

#endif
