/* Every allocation belongs to the arena in use at the time, so that a killed process can be forgotten whole, as a real
 * one's memory is. Stands in for malloc() in this program alone. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

struct block {
	struct block *next, *previous;
	size_t bytes;
	size_t unused; /* keeps what follows aligned */
};

struct arena {
	struct block list; /* a ring */
};

#if defined(__SANITIZE_ADDRESS__)

/* The sanitizer has a heap of its own: what a killed process held is not given back, and not called a leak. */
struct arena *arena_open(void) {
	return NULL;
}

void arena_close(struct arena **arena) {
	(void)arena;
}

struct arena *arena_use(struct arena *arena) {
	return arena;
}

const char *__asan_default_options(void);
const char *__asan_default_options(void) {
	return "detect_leaks=0";
}

#else

void *__libc_malloc(size_t bytes);
void *__libc_realloc(void *old, size_t bytes);
void __libc_free(void *memory);

static struct arena program = { { &program.list, &program.list, 0, 0 } };
static struct arena *in_use = &program;

static void *enlist(struct block *block, size_t bytes) {
	struct block *ring = &in_use->list;
	block->bytes = bytes;
	block->next = ring->next;
	block->previous = ring;
	ring->next->previous = block;
	ring->next = block;
	return block + 1;
}

/* Under a name that the compiler does not know: it would make calloc() of malloc() and memset(). */
static void *allocate(size_t bytes) {
	struct block *block = bytes > SIZE_MAX / 2 ? NULL : __libc_malloc(sizeof(*block) + bytes);
	if (block)
		return enlist(block, bytes);
	errno = ENOMEM;
	return NULL;
}

void *malloc(size_t bytes) {
	return allocate(bytes);
}

void *calloc(size_t count, size_t item_bytes) {
	size_t bytes;
	void *memory = __builtin_mul_overflow(count, item_bytes, &bytes) ? NULL : allocate(bytes);
	return memory ? memset(memory, 0, bytes) : NULL;
}

void free(void *memory) {
	if (!memory)
		return;
	struct block *block = (struct block *)memory - 1;
	block->next->previous = block->previous;
	block->previous->next = block->next;
	__libc_free(block);
}

void *realloc(void *old, size_t bytes) {
	if (!old)
		return malloc(bytes);
	struct block *block = __libc_realloc((struct block *)old - 1, sizeof(*block) + bytes);
	if (!block)
		return NULL;
	block->bytes = bytes;
	block->next->previous = block; /* it may have moved; it stays in its arena */
	block->previous->next = block;
	return block + 1;
}

void *aligned_alloc(size_t alignment, size_t bytes) {
	return alignment <= 16 ? malloc(bytes) : NULL;
}

int posix_memalign(void **memory, size_t alignment, size_t bytes) {
	*memory = alignment <= 16 ? malloc(bytes) : NULL;
	return *memory ? 0 : ENOMEM;
}

size_t malloc_usable_size(void *memory);
size_t malloc_usable_size(void *memory) {
	return memory ? ((struct block *)memory - 1)->bytes : 0;
}

struct arena *arena_open(void) {
	struct arena *arena = __libc_malloc(sizeof(*arena));
	*arena = (struct arena){ { &arena->list, &arena->list, 0, 0 } };
	return arena;
}

void arena_close(struct arena **arena) {
	struct block *block = (*arena)->list.next;
	while (block != &(*arena)->list) {
		struct block *next = block->next;
		__libc_free(block);
		block = next;
	}
	__libc_free(*arena);
	*arena = NULL;
}

struct arena *arena_use(struct arena *arena) {
	struct arena *before = in_use;
	in_use = arena ? arena : &program;
	return before;
}

#endif
