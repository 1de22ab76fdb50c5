/* Structs to msgpack, as their shape says. */
#include "protocol/errors.h"
#include "protocol/msgpack_codec.h"

#include <string.h>

static const void *value_at(const struct shape_field *field, const void *from) {
    return (const char *)from + field->offset;
}

/* From a pointer to some struct or other, or to a text. */
static const void *pointer_at(const struct shape_field *field, const void *from) {
    const void *pointer;
    memcpy(&pointer, value_at(field, from), sizeof pointer);
    return pointer;
}

static bool is_present(const struct shape_field *field, const void *from) {
    const void *value = value_at(field, from);
    if (field->required) return true;
    switch (field->kind) {
    case SHAPE_TEXT:
    case SHAPE_ID:
    case SHAPE_MAP:
        return pointer_at(field, from) != NULL;
    case SHAPE_COUNT:
        return *(const uint32_t *)value != 0;
    case SHAPE_NUMBER:
        return *(const int64_t *)value != 0;
    case SHAPE_FLAG:
        return *(const bool *)value;
    case SHAPE_TEXTS:
    case SHAPE_IDS:
    case SHAPE_IDS_OR_ALL: {
        const struct texts *texts = value;
        return texts->present || texts->all || texts->count > 0;
    }
    case SHAPE_MAPS:
    case SHAPE_ROWS: {
        const struct list *list = value;
        return list->present || list->count > 0;
    }
    case SHAPE_REST:
        break; /* has no key of its own */
    }
    return false;
}

static void encode_map(msgpack_packer *packer, const struct shape *shape, const void *from, const char *type);
static void encode_row(msgpack_packer *packer, const struct shape *shape, const void *from);

static void encode_text(msgpack_packer *packer, const char *text) {
    if (text)
        packer_text(packer, text);
    else
        msgpack_pack_nil(packer);
}

static void encode_texts(msgpack_packer *packer, const struct texts *texts) {
    if (texts->all) {
        packer_text(packer, "all");
        return;
    }
    msgpack_pack_array(packer, texts->count);
    for (uint32_t i = 0; i < texts->count; i++)
        packer_text(packer, texts->at[i]);
}

static void encode_list(msgpack_packer *packer, const struct shape_field *field, const struct list *list) {
    msgpack_pack_array(packer, list->count);
    for (uint32_t i = 0; i < list->count; i++) {
        const void *entry = (const char *)list->at + i * field->of->size;
        if (field->kind == SHAPE_ROWS)
            encode_row(packer, field->of, entry);
        else
            encode_map(packer, field->of, entry, NULL);
    }
}

static void encode_flag(msgpack_packer *packer, bool flag) {
    if (flag)
        msgpack_pack_true(packer);
    else
        msgpack_pack_false(packer);
}

static void encode_value(msgpack_packer *packer, const struct shape_field *field, const void *from) {
    const void *value = value_at(field, from);
    switch (field->kind) {
    case SHAPE_TEXT:
    case SHAPE_ID:
        encode_text(packer, pointer_at(field, from));
        break;
    case SHAPE_COUNT:
        msgpack_pack_uint32(packer, *(const uint32_t *)value);
        break;
    case SHAPE_NUMBER:
        msgpack_pack_int64(packer, *(const int64_t *)value);
        break;
    case SHAPE_FLAG:
        encode_flag(packer, *(const bool *)value);
        break;
    case SHAPE_TEXTS:
    case SHAPE_IDS:
    case SHAPE_IDS_OR_ALL:
        encode_texts(packer, value);
        break;
    case SHAPE_MAP:
        if (pointer_at(field, from))
            encode_map(packer, field->of, pointer_at(field, from), NULL);
        else
            msgpack_pack_nil(packer);
        break;
    case SHAPE_MAPS:
    case SHAPE_ROWS:
        encode_list(packer, field, value);
        break;
    case SHAPE_REST:
        break;
    }
}

static void encode_map(msgpack_packer *packer, const struct shape *shape, const void *from, const char *type) {
    const struct rest *rest = NULL;
    size_t count = type ? 1 : 0;
    for (size_t i = 0; i < shape->count; i++) {
        const struct shape_field *field = &shape->fields[i];
        if (field->kind == SHAPE_REST)
            rest = value_at(field, from);
        else
            count += is_present(field, from);
    }

    msgpack_pack_map(packer, count + (rest ? rest->count : 0));
    if (type) {
        packer_text(packer, "t");
        packer_text(packer, type);
    }
    for (size_t i = 0; i < shape->count; i++) {
        const struct shape_field *field = &shape->fields[i];
        if (!is_present(field, from) || field->kind == SHAPE_REST) continue;
        packer_text(packer, field->name);
        encode_value(packer, field, from);
    }
    if (rest && rest->count > 0) packer->callback(packer->data, (const char *)rest->bytes, rest->length);
}

static void encode_row(msgpack_packer *packer, const struct shape *shape, const void *from) {
    size_t columns = shape->count;
    while (columns > 0 && !is_present(&shape->fields[columns - 1], from))
        columns--;
    msgpack_pack_array(packer, columns);
    for (size_t i = 0; i < columns; i++) {
        if (is_present(&shape->fields[i], from))
            encode_value(packer, &shape->fields[i], from);
        else
            msgpack_pack_nil(packer);
    }
}

int shape_encode(const struct shape *shape, const void *from, const char *type, struct buffer *out) {
    msgpack_packer packer;
    packer_open(&packer, out);
    encode_map(&packer, shape, from, type);
    return out->failed ? LEDIG_ENO_MEMORY : 0;
}

int shape_encode_row(const struct shape *shape, const void *from, struct buffer *out) {
    msgpack_packer packer;
    packer_open(&packer, out);
    encode_row(&packer, shape, from);
    return out->failed ? LEDIG_ENO_MEMORY : 0;
}
