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
	size_t class;
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

enum { STEP_BYTES = 32, CLASSES = 64, CHUNK_BYTES = 1 << 20 };

void *__libc_malloc(size_t bytes);
void *__libc_realloc(void *old, size_t bytes);
void __libc_free(void *memory);

static struct arena program = { { &program.list, &program.list, 0, 0 } };
static struct arena *in_use = &program;

/* Small blocks are used again by their size; they are never given back. The class of a large one is CLASSES. */
static struct block *spare[CLASSES];
static char *chunk;
static size_t chunk_left;

static struct block *block_new(size_t bytes) {
	size_t class = bytes / STEP_BYTES;
	if (class >= CLASSES) {
		struct block *large = bytes > SIZE_MAX / 2 ? NULL : __libc_malloc(sizeof(*large) + bytes);
		if (large)
			large->class = CLASSES;
		return large;
	}
	struct block *block = spare[class];
	size_t whole = sizeof(*block) + (class + 1) * STEP_BYTES;
	if (block) {
		spare[class] = block->next;
		return block;
	}
	if (chunk_left < whole) {
		chunk = __libc_malloc(CHUNK_BYTES);
		chunk_left = chunk ? CHUNK_BYTES : 0;
		if (!chunk)
			return NULL;
	}
	block = (struct block *)(void *)chunk;
	chunk += whole;
	chunk_left -= whole;
	block->class = class;
	return block;
}

static void block_free(struct block *block) {
	if (block->class == CLASSES) {
		__libc_free(block);
		return;
	}
	block->next = spare[block->class];
	spare[block->class] = block;
}

static void enlist(struct block *block, struct block *before) {
	block->next = before->next;
	block->previous = before;
	before->next->previous = block;
	before->next = block;
}

static void delist(struct block *block) {
	block->next->previous = block->previous;
	block->previous->next = block->next;
}

/* Under a name that the compiler does not know: it would make calloc() of malloc() and memset(). */
static void *allocate(size_t bytes) {
	struct block *block = block_new(bytes);
	if (!block) {
		errno = ENOMEM;
		return NULL;
	}
	block->bytes = bytes;
	enlist(block, &in_use->list);
	return block + 1;
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
	delist(block);
	block_free(block);
}

/* It stays in its arena. */
void *realloc(void *old, size_t bytes) {
	if (!old)
		return malloc(bytes);
	struct block *block = (struct block *)old - 1, *moved;
	if (block->class < CLASSES && bytes / STEP_BYTES == block->class) {
		block->bytes = bytes;
		return old;
	}
	if (block->class == CLASSES && bytes / STEP_BYTES >= CLASSES) {
		moved = __libc_realloc(block, sizeof(*block) + bytes);
		if (!moved)
			return NULL;
		moved->next->previous = moved;
		moved->previous->next = moved;
		moved->bytes = bytes;
		return moved + 1;
	}
	moved = block_new(bytes);
	if (!moved)
		return NULL;
	memcpy(moved + 1, old, block->bytes < bytes ? block->bytes : bytes);
	moved->bytes = bytes;
	enlist(moved, block);
	delist(block);
	block_free(block);
	return moved + 1;
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
		block_free(block);
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
