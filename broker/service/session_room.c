#include "broker/service/session_room.h"
#include "broker/service/session.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* For the sanitizer, room that nobody has is as good as freed: else a session that is used after its end looks alive.
 */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef SANITIZED
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

#define CHUNK_BYTES 32768 /* and so aligned that a session's chunk is found by its address */

struct empty {
    struct empty *next;
};

struct session_chunk {
    struct session_chunk *before, *next;
    struct empty *empty;
    unsigned taken;
    _Alignas(SESSION_CACHE_LINE) struct session sessions[];
};

#define CHUNK_SESSIONS ((CHUNK_BYTES - sizeof(struct session_chunk)) / sizeof(struct session))

static struct session_chunk *chunk_of(const struct session *session) {
    return (struct session_chunk *)((uintptr_t)session & ~(uintptr_t)(CHUNK_BYTES - 1));
}

static struct session_chunk *add_chunk(struct session_room *room) {
    struct session_chunk *chunk = aligned_alloc(CHUNK_BYTES, CHUNK_BYTES);
    if (!chunk) return NULL;
    *chunk = (struct session_chunk){0};
    for (size_t i = CHUNK_SESSIONS; i-- > 0;) { /* the first one is taken first */
        struct empty *empty = (struct empty *)&chunk->sessions[i];
        empty->next = chunk->empty;
        chunk->empty = empty;
        ASAN_POISON_MEMORY_REGION(empty, sizeof(struct session));
    }
    DL_APPEND2(room->open, chunk, before, next);
    return chunk;
}

struct session *session_room_take(struct session_room *room) {
    struct session_chunk *chunk = room->open ? room->open : add_chunk(room);
    if (!chunk) return NULL;
    struct empty *empty = chunk->empty;
    ASAN_UNPOISON_MEMORY_REGION(empty, sizeof(struct session));
    chunk->empty = empty->next;
    chunk->taken++;
    if (!chunk->empty) DL_DELETE2(room->open, chunk, before, next);
    return memset(empty, 0, sizeof(struct session));
}

void session_room_give(struct session_room *room, struct session *session) {
    struct session_chunk *chunk = chunk_of(session);
    struct empty *empty = (struct empty *)session;
    if (!chunk->empty) DL_PREPEND2(room->open, chunk, before, next);
    empty->next = chunk->empty;
    chunk->empty = empty;
    ASAN_POISON_MEMORY_REGION(empty, sizeof(struct session));
    if (--chunk->taken > 0) return;
    DL_DELETE2(room->open, chunk, before, next);
    ASAN_UNPOISON_MEMORY_REGION(chunk, CHUNK_BYTES);
    free(chunk);
}
