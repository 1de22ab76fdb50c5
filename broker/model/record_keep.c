/* A copy of a decoded record in one allocation: the structs and arrays first, since they must be aligned, then the
 * texts. It is built twice over the same path, the first time only to measure. */
#include "broker/model/record.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

struct keeper {
    char *aligned, *loose; /* where the next of each goes; NULL while measuring */
    size_t aligned_length, loose_length;
};

static void *take_aligned(struct keeper *keeper, size_t length) {
    size_t rounded = (length + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
    void *at = keeper->aligned;
    keeper->aligned_length += rounded;
    if (at != NULL) keeper->aligned += rounded;
    return at;
}

static const void *keep_bytes(struct keeper *keeper, const void *bytes, size_t length) {
    char *at = keeper->loose;
    keeper->loose_length += length;
    if (at == NULL || length == 0) return at;
    keeper->loose += length;
    return memcpy(at, bytes, length);
}

static const char *keep_text(struct keeper *keeper, const char *text) {
    return text == NULL ? NULL : keep_bytes(keeper, text, strlen(text) + 1);
}

static void keep_texts(struct keeper *keeper, const struct texts *from, struct texts *to) {
    const char **at = take_aligned(keeper, from->count * sizeof *at);
    for (uint32_t i = 0; i < from->count; i++) {
        const char *text = keep_text(keeper, from->at[i]);
        if (at != NULL) at[i] = text;
    }
    if (to != NULL) to->at = at;
}

static void keep_fields(struct keeper *keeper, const struct shape *shape, const char *from, char *to);

static void *keep_structs(struct keeper *keeper, const struct shape *shape, const char *from, uint32_t count) {
    char *to = take_aligned(keeper, count * shape->size);
    for (uint32_t i = 0; i < count; i++) {
        size_t at = i * shape->size;
        if (to != NULL) memcpy(to + at, from + at, shape->size);
        keep_fields(keeper, shape, from + at, to != NULL ? to + at : NULL);
    }
    return to;
}

/* What the fields of `from` point to is copied, and those of `to` made to point to it. `to` NULL measures. */
static void keep_fields(struct keeper *keeper, const struct shape *shape, const char *from, char *to) {
    for (size_t i = 0; i < shape->count; i++) {
        const struct shape_field *field = &shape->fields[i];
        const void *source = from + field->offset;
        void *target = to != NULL ? to + field->offset : NULL;
        const void *kept = NULL;
        switch (field->kind) {
        case SHAPE_TEXT:
        case SHAPE_ID:
            kept = keep_text(keeper, *(const char *const *)source);
            if (target != NULL) *(const char **)target = kept;
            break;
        case SHAPE_TEXTS:
        case SHAPE_IDS:
        case SHAPE_IDS_OR_ALL:
            keep_texts(keeper, source, target);
            break;
        case SHAPE_MAP:
            if (*(const void *const *)source != NULL)
                kept = keep_structs(keeper, field->of, *(const void *const *)source, 1);
            if (target != NULL) *(const void **)target = kept;
            break;
        case SHAPE_MAPS:
        case SHAPE_ROWS:
            kept = keep_structs(keeper, field->of, ((const struct list *)source)->at,
                                ((const struct list *)source)->count);
            if (target != NULL) ((struct list *)target)->at = kept;
            break;
        case SHAPE_REST:
            kept = keep_bytes(keeper, ((const struct rest *)source)->bytes, ((const struct rest *)source)->length);
            if (target != NULL) ((struct rest *)target)->bytes = kept;
            break;
        case SHAPE_COUNT:
        case SHAPE_NUMBER:
        case SHAPE_FLAG:
            break; /* copied with their struct */
        }
    }
}

void *record_keep(const struct record *record) {
    const struct shape *shape = record_shape(record->kind);
    const char *from = (const char *)&record->company;
    struct keeper keeper = {0};
    keep_structs(&keeper, shape, from, 1);
    char *block = malloc(keeper.aligned_length + keeper.loose_length);
    if (block == NULL) return NULL;
    keeper.aligned = block;
    keeper.loose = block + keeper.aligned_length;
    return keep_structs(&keeper, shape, from, 1);
}
