/* The messages in both encodings: the golden vectors, the limits, and frames put together from rows. */
#include "protocol/json_codec.h"
#include "protocol/message.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
// cmocka wants the headers above first
#include <cmocka.h>

#define VECTORS LEDIG_SOURCE_DIR "/protocol/vectors/"

static struct arena *arena;

static int set_up(void **state) {
    (void)state;
    arena = arena_create();
    return arena ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    arena_free(arena);
    return 0;
}

static json_t *load(const char *name) {
    char path[512];
    json_error_t error;
    snprintf(path, sizeof path, VECTORS "%s.json", name);
    json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!file) fail_msg("%s: %s", path, error.text);
    return file;
}

static const char *text_of(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

static unsigned hex_digit(char c) {
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void append_hex(struct buffer *out, const char *hex) {
    for (; hex[0] && hex[1]; hex += 2) {
        uint8_t byte = (uint8_t)(hex_digit(hex[0]) << 4 | hex_digit(hex[1]));
        buffer_append(out, &byte, 1);
    }
}

static enum message_side side_of(const json_t *vector) {
    return strcmp(text_of(vector, "from"), "app") == 0 ? SIDE_APP : SIDE_BROKER;
}

/* From a block of exactly that size, so that the sanitizer sees any read beyond it. */
static int decode(enum encoding encoding, enum message_side from, const void *bytes, size_t length,
                  struct message *message, struct fault *fault) {
    uint8_t *exact = malloc(length ? length : 1);
    assert_non_null(exact);
    if (length) memcpy(exact, bytes, length);
    int error = message_decode(encoding, from, exact, length, arena, message, NULL, fault);
    free(exact);
    assert_int_equal(error, fault->error);
    return error;
}

static void assert_encodes_to(const struct message *message, enum encoding encoding, const void *bytes, size_t length,
                              const char *name) {
    struct buffer out = {0};
    assert_int_equal(message_encode(encoding, message, &out), 0);
    if (out.length != length || memcmp(out.bytes, bytes, length) != 0)
        fail_msg("%s: encodes otherwise: %.*s", name, encoding == ENCODING_JSON ? (int)out.length : 0, out.bytes);
    buffer_free(&out);
}

/* Both encodings decode to what encodes to both. */
static void check_vector(enum message_type type, enum message_side from, const json_t *vector, const char *becomes) {
    const char *name = text_of(vector, "name"), *json = text_of(vector, "json");
    struct buffer packed = {0}, expected = {0};
    struct message message;
    struct fault fault;
    append_hex(&packed, text_of(vector, "msgpack"));

    if (decode(ENCODING_MSGPACK, from, packed.bytes, packed.length, &message, &fault))
        fail_msg("%s: msgpack: %s %s", name, fault.field, fault.why);
    if (type != MESSAGE_NONE) assert_int_equal(message.type, type);
    assert_encodes_to(&message, ENCODING_JSON, becomes, strlen(becomes), name);
    assert_int_equal(message_encode(ENCODING_MSGPACK, &message, &expected), 0);
    if (becomes == json) assert_encodes_to(&message, ENCODING_MSGPACK, packed.bytes, packed.length, name);

    if (decode(ENCODING_JSON, from, json, strlen(json), &message, &fault))
        fail_msg("%s: JSON: %s %s", name, fault.field, fault.why);
    assert_encodes_to(&message, ENCODING_JSON, becomes, strlen(becomes), name);
    assert_encodes_to(&message, ENCODING_MSGPACK, expected.bytes, expected.length, name);
    buffer_free(&packed);
    buffer_free(&expected);
}

static void every_message_type_has_vectors_that_hold_in_both_encodings(void **state) {
    (void)state;
    for (int type = MESSAGE_NONE + 1; type < MESSAGE_TYPE_COUNT; type++) {
        const char *name = message_type_name((enum message_type)type);
        json_t *file = load(name), *cases = json_object_get(file, "cases"), *vector;
        size_t i;
        assert_string_equal(text_of(file, "type"), name);
        assert_true(side_of(file) == message_type_side((enum message_type)type));
        assert_true(json_array_size(cases) > 0);
        json_array_foreach(cases, i, vector)
            check_vector((enum message_type)type, side_of(file), vector, text_of(vector, "json"));
        json_decref(file);
    }
}

static void what_is_to_be_borne_is_borne(void **state) {
    (void)state;
    json_t *file = load("borne"), *cases = json_object_get(file, "cases"), *vector;
    size_t i;
    json_array_foreach(cases, i, vector)
        check_vector(MESSAGE_NONE, side_of(vector), vector, text_of(vector, "becomes"));
    json_decref(file);
}

static void check_bad(enum encoding encoding, const json_t *vector, const void *bytes, size_t length) {
    const char *name = text_of(vector, "name"), *field = text_of(vector, "field");
    struct message message;
    struct fault fault;
    int error = decode(encoding, side_of(vector), bytes, length, &message, &fault);
    if (error == 0) fail_msg("%s: taken", name);
    if (strcmp(ledig_error_name(error), text_of(vector, "error")) != 0)
        fail_msg("%s: %s (%s)", name, ledig_error_name(error), fault.why);
    if ((field == NULL) != (fault.field == NULL) || (field && strcmp(field, fault.field) != 0))
        fail_msg("%s: field %s (%s)", name, fault.field, fault.why);
    assert_non_null(fault.why);
}

static void bad_vectors_are_refused_with_error_and_field(void **state) {
    (void)state;
    json_t *file = load("bad"), *cases = json_object_get(file, "cases"), *vector;
    size_t i;
    json_array_foreach(cases, i, vector) {
        const char *json = text_of(vector, "json"), *json_hex = text_of(vector, "json_hex");
        const char *msgpack = text_of(vector, "msgpack");
        struct buffer bytes = {0};
        assert_true(json || json_hex || msgpack);
        if (json) check_bad(ENCODING_JSON, vector, json, strlen(json));
        if (json_hex) {
            append_hex(&bytes, json_hex);
            check_bad(ENCODING_JSON, vector, bytes.bytes, bytes.length);
            buffer_clear(&bytes);
        }
        if (msgpack) {
            append_hex(&bytes, msgpack);
            check_bad(ENCODING_MSGPACK, vector, bytes.bytes, bytes.length);
        }
        buffer_free(&bytes);
    }
    json_decref(file);
}

/* Calls `visit` with the bytes of every good vector in both encodings. */
static void each_vector(void (*visit)(enum encoding, enum message_side, const uint8_t *, size_t)) {
    for (int type = MESSAGE_NONE + 1; type < MESSAGE_TYPE_COUNT; type++) {
        json_t *file = load(message_type_name((enum message_type)type)), *cases = json_object_get(file, "cases"),
               *vector;
        size_t i;
        json_array_foreach(cases, i, vector) {
            struct buffer packed = {0};
            append_hex(&packed, text_of(vector, "msgpack"));
            visit(ENCODING_MSGPACK, side_of(file), packed.bytes, packed.length);
            visit(ENCODING_JSON, side_of(file), (const uint8_t *)text_of(vector, "json"),
                  strlen(text_of(vector, "json")));
            buffer_free(&packed);
        }
        json_decref(file);
    }
}

static void refuse_every_prefix(enum encoding encoding, enum message_side from, const uint8_t *bytes, size_t length) {
    struct message message;
    struct fault fault;
    for (size_t cut = 0; cut < length; cut++) {
        assert_int_equal(decode(encoding, from, bytes, cut, &message, &fault), LEDIG_EBAD_REQUEST);
        arena_reset(arena);
    }
}

static void a_message_cut_anywhere_is_refused(void **state) {
    (void)state;
    each_vector(refuse_every_prefix);
}

static unsigned seed;

static void damage(enum encoding encoding, enum message_side from, const uint8_t *bytes, size_t length) {
    struct message message;
    struct fault fault;
    uint8_t *damaged = malloc(length);
    assert_non_null(damaged);
    for (int round = 0; round < 300; round++) {
        memcpy(damaged, bytes, length);
        for (int i = rand_r(&seed) % 4; i >= 0; i--)
            damaged[(size_t)rand_r(&seed) % length] = (uint8_t)rand_r(&seed);
        if (decode(encoding, from, damaged, length, &message, &fault) == 0) {
            struct buffer out = {0};
            assert_int_equal(message_encode(encoding, &message, &out), 0);
            buffer_free(&out);
        } else {
            assert_non_null(fault.why);
        }
        arena_reset(arena);
    }
    free(damaged);
}

static void damaged_bytes_decode_or_name_their_error(void **state) {
    (void)state;
    const char *wanted = getenv("LEDIG_SEED");
    seed = wanted ? (unsigned)strtoul(wanted, NULL, 10) : (unsigned)time(NULL);
    printf("LEDIG_SEED=%u\n", seed);
    each_vector(damage);
}

/* A `device` of exactly `length` bytes, whose unknown field `x` is long. */
static uint8_t *padded_device(enum encoding encoding, size_t length) {
    static const char json[] = "{\"t\":\"device\",\"id\":7,\"state\":\"idle\",\"x\":\"";
    static const char packed[] = "\x84\xa1t\xa6"
                                 "device\xa2id\x07\xa5state\xa4idle\xa1x\xdb";
    uint8_t *bytes = malloc(length);
    assert_non_null(bytes);
    memset(bytes, 'a', length);
    if (encoding == ENCODING_JSON) {
        memcpy(bytes, json, sizeof json - 1);
        memcpy(bytes + length - 2, "\"}", 2);
    } else {
        size_t head = sizeof packed - 1, left = length - head - 4;
        memcpy(bytes, packed, head);
        for (size_t i = 0; i < 4; i++)
            bytes[head + i] = (uint8_t)(left >> 8 * (3 - i));
    }
    return bytes;
}

static void message_of_64_kib_is_taken_and_one_byte_more_is_not(void **state) {
    (void)state;
    for (enum encoding encoding = ENCODING_MSGPACK; encoding < ENCODING_COUNT; encoding++) {
        struct message message;
        struct fault fault;
        uint8_t *bytes = padded_device(encoding, LEDIG_MESSAGE_BYTES_MAX);
        assert_int_equal(decode(encoding, SIDE_APP, bytes, LEDIG_MESSAGE_BYTES_MAX, &message, &fault), 0);
        assert_string_equal(message.device.state, "idle");
        free(bytes);
        bytes = padded_device(encoding, LEDIG_MESSAGE_BYTES_MAX + 1);
        assert_int_equal(decode(encoding, SIDE_APP, bytes, LEDIG_MESSAGE_BYTES_MAX + 1, &message, &fault),
                         LEDIG_ETOO_LARGE);
        free(bytes);
    }
}

static void brackets_in_a_text_are_not_nesting(void **state) {
    (void)state;
    static const char deep[] = "{\"t\":\"device\",\"id\":1,\"state\":\"[[[[[[[[\\\"[[[\",\"x\":[[[[[1]]]]]}";
    struct message message;
    struct fault fault;
    assert_int_equal(decode(ENCODING_JSON, SIDE_APP, deep, sizeof deep - 1, &message, &fault), 0);
    assert_string_equal(message.device.state, "[[[[[[[[\"[[[");
}

static void deep_json_is_refused_before_anything_is_built(void **state) {
    (void)state;
    static const char deep[] = "[[[[[[[1]]]]]]]", deepest[] = "[[[[[[1]]]]]]";
    struct buffer out = {0};
    struct fault fault;
    assert_int_equal(json_codec_read((const uint8_t *)deepest, sizeof deepest - 1, &out, &fault), 0);
    buffer_clear(&out);
    assert_int_equal(json_codec_read((const uint8_t *)deep, sizeof deep - 1, &out, &fault), LEDIG_EBAD_REQUEST);
    assert_int_equal(out.length, 0);
    buffer_free(&out);
}

static void a_refused_request_still_tells_its_type_and_id(void **state) {
    (void)state;
    static const struct {
        const char *json;
        enum message_type type;
        uint32_t id;
    } cases[] = {
        {"{\"status\":1,\"id\":41,\"t\":\"set\"}", MESSAGE_set, 41},
        {"{\"t\":\"teleport\",\"id\":42}", MESSAGE_NONE, 42},
        {"{\"t\":\"ok\",\"id\":43}", MESSAGE_ok, 43},
        {"{\"id\":44}", MESSAGE_NONE, 44},
        {"{\"t\":\"set\",\"id\":\"45\"}", MESSAGE_set, 0},
        {"{\"t\":\"set\",\"id\":46", MESSAGE_NONE, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct message message;
        struct fault fault;
        uint32_t id = 99;
        assert_int_not_equal(message_decode(ENCODING_JSON, SIDE_APP, (const uint8_t *)cases[i].json,
                                            strlen(cases[i].json), arena, &message, &id, &fault),
                             0);
        assert_int_equal(message.type, cases[i].type);
        assert_int_equal(id, cases[i].id);
    }
}

static void types_outside_of_the_table_have_no_name(void **state) {
    (void)state;
    assert_null(message_type_name(MESSAGE_NONE));
    assert_null(message_type_name(MESSAGE_TYPE_COUNT));
    assert_null(message_type_shape((enum message_type) - 1));
    struct message message = {.type = MESSAGE_NONE};
    struct buffer out = {0};
    assert_int_not_equal(message_encode(ENCODING_JSON, &message, &out), 0);
    buffer_free(&out);
}

/* ---- Memory that runs out ---- */

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);

static long allocations_left = -1; /* -1 = any number */

static bool may_allocate(void) {
    if (allocations_left < 0) return true;
    if (allocations_left == 0) return false;
    allocations_left--;
    return true;
}

void *__wrap_malloc(size_t bytes) {
    return may_allocate() ? __real_malloc(bytes) : NULL;
}

void *__wrap_calloc(size_t count, size_t bytes) {
    return may_allocate() ? __real_calloc(count, bytes) : NULL;
}

void *__wrap_realloc(void *old, size_t bytes) {
    return may_allocate() ? __real_realloc(old, bytes) : NULL;
}

/* Decodes and encodes with ever more memory, until it is enough. */
static void starve(enum encoding encoding, enum message_side from, const uint8_t *bytes, size_t length) {
    int error = LEDIG_ENO_MEMORY;
    long allowed = 0;
    for (; error; allowed++) {
        struct buffer out = {0};
        struct message message;
        struct fault fault;
        allocations_left = allowed;
        struct arena *lean = arena_create();
        if (lean) error = message_decode(encoding, from, bytes, length, lean, &message, NULL, &fault);
        if (!error) error = message_encode(encoding, &message, &out);
        buffer_free(&out);
        arena_free(lean);
        allocations_left = -1;
        if (error && error != LEDIG_ENO_MEMORY) fail_msg("%s after %ld allocations", fault.why, allowed);
    }
    assert_true(allowed > 2);
}

static void memory_that_runs_out_is_an_error_and_leaks_nothing(void **state) {
    (void)state;
    each_vector(starve); /* jansson's own allocations do not pass through here: its lexer asserts that they succeed */
}

/* ---- Frames ---- */

static void add_member(struct frame *frame, const char *user, struct buffer *row) {
    struct part_member member = {.user = user, .availability = "busy", .activity = "meeting", .note = "»Styremøte«"};
    buffer_clear(row);
    assert_int_equal(message_encode_row(frame->encoding, &part_member_shape, &member, row), 0);
    frame_add(frame, FRAME_MEMBERS, row->bytes, row->length);
}

static void add_id(struct frame *frame, const char *user, struct buffer *row) {
    buffer_clear(row);
    assert_int_equal(frame_encode_id(frame->encoding, user, row), 0);
    frame_add(frame, FRAME_REMOVED, row->bytes, row->length);
}

static void a_frame_is_what_the_encoder_would_have_made(void **state) {
    (void)state;
    const struct part_member members[] = {
        {.user = "kari", .availability = "busy", .activity = "meeting", .note = "»Styremøte«"},
        {.user = "ola", .availability = "busy", .activity = "meeting", .note = "»Styremøte«"},
    };
    const char *removed[] = {"per", "nina"};
    for (enum encoding encoding = ENCODING_MSGPACK; encoding < ENCODING_COUNT; encoding++) {
        struct frame frame = {0};
        struct buffer row = {0}, out = {0};
        struct message changes = {.type = MESSAGE_changes,
                                  .changes = {.members = {.at = members, .count = 2, .present = true},
                                              .removed = {.at = removed, .count = 2, .present = true},
                                              .epoch = "5f\"0c",
                                              .to = INT64_MAX,
                                              .now = 1767225600000}};
        frame_begin(&frame, encoding);
        add_id(&frame, "per", &row);
        add_member(&frame, "kari", &row);
        add_id(&frame, "nina", &row);
        add_member(&frame, "ola", &row);
        assert_int_equal(frame_end_changes(&frame, false, "5f\"0c", INT64_MAX, 1767225600000, &out), 0);
        assert_encodes_to(&changes, encoding, out.bytes, out.length, "changes");

        buffer_clear(&out);
        changes.changes.epoch = NULL;
        changes.changes.to = changes.changes.now = 0;
        changes.changes.more = true;
        assert_int_equal(frame_end_changes(&frame, true, NULL, 0, 0, &out), 0);
        assert_encodes_to(&changes, encoding, out.bytes, out.length, "changes with more");

        buffer_clear(&out);
        struct message answer = {
            .type = MESSAGE_answer,
            .answer = {.id = 7, .members = {.at = members, .count = 2, .present = true}, .more = true, .stale_ms = 12}};
        assert_int_equal(frame_end_answer(&frame, 7, true, 12, &out), 0);
        assert_encodes_to(&answer, encoding, out.bytes, out.length, "answer");

        buffer_clear(&out);
        frame_begin(&frame, encoding);
        struct message empty = {.type = MESSAGE_changes,
                                .changes = {.members = {.present = true}, .epoch = "e", .to = 1, .now = 2}};
        assert_int_equal(frame_end_changes(&frame, false, "e", 1, 2, &out), 0);
        assert_encodes_to(&empty, encoding, out.bytes, out.length, "empty changes");
        buffer_free(&row);
        buffer_free(&out);
        frame_free(&frame);
    }
}

/* Every list has a row, the epoch is the longest there can be, and the rows take all that frame_fits allows. */
static void a_full_frame_never_passes_the_limit(void **state) {
    (void)state;
    char epoch[LEDIG_ID_CHARS_MAX + 1];
    memset(epoch, 1, LEDIG_ID_CHARS_MAX); /* six bytes each in JSON */
    epoch[LEDIG_ID_CHARS_MAX] = 0;
    for (enum encoding encoding = ENCODING_MSGPACK; encoding < ENCODING_COUNT; encoding++) {
        struct frame frame = {0};
        struct buffer row = {0}, out = {0};
        struct part_queue_row queue = {.queue = "q"};
        struct part_profile profile = {.user = "u"};
        struct message message;
        struct fault fault;
        frame_begin(&frame, encoding);
        assert_int_equal(message_encode_row(encoding, &part_queue_row_shape, &queue, &row), 0);
        frame_add(&frame, FRAME_QUEUES, row.bytes, row.length);
        buffer_clear(&row);
        assert_int_equal(message_encode_row(encoding, &part_profile_shape, &profile, &row), 0);
        frame_add(&frame, FRAME_PROFILES, row.bytes, row.length);
        add_id(&frame, "u", &row);
        buffer_clear(&row);
        struct part_member member = {.user = "u", .availability = "a"};
        assert_int_equal(message_encode_row(encoding, &part_member_shape, &member, &row), 0);
        while (frame_fits(&frame, row.length))
            frame_add(&frame, FRAME_MEMBERS, row.bytes, row.length);

        assert_int_equal(frame_end_changes(&frame, false, epoch, INT64_MAX, INT64_MAX, &out), 0);
        assert_true(out.length <= LEDIG_MESSAGE_BYTES_MAX);
        assert_true(out.length > LEDIG_MESSAGE_BYTES_MAX - 700); /* and little is wasted */
        assert_int_equal(decode(encoding, SIDE_BROKER, out.bytes, out.length, &message, &fault), 0);
        assert_int_equal(message.changes.members.count, frame.lists[FRAME_MEMBERS].count);

        buffer_clear(&out);
        assert_int_equal(frame_end_answer(&frame, UINT32_MAX, true, INT64_MAX, &out), 0);
        assert_true(out.length <= LEDIG_MESSAGE_BYTES_MAX);
        assert_false(frame_fits(&frame, SIZE_MAX));
        buffer_free(&row);
        buffer_free(&out);
        frame_free(&frame);
    }
}

static void a_frame_that_lost_a_row_is_not_sent(void **state) {
    (void)state;
    struct frame frame = {0};
    struct buffer out = {0};
    frame_begin(&frame, ENCODING_MSGPACK);
    allocations_left = 0;
    frame_add(&frame, FRAME_MEMBERS,
              (const uint8_t *)"\x92\xa1u\xa1"
                               "a",
              5);
    allocations_left = -1;
    assert_int_equal(frame_end_changes(&frame, true, NULL, 0, 0, &out), LEDIG_ENO_MEMORY);
    buffer_clear(&out);
    frame_begin(&frame, ENCODING_MSGPACK);
    assert_int_equal(frame_end_changes(&frame, true, NULL, 0, 0, &out), 0);
    buffer_free(&out);
    frame_free(&frame);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_message_type_has_vectors_that_hold_in_both_encodings),
        TEST(what_is_to_be_borne_is_borne),
        TEST(bad_vectors_are_refused_with_error_and_field),
        TEST(a_message_cut_anywhere_is_refused),
        TEST(damaged_bytes_decode_or_name_their_error),
        TEST(message_of_64_kib_is_taken_and_one_byte_more_is_not),
        TEST(brackets_in_a_text_are_not_nesting),
        TEST(deep_json_is_refused_before_anything_is_built),
        TEST(a_refused_request_still_tells_its_type_and_id),
        TEST(types_outside_of_the_table_have_no_name),
        TEST(memory_that_runs_out_is_an_error_and_leaks_nothing),
        TEST(a_frame_is_what_the_encoder_would_have_made),
        TEST(a_full_frame_never_passes_the_limit),
        TEST(a_frame_that_lost_a_row_is_not_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
