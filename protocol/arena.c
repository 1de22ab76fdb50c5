/* Chunks of memory that are filled from the front and given up together. */
#include "protocol/shape.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

/* Under the address sanitizer, what was not handed out, or was before a reset, may not be touched. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISONS 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISONS 1
#endif
#ifdef ARENA_POISONS
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

#define CHUNK_BYTES_FIRST 4096
#define CHUNK_BYTES_KEPT (256 * 1024) /* what a reset may leave in place; one large message must not stay for ever */

struct chunk {
    struct chunk *next; /* the one before it */
    size_t capacity, used;
    alignas(max_align_t) unsigned char bytes[];
};

struct arena {
    struct chunk *chunks; /* the newest first */
};

struct arena *arena_create(void) {
    return calloc(1, sizeof(struct arena));
}

static void chunks_free(struct chunk *chunk) {
    while (chunk) {
        struct chunk *next = chunk->next;
        ASAN_UNPOISON_MEMORY_REGION(chunk->bytes, chunk->capacity);
        free(chunk);
        chunk = next;
    }
}

void arena_reset(struct arena *arena) {
    struct chunk *newest = arena->chunks;
    if (!newest) return;
    chunks_free(newest->next);
    newest->next = NULL;
    newest->used = 0;
    if (newest->capacity > CHUNK_BYTES_KEPT) {
        chunks_free(newest);
        arena->chunks = NULL;
        return;
    }
    ASAN_POISON_MEMORY_REGION(newest->bytes, newest->capacity);
}

void arena_free(struct arena *arena) {
    if (!arena) return;
    chunks_free(arena->chunks);
    free(arena);
}

static struct chunk *chunk_add(struct arena *arena, size_t bytes) {
    size_t capacity = arena->chunks ? arena->chunks->capacity : CHUNK_BYTES_FIRST / 2;
    if (capacity < CHUNK_BYTES_KEPT) capacity *= 2;
    if (capacity < bytes) capacity = bytes;
    struct chunk *chunk = calloc(1, sizeof *chunk + capacity);
    if (!chunk) return NULL;
    chunk->next = arena->chunks;
    chunk->capacity = capacity;
    ASAN_POISON_MEMORY_REGION(chunk->bytes, capacity);
    arena->chunks = chunk;
    return chunk;
}

void *arena_take(struct arena *arena, size_t bytes) {
    const size_t grain = alignof(max_align_t);
    if (bytes > SIZE_MAX / 2) return NULL;
    size_t rounded = bytes ? (bytes + grain - 1) / grain * grain : grain;

    struct chunk *chunk = arena->chunks;
    if (!chunk || chunk->capacity - chunk->used < rounded) chunk = chunk_add(arena, rounded);
    if (!chunk) return NULL;
    void *taken = chunk->bytes + chunk->used;
    chunk->used += rounded;
    ASAN_UNPOISON_MEMORY_REGION(taken, bytes);
    return memset(taken, 0, bytes);
}

char *arena_text(struct arena *arena, const char *bytes, size_t length) {
    if (length == SIZE_MAX) return NULL;
    char *text = arena_take(arena, length + 1);
    if (text && length) memcpy(text, bytes, length);
    return text;
}
