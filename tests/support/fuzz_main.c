/* Runs a fuzz target without libFuzzer: every seed file, then seeds changed at random, for a bounded time. The changes
 * come from a fixed start, so that a failure comes again. A sanitizer or must() makes the failure.
 *   fuzz_x [folder or file of seeds]…      FUZZ_SECONDS: how long (5)      FUZZ_START: where chance starts (1) */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

enum { SEEDS_MAX = 4096, SEED_BYTES_MAX = 1 << 16, ROUND = 256, CHANGES_MAX = 8 };

struct seed {
	uint8_t *bytes;
	size_t length;
};

static struct seed seeds[SEEDS_MAX];
static size_t seed_count;
static uint64_t chance;

/* xorshift64* (Vigna, 2016) */
static uint64_t next_chance(void) {
	chance ^= chance >> 12;
	chance ^= chance << 25;
	chance ^= chance >> 27;
	return chance * 0x2545F4914F6CDD1DU;
}

static size_t below(size_t limit) {
	return limit > 0 ? (size_t)(next_chance() % limit) : 0;
}

static void add_file(const char *path) {
	FILE *file = seed_count < SEEDS_MAX ? fopen(path, "rb") : NULL;
	if (file == NULL)
		return;
	uint8_t *bytes = malloc(SEED_BYTES_MAX);
	if (bytes != NULL) {
		size_t length = fread(bytes, 1, SEED_BYTES_MAX, file);
		seeds[seed_count++] = (struct seed){ bytes, length };
	}
	fclose(file);
}

static void add_seeds(const char *path) {
	struct stat found;
	if (stat(path, &found) != 0)
		return;
	if (!S_ISDIR(found.st_mode)) {
		add_file(path);
		return;
	}
	DIR *folder = opendir(path);
	struct dirent *entry;
	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		char inner[4096];
		if (entry->d_name[0] == '.')
			continue;
		snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
		add_seeds(inner);
	}
	if (folder != NULL)
		closedir(folder);
}

/* One change: a bit, a byte, a piece cut out, a piece doubled, a piece of another seed. */
static size_t change(uint8_t *bytes, size_t length) {
	static const char telling[] = "{}[]\",:\\0-.eE\x00\x1c\x1d\x1e\x1f\x7f\xff";
	size_t at = below(length);
	size_t piece = 1 + below(length - at < 32 ? length - at : 32);
	const struct seed *other = &seeds[below(seed_count)];
	switch (next_chance() % 6) {
	case 0: bytes[at] ^= (uint8_t)(1U << below(8)); return length;
	case 1: bytes[at] = (uint8_t)next_chance(); return length;
	case 2: bytes[at] = (uint8_t)telling[below(sizeof(telling))]; return length;
	case 3:
		if (piece > length - at)
			return length;
		memmove(bytes + at, bytes + at + piece, length - at - piece);
		return length - piece;
	case 4:
		if (piece > length - at || length + piece > SEED_BYTES_MAX)
			return length;
		memmove(bytes + at + piece, bytes + at, length - at);
		return length + piece;
	default:
		piece = below(other->length < SEED_BYTES_MAX - at ? other->length : SEED_BYTES_MAX - at);
		memcpy(bytes + at, other->bytes, piece);
		return at + piece > length ? at + piece : length;
	}
}

/* In memory of exactly that size, so that reading past the end is seen. */
static void try_input(const uint8_t *bytes, size_t length) {
	uint8_t *exact = malloc(length > 0 ? length : 1);
	if (exact == NULL)
		return;
	memcpy(exact, bytes, length);
	LLVMFuzzerTestOneInput(exact, length);
	free(exact);
}

static size_t run_round(void) {
	static uint8_t bytes[SEED_BYTES_MAX];
	for (size_t i = 0; i < ROUND; i++) {
		const struct seed *seed = &seeds[below(seed_count)];
		size_t length = seed->length;
		memcpy(bytes, seed->bytes, length);
		for (size_t changes = 1 + below(CHANGES_MAX); changes > 0 && length > 0; changes--)
			length = change(bytes, length);
		try_input(bytes, length);
	}
	return ROUND;
}

static long number_from(const char *name, long fallback) {
	const char *value = getenv(name);
	return value != NULL ? atol(value) : fallback;
}

int main(int argc, char **argv) {
	static uint8_t nothing[1];
	seeds[seed_count++] = (struct seed){ nothing, 0 };
	for (int i = 1; i < argc; i++)
		add_seeds(argv[i]);
	for (size_t i = 0; i < seed_count; i++)
		try_input(seeds[i].bytes, seeds[i].length);
	chance = (uint64_t)number_from("FUZZ_START", 1) * 0x9E3779B97F4A7C15U + 1;
	time_t until = time(NULL) + number_from("FUZZ_SECONDS", 5);
	size_t tried = seed_count;
	while (time(NULL) < until)
		tried += run_round();
	printf("[       OK ] %zu seeds, %zu inputs\n", seed_count, tried);
	return 0;
}
