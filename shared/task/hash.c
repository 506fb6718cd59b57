/* Multiply and fold, eight bytes a step, with the finish of MurmurHash3 (Appleby, public domain). */
#include "hash.h"

#include <endian.h>
#include <string.h>

#include "../base/id.h"

static uint64_t load(const char *bytes, size_t length) {
	uint64_t word = 0;
	memcpy(&word, bytes, length);
	return le64toh(word);
}

static uint64_t finish(uint64_t hash) {
	hash ^= hash >> 33;
	hash *= UINT64_C(0xff51afd7ed558ccd);
	hash ^= hash >> 33;
	hash *= UINT64_C(0xc4ceb9fe1a85ec53);
	return hash ^ (hash >> 33);
}

uint64_t hash_fixed(struct slice bytes, uint64_t seed) {
	uint64_t hash = seed ^ (bytes.length * UINT64_C(0x9e3779b97f4a7c15));
	size_t at = 0;
	for (; at + 8 <= bytes.length; at += 8) {
		hash = (hash ^ load(bytes.bytes + at, 8)) * UINT64_C(0xd6e8feb86659fd93);
		hash ^= hash >> 32;
	}
	if (at < bytes.length)
		hash = (hash ^ load(bytes.bytes + at, bytes.length - at)) * UINT64_C(0xd6e8feb86659fd93);
	return finish(hash);
}

uint64_t hash_of(struct slice bytes) {
	static uint64_t seed;
	while (seed == 0)
		seed = id_random();
	return hash_fixed(bytes, seed);
}
