/* Growing bytes. */
#include "protocol/shape.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_FIRST 128

static bool buffer_reserve(struct buffer *buffer, size_t more) {
    if (more > SIZE_MAX / 2 - buffer->length) return false;
    size_t needed = buffer->length + more;
    if (needed <= buffer->capacity) return true;

    size_t capacity = buffer->capacity ? buffer->capacity : CAPACITY_FIRST;
    while (capacity < needed)
        capacity *= 2;
    uint8_t *bytes = realloc(buffer->bytes, capacity);
    if (!bytes) return false;
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return true;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t length) {
    if (buffer->failed || length == 0) return;
    if (!buffer_reserve(buffer, length)) {
        buffer->failed = true;
        return;
    }
    memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
}

uint8_t *buffer_extend(struct buffer *buffer, size_t length) {
    if (buffer->failed || !buffer_reserve(buffer, length ? length : 1)) {
        buffer->failed = true;
        return NULL;
    }
    uint8_t *at = buffer->bytes + buffer->length;
    buffer->length += length;
    return at;
}

void buffer_clear(struct buffer *buffer) {
    buffer->length = 0;
    buffer->failed = false;
}

void buffer_free(struct buffer *buffer) {
    free(buffer->bytes);
    *buffer = (struct buffer){0};
}
