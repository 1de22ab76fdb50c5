#include "bench/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void digest_memory_free(struct digest_memory *memory) {
    for (size_t i = 0; i < DIGEST_MEMORY; i++) {
        buffer_free(&memory->frames[i].bytes);
        free(memory->frames[i].rows);
    }
    *memory = (struct digest_memory){0};
}

static bool same(const struct digest *digest, const uint8_t *bytes, size_t length) {
    return digest->bytes.length == length && length > 0 && memcmp(digest->bytes.bytes, bytes, length) == 0;
}

const struct digest *digest_find(struct digest_memory *memory, const uint8_t *bytes, size_t length) {
    if (same(&memory->frames[memory->latest], bytes, length)) return &memory->frames[memory->latest];
    for (uint32_t i = 0; i < DIGEST_MEMORY; i++) {
        if (!same(&memory->frames[i], bytes, length)) continue;
        memory->latest = i;
        return &memory->frames[i];
    }
    return NULL;
}

/* FNV-1a, 64 bits: a checksum among friends. */
static uint64_t hash_bytes(const uint8_t *bytes, size_t length) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

bool digest_read_row(const struct digest_memory *memory, const struct part_member *member, struct digest_row *row) {
    char *end;
    if (!member->user || member->user[0] != 'u') return false;
    unsigned long number = strtoul(member->user + 1, &end, 10);
    if (*end != '\0' || number >= memory->publishers) return false;
    *row = (struct digest_row){(uint32_t)number, SEQUENCE_NONE, 0};
    size_t mark = strlen(memory->run);
    if (member->note && strncmp(member->note, memory->run, mark) == 0 && member->note[mark] == '.') {
        long sequence = strtol(member->note + mark + 1, &end, 10);
        if (*end == '\0' && sequence >= 0 && sequence < INT32_MAX) row->sequence = (int32_t)sequence;
    }
    struct buffer bytes = {0};
    struct part_member told = *member;
    told.last_active = 0; /* which alone is no reason to tell anybody, so that views may differ in it */
    if (message_encode_row(ENCODING_MSGPACK, &part_member_shape, &told, &bytes) == 0)
        row->hash = hash_bytes(bytes.bytes, bytes.length);
    buffer_free(&bytes);
    return true;
}

const struct digest *digest_add(struct digest_memory *memory, const uint8_t *bytes, size_t length,
                                const struct message_changes *changes) {
    struct digest *digest = &memory->frames[memory->next];
    memory->latest = memory->next;
    memory->next = (memory->next + 1) % DIGEST_MEMORY;
    buffer_clear(&digest->bytes);
    buffer_append(&digest->bytes, bytes, length);
    digest->count = 0;
    free(digest->rows);
    digest->rows = changes->members.count ? calloc(changes->members.count, sizeof *digest->rows) : NULL;
    if (digest->bytes.failed || (changes->members.count && !digest->rows)) {
        digest->bytes.length = 0; /* never found */
        return NULL;
    }
    const struct part_member *members = changes->members.at;
    for (uint32_t i = 0; i < changes->members.count; i++)
        if (digest_read_row(memory, &members[i], &digest->rows[digest->count])) digest->count++;
    digest->profiles = changes->profiles.count;
    digest->all_count =
        changes->members.count + changes->profiles.count + changes->queues.count + changes->removed.count;
    digest->more = changes->more;
    digest->version = changes->to;
    digest->now_ms = changes->now;
    return digest;
}
