/* Random ids, hashing and the two token checks, which guard every value that reaches a subject, a header or a key. */
#include "id.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"
#include "error.h"

/* getrandom(2) costs a system call, so it is asked for many numbers at once. A process that forks must exec. */
uint64_t id_random(void) {
	static uint64_t pool[32];
	static size_t left;
	if (left == 0) {
		ssize_t got;
		do
			got = getrandom(pool, sizeof(pool), 0);
		while (got < 0 && errno == EINTR);
		must(got == (ssize_t)sizeof(pool));
		left = sizeof(pool) / sizeof(pool[0]);
	}
	uint64_t value = pool[--left];
	pool[left] = 0;
	return value;
}

void id_make(char out[ID_BYTES]) {
	static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	uint64_t time_ms = (uint64_t)(clock_wall_us() / 1000);
	uint64_t high = id_random(), low = id_random();
	for (int i = 9; i >= 0; i--) {
		out[i] = alphabet[time_ms & 31];
		time_ms >>= 5;
	}
	for (int i = 17; i >= 10; i--) {
		out[i] = alphabet[high & 31];
		high >>= 5;
	}
	for (int i = 25; i >= 18; i--) {
		out[i] = alphabet[low & 31];
		low >>= 5;
	}
	out[26] = '\0';
}

uint64_t id_hash(struct slice bytes) {
	uint64_t hash = UINT64_C(14695981039346656037);
	for (size_t i = 0; i < bytes.length; i++)
		hash = (hash ^ (unsigned char)bytes.bytes[i]) * UINT64_C(1099511628211);
	return hash;
}

static bool is_alphanumeric(char c) {
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool id_is_token(struct slice text) {
	if (text.length < 1 || text.length > 64)
		return false;
	for (size_t i = 0; i < text.length; i++)
		if (!is_alphanumeric(text.bytes[i]) && text.bytes[i] != '_' && text.bytes[i] != '-')
			return false;
	return true;
}

bool id_is_task_id(struct slice text) {
	if (text.length < 1 || text.length > 128 || !is_alphanumeric(text.bytes[0]))
		return false;
	for (size_t i = 1; i < text.length; i++)
		if (!is_alphanumeric(text.bytes[i]) && (!text.bytes[i] || !strchr("_.:-", text.bytes[i])))
			return false;
	return true;
}
