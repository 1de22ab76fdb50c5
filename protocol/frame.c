/* Frames put together from rows that are encoded already. */
#include "protocol/json_codec.h"
#include "protocol/message.h"
#include "protocol/msgpack_codec.h"

#include <string.h>

/* All that is not rows: names of the lists and their heads, and the place, whose epoch takes 384 bytes of JSON if its
 * 64 characters are all escaped. */
#define ENVELOPE_BYTES_MAX 640

static const char *const list_names[FRAME_LIST_COUNT] = {
    [FRAME_MEMBERS] = "members", [FRAME_PROFILES] = "profiles", [FRAME_QUEUES] = "queues",
    [FRAME_REMOVED] = "removed", [FRAME_ROUTES] = "routes",
};

void frame_begin(struct frame *frame, enum encoding encoding) {
    frame->encoding = encoding;
    frame->length = 0;
    for (int i = 0; i < FRAME_LIST_COUNT; i++) {
        buffer_clear(&frame->lists[i].rows);
        frame->lists[i].count = 0;
    }
}

void frame_free(struct frame *frame) {
    for (int i = 0; i < FRAME_LIST_COUNT; i++)
        buffer_free(&frame->lists[i].rows);
    *frame = (struct frame){0};
}

bool frame_fits(const struct frame *frame, size_t length) {
    const size_t room = LEDIG_MESSAGE_BYTES_MAX - ENVELOPE_BYTES_MAX - 1; /* a row's comma */
    return frame->length <= room && length <= room - frame->length;
}

void frame_add(struct frame *frame, enum frame_list list, const uint8_t *row, size_t length) {
    struct buffer *rows = &frame->lists[list].rows;
    if (frame->encoding == ENCODING_JSON) {
        if (frame->lists[list].count > 0) buffer_append(rows, ",", 1);
        frame->length++;
    }
    buffer_append(rows, row, length);
    frame->lists[list].count++;
    frame->length += length;
}

int frame_encode_id(enum encoding encoding, const char *id, struct buffer *out) {
    if (encoding == ENCODING_JSON) {
        json_codec_write_text(id, strlen(id), out);
    } else {
        msgpack_packer packer;
        packer_open(&packer, out);
        packer_text(&packer, id);
    }
    return out->failed ? LEDIG_ENO_MEMORY : 0;
}

/* The writer of one frame: a map whose fields come one by one. */
struct writer {
    enum encoding encoding;
    struct buffer *out;
    msgpack_packer packer;
};

static void write_key(struct writer *writer, const char *key) {
    if (writer->encoding == ENCODING_MSGPACK) {
        packer_text(&writer->packer, key);
        return;
    }
    buffer_append(writer->out, ",", 1);
    json_codec_write_text(key, strlen(key), writer->out);
    buffer_append(writer->out, ":", 1);
}

static void write_head(struct writer *writer, size_t field_count, const char *type) {
    if (writer->encoding == ENCODING_MSGPACK) {
        packer_open(&writer->packer, writer->out);
        msgpack_pack_map(&writer->packer, field_count);
        packer_text(&writer->packer, "t");
        packer_text(&writer->packer, type);
    } else {
        buffer_append(writer->out, "{\"t\":", 5);
        json_codec_write_text(type, strlen(type), writer->out);
    }
}

static void write_text(struct writer *writer, const char *key, const char *text) {
    write_key(writer, key);
    if (writer->encoding == ENCODING_MSGPACK)
        packer_text(&writer->packer, text);
    else
        json_codec_write_text(text, strlen(text), writer->out);
}

static void write_integer(struct writer *writer, const char *key, int64_t integer) {
    write_key(writer, key);
    if (writer->encoding == ENCODING_MSGPACK)
        msgpack_pack_int64(&writer->packer, integer);
    else
        json_codec_write_integer(integer, writer->out);
}

static void write_true(struct writer *writer, const char *key) {
    write_key(writer, key);
    if (writer->encoding == ENCODING_MSGPACK)
        msgpack_pack_true(&writer->packer);
    else
        buffer_append(writer->out, "true", 4);
}

static void write_rows(struct writer *writer, const struct frame *frame, enum frame_list list) {
    const struct buffer *rows = &frame->lists[list].rows;
    write_key(writer, list_names[list]);
    if (writer->encoding == ENCODING_MSGPACK) {
        msgpack_pack_array(&writer->packer, frame->lists[list].count);
        buffer_append(writer->out, rows->bytes, rows->length);
    } else {
        buffer_append(writer->out, "[", 1);
        buffer_append(writer->out, rows->bytes, rows->length);
        buffer_append(writer->out, "]", 1);
    }
    if (rows->failed) writer->out->failed = true;
}

/* Members stand in every frame, even none; the other lists only where they have rows. */
static bool has_list(const struct frame *frame, enum frame_list list) {
    return list == FRAME_MEMBERS || frame->lists[list].count > 0;
}

static size_t count_lists(const struct frame *frame, enum frame_list end) {
    size_t count = 0;
    for (enum frame_list list = FRAME_MEMBERS; list < end; list++)
        count += has_list(frame, list);
    return count;
}

static void write_lists(struct writer *writer, const struct frame *frame, enum frame_list end) {
    for (enum frame_list list = FRAME_MEMBERS; list < end; list++)
        if (has_list(frame, list)) write_rows(writer, frame, list);
}

static int write_end(struct writer *writer) {
    if (writer->encoding == ENCODING_JSON) buffer_append(writer->out, "}", 1);
    return writer->out->failed ? LEDIG_ENO_MEMORY : 0;
}

int frame_end_changes(const struct frame *frame, bool more, const char *epoch, int64_t to, int64_t now,
                      struct buffer *out) {
    struct writer writer = {.encoding = frame->encoding, .out = out};
    write_head(&writer, 1 + count_lists(frame, FRAME_LIST_COUNT) + (more ? 1 : 3), "changes");
    write_lists(&writer, frame, FRAME_LIST_COUNT);
    if (more) {
        write_true(&writer, "more");
    } else {
        write_text(&writer, "epoch", epoch);
        write_integer(&writer, "to", to);
        write_integer(&writer, "now", now);
    }
    return write_end(&writer);
}

int frame_end_answer(const struct frame *frame, uint32_t id, bool more, int64_t stale_ms, struct buffer *out) {
    struct writer writer = {.encoding = frame->encoding, .out = out};
    write_head(&writer, 3 + count_lists(frame, FRAME_REMOVED) + (more ? 1 : 0), "answer");
    write_integer(&writer, "id", id);
    write_lists(&writer, frame, FRAME_REMOVED);
    if (more) write_true(&writer, "more");
    write_integer(&writer, "stale_ms", stale_ms);
    return write_end(&writer);
}

int frame_end_routes(const struct frame *frame, uint32_t id, bool more, int64_t stale_ms, struct buffer *out) {
    struct writer writer = {.encoding = frame->encoding, .out = out};
    write_head(&writer, 3u + (id ? 1u : 0u) + (more ? 1u : 0u), id ? "answer" : "routes");
    if (id) write_integer(&writer, "id", id);
    write_rows(&writer, frame, FRAME_ROUTES);
    if (more) write_true(&writer, "more");
    write_integer(&writer, "stale_ms", stale_ms);
    return write_end(&writer);
}
