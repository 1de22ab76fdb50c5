/* Shapes, arenas and buffers: what is kept, what is refused, and with which name. */
#include "protocol/errors.h"
#include "protocol/limits.h"
#include "protocol/shape.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first
#include <cmocka.h>

struct inner {
    const char *name;
    int64_t at;
    struct rest rest;
};

struct outer {
    const char *text, *id;
    uint32_t count;
    int64_t number;
    bool flag;
    struct texts texts, ids, audience;
    const struct inner *map;
    struct list maps, rows;
    struct rest rest;
};

static const struct shape_field inner_fields[] = {
    {"n", SHAPE_TEXT, true, 4, offsetof(struct inner, name), NULL, ""},
    {"a", SHAPE_NUMBER, false, 0, offsetof(struct inner, at), NULL, ""},
    {"", SHAPE_REST, false, 0, offsetof(struct inner, rest), NULL, ""},
};
static const struct shape inner_shape = {"inner", "", sizeof(struct inner), inner_fields, 3};

/* Rows have no rest. */
static const struct shape column_shape = {"column", "", sizeof(struct inner), inner_fields, 2};

static const struct shape_field outer_fields[] = {
    {"text", SHAPE_TEXT, false, 4, offsetof(struct outer, text), NULL, ""},
    {"id", SHAPE_ID, false, 0, offsetof(struct outer, id), NULL, ""},
    {"count", SHAPE_COUNT, false, 0, offsetof(struct outer, count), NULL, ""},
    {"number", SHAPE_NUMBER, false, 0, offsetof(struct outer, number), NULL, ""},
    {"flag", SHAPE_FLAG, false, 0, offsetof(struct outer, flag), NULL, ""},
    {"texts", SHAPE_TEXTS, false, 2, offsetof(struct outer, texts), NULL, ""},
    {"ids", SHAPE_IDS, false, 2, offsetof(struct outer, ids), NULL, ""},
    {"audience", SHAPE_IDS_OR_ALL, false, 2, offsetof(struct outer, audience), NULL, ""},
    {"map", SHAPE_MAP, false, 0, offsetof(struct outer, map), &inner_shape, ""},
    {"maps", SHAPE_MAPS, false, 2, offsetof(struct outer, maps), &inner_shape, ""},
    {"rows", SHAPE_ROWS, false, 2, offsetof(struct outer, rows), &column_shape, ""},
    {"", SHAPE_REST, false, 0, offsetof(struct outer, rest), NULL, ""},
};
static const struct shape outer_shape = {"outer", "", sizeof(struct outer), outer_fields, 12};

struct bench {
    struct arena *arena;
    struct outer outer;
    struct fault fault;
};

static int set_up(void **state) {
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    bench->arena = arena_create();
    assert_non_null(bench->arena);
    *state = bench;
    return 0;
}

static int tear_down(void **state) {
    struct bench *bench = *state;
    arena_free(bench->arena);
    free(bench);
    return 0;
}

/* The bytes are copied to a block of their exact size, so that the sanitizer sees any read beyond them. */
static int decode(struct bench *bench, const char *bytes, size_t length) {
    uint8_t *exact = malloc(length ? length : 1);
    assert_non_null(exact);
    memcpy(exact, bytes, length);
    int error = shape_decode(&outer_shape, exact, length, bench->arena, &bench->outer, &bench->fault);
    free(exact);
    assert_int_equal(error, bench->fault.error);
    return error;
}

#define DECODE(bench, literal) decode(bench, literal, sizeof(literal) - 1)

static void assert_refused(struct bench *bench, const char *bytes, size_t length, int error, const char *field) {
    assert_int_equal(decode(bench, bytes, length), error);
    if (field)
        assert_string_equal(bench->fault.field, field);
    else
        assert_null(bench->fault.field);
    assert_non_null(bench->fault.why);
}

#define ASSERT_REFUSED(bench, literal, error, field) assert_refused(bench, literal, sizeof(literal) - 1, error, field)

static void everything_survives_a_round_trip(void **state) {
    struct bench *bench = *state;
    const char *texts[] = {"en", "to"}, *ids[] = {"kari"};
    struct inner inner[] = {{.name = "ø", .at = 7}, {.name = ""}};
    struct outer outer = {
        .text = "æøå",
        .id = "ola.hansen_1-x",
        .count = UINT32_MAX,
        .number = INT64_MAX,
        .flag = true,
        .texts = {.at = texts, .count = 2, .present = true},
        .ids = {.at = ids, .count = 1, .present = true},
        .audience = {.all = true, .present = true},
        .map = &inner[0],
        .maps = {.at = inner, .count = 2, .present = true},
        .rows = {.at = inner, .count = 2, .present = true},
        .rest = {.bytes = (const uint8_t *)"\xa1x\xca\x3f\x80\x00\x00", .length = 7, .count = 1},
    };
    struct buffer first = {0}, second = {0};
    assert_int_equal(shape_encode(&outer_shape, &outer, NULL, &first), 0);
    assert_int_equal(decode(bench, (const char *)first.bytes, first.length), 0);

    const struct outer *got = &bench->outer;
    assert_string_equal(got->text, "æøå");
    assert_string_equal(got->id, outer.id);
    assert_int_equal(got->count, UINT32_MAX);
    assert_true(got->number == INT64_MAX);
    assert_true(got->flag && got->audience.all && got->audience.present);
    assert_int_equal(got->texts.count, 2);
    assert_string_equal(got->texts.at[1], "to");
    assert_string_equal(got->ids.at[0], "kari");
    assert_int_equal(got->map->at, 7);
    const struct inner *maps = got->maps.at, *rows = got->rows.at;
    assert_string_equal(maps[0].name, "ø");
    assert_string_equal(rows[1].name, "");
    assert_int_equal(rows[0].at, 7);

    assert_int_equal(shape_encode(&outer_shape, got, NULL, &second), 0);
    assert_int_equal(second.length, first.length);
    assert_memory_equal(second.bytes, first.bytes, first.length);
    buffer_free(&first);
    buffer_free(&second);
}

static void what_is_absent_takes_no_bytes(void **state) {
    struct bench *bench = *state;
    struct outer outer = {0};
    struct buffer out = {0};
    assert_int_equal(shape_encode(&outer_shape, &outer, NULL, &out), 0);
    assert_int_equal(out.length, 1);
    assert_int_equal(out.bytes[0], 0x80);
    assert_int_equal(DECODE(bench, "\x80"), 0);
    assert_memory_equal(&bench->outer, &outer, sizeof outer);
    buffer_free(&out);
}

static void empty_list_is_not_an_absent_one(void **state) {
    struct bench *bench = *state;
    assert_int_equal(DECODE(bench, "\x82\xa5texts\x90\xa4rows\x90"), 0);
    assert_true(bench->outer.texts.present && bench->outer.rows.present);
    assert_false(bench->outer.ids.present || bench->outer.maps.present);
    struct buffer out = {0};
    assert_int_equal(shape_encode(&outer_shape, &bench->outer, NULL, &out), 0);
    assert_memory_equal(out.bytes, "\x82\xa5texts\x90\xa4rows\x90", out.length);
    buffer_free(&out);
}

static void nil_is_the_same_as_absent(void **state) {
    struct bench *bench = *state;
    assert_int_equal(DECODE(bench, "\x84\xa4text\xc0\xa3map\xc0\xa4rows\xc0\xa6number\xc0"), 0);
    struct outer nothing = {0};
    assert_memory_equal(&bench->outer, &nothing, sizeof nothing);
    ASSERT_REFUSED(bench, "\x81\xa3map\x81\xa1n\xc0", LEDIG_EBAD_REQUEST, "n");
}

static void trailing_columns_are_cut_and_inner_ones_are_nil(void **state) {
    (void)state;
    static const struct shape_field fields[] = {
        {"a", SHAPE_TEXT, true, 4, offsetof(struct outer, text), NULL, ""},
        {"b", SHAPE_NUMBER, false, 0, offsetof(struct outer, number), NULL, ""},
        {"c", SHAPE_FLAG, false, 0, offsetof(struct outer, flag), NULL, ""},
    };
    static const struct shape shape = {"row", "", sizeof(struct outer), fields, 3};
    struct outer outer = {.text = "x"};
    struct buffer out = {0};
    assert_int_equal(shape_encode_row(&shape, &outer, &out), 0);
    outer.flag = true;
    assert_int_equal(shape_encode_row(&shape, &outer, &out), 0);
    assert_int_equal(out.length, 3 + 5);
    assert_memory_equal(out.bytes, "\x91\xa1x\x93\xa1x\xc0\xc3", out.length);
    buffer_free(&out);
}

static void further_columns_are_borne(void **state) {
    struct bench *bench = *state;
    assert_int_equal(
        DECODE(bench, "\x81\xa4rows\x91\x95\xa1x\x05\x81\xa1k\x93\x01\x02\x03\xc7\x01\x05\xff\xc4\x02\x00\xff"), 0);
    const struct inner *row = bench->outer.rows.at;
    assert_int_equal(row->at, 5);
}

static void unknown_fields_are_kept_byte_for_byte(void **state) {
    struct bench *bench = *state;
    /* unknown: a long-winded 1, a real, an inner map with unknown fields, bytes and an extension */
    static const char bytes[] = "\x85"
                                "\xa1z\xcf\x00\x00\x00\x00\x00\x00\x00\x01"
                                "\xa3map\x83\xa1n\xa1x\xd9\x01q\xcd\x00\x05\xa1r\x81\xa1k\x90"
                                "\xa1y\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00"
                                "\xa5"
                                "count\x09"
                                "\xa1w\x92\xc4\x01\xff\xd4\x05\x00";
    assert_int_equal(DECODE(bench, bytes), 0);
    assert_int_equal(bench->outer.rest.count, 3);
    assert_int_equal(bench->outer.map->rest.count, 2);
    struct buffer out = {0};
    assert_int_equal(shape_encode(&outer_shape, &bench->outer, NULL, &out), 0);
    static const char expected[] = "\x85"
                                   "\xa5"
                                   "count\x09"
                                   "\xa3map\x83\xa1n\xa1x\xd9\x01q\xcd\x00\x05\xa1r\x81\xa1k\x90"
                                   "\xa1z\xcf\x00\x00\x00\x00\x00\x00\x00\x01"
                                   "\xa1y\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00"
                                   "\xa1w\x92\xc4\x01\xff\xd4\x05\x00";
    assert_int_equal(out.length, sizeof expected - 1);
    assert_memory_equal(out.bytes, expected, out.length);
    buffer_free(&out);
}

static void wrong_types_name_their_field(void **state) {
    struct bench *bench = *state;
    ASSERT_REFUSED(bench, "\x81\xa4text\x01", LEDIG_EBAD_REQUEST, "text");
    ASSERT_REFUSED(bench, "\x81\xa2id\xa2No", LEDIG_EBAD_REQUEST, "id");
    ASSERT_REFUSED(bench,
                   "\x81\xa5"
                   "count\xff",
                   LEDIG_EBAD_REQUEST, "count");
    ASSERT_REFUSED(bench,
                   "\x81\xa5"
                   "count\xcf\x00\x00\x00\x01\x00\x00\x00\x00",
                   LEDIG_EBAD_REQUEST, "count");
    ASSERT_REFUSED(bench, "\x81\xa6number\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", LEDIG_EBAD_REQUEST, "number");
    ASSERT_REFUSED(bench, "\x81\xa6number\xcf\x80\x00\x00\x00\x00\x00\x00\x00", LEDIG_EBAD_REQUEST, "number");
    ASSERT_REFUSED(bench, "\x81\xa6number\xd3\x80\x00\x00\x00\x00\x00\x00\x00", LEDIG_EBAD_REQUEST, "number");
    ASSERT_REFUSED(bench,
                   "\x81\xa4"
                   "flag\x01",
                   LEDIG_EBAD_REQUEST, "flag");
    ASSERT_REFUSED(bench, "\x81\xa5texts\x91\x01", LEDIG_EBAD_REQUEST, "texts");
    ASSERT_REFUSED(bench,
                   "\x81\xa8"
                   "audience\xa4"
                   "most",
                   LEDIG_EBAD_REQUEST, "audience");
    ASSERT_REFUSED(bench, "\x81\xa3map\x90", LEDIG_EBAD_REQUEST, "map");
    ASSERT_REFUSED(bench, "\x81\xa4maps\x91\x90", LEDIG_EBAD_REQUEST, "maps");
    ASSERT_REFUSED(bench, "\x81\xa4rows\x91\x80", LEDIG_EBAD_REQUEST, "rows");
    ASSERT_REFUSED(bench, "\x81\xa4rows\x91\x90", LEDIG_EBAD_REQUEST, "n");
    ASSERT_REFUSED(bench, "\x81\xa4maps\x91\x80", LEDIG_EBAD_REQUEST, "n");
    ASSERT_REFUSED(bench, "\x90", LEDIG_EBAD_REQUEST, NULL);
}

static void limits_count_characters_and_entries(void **state) {
    struct bench *bench = *state;
    assert_int_equal(DECODE(bench, "\x81\xa4text\xaa\xf0\x9f\x93\x9e\xc3\xb8\xc3\xb8"
                                   "ab"),
                     LEDIG_EBAD_REQUEST);
    assert_string_equal(bench->fault.field, "text");
    assert_int_equal(DECODE(bench, "\x81\xa4text\xa9\xf0\x9f\x93\x9e\xc3\xb8\xc3\xb8"
                                   "a"),
                     0);
    assert_int_equal(DECODE(bench, "\x81\xa3ids\x92\xa1"
                                   "a\xa1"
                                   "b"),
                     0);
    ASSERT_REFUSED(bench,
                   "\x81\xa3ids\x93\xa1"
                   "a\xa1"
                   "b\xa1"
                   "c",
                   LEDIG_ETOO_LARGE, "ids");
    ASSERT_REFUSED(bench, "\x81\xa4maps\x93\x80\x80\x80", LEDIG_ETOO_LARGE, "maps");
}

static void claims_are_never_believed(void **state) {
    struct bench *bench = *state;
    ASSERT_REFUSED(bench, "", LEDIG_EBAD_REQUEST, NULL);
    ASSERT_REFUSED(bench, "\xdf\x00\x98\x96\x80", LEDIG_EBAD_REQUEST, NULL);
    ASSERT_REFUSED(bench,
                   "\xdf\xff\xff\xff\xff\xa1"
                   "a\x01",
                   LEDIG_EBAD_REQUEST, NULL);
    ASSERT_REFUSED(bench, "\x81\xa5texts\xdd\xff\xff\xff\xff\xa1x", LEDIG_EBAD_REQUEST, NULL);
    ASSERT_REFUSED(bench, "\x81\xa4text\xdb\xff\xff\xff\xffxyz", LEDIG_EBAD_REQUEST, NULL);
    ASSERT_REFUSED(bench, "\x81\xa1x\xc9\xff\xff\xff\xff\x01", LEDIG_EBAD_REQUEST, NULL);
    ASSERT_REFUSED(bench, "\x80\x80", LEDIG_EBAD_REQUEST, NULL);
    ASSERT_REFUSED(bench, "\xc1", LEDIG_EBAD_REQUEST, NULL);
}

static void depth_is_bounded(void **state) {
    (void)state;
    struct fault fault;
    uint8_t bytes[LEDIG_DEPTH_MAX + 1];
    memset(bytes, 0x91, sizeof bytes);
    bytes[LEDIG_DEPTH_MAX] = 0x01;
    assert_int_equal(shape_check(bytes, sizeof bytes, &fault), 0);
    bytes[LEDIG_DEPTH_MAX] = 0x90;
    assert_int_equal(shape_check(bytes, sizeof bytes, &fault), LEDIG_EBAD_REQUEST);
    assert_string_equal(fault.why, "maps and arrays are nested too deep");
}

static void a_hundred_thousand_brackets_do_not_exhaust_the_stack(void **state) {
    (void)state;
    struct fault fault;
    size_t length = 100000;
    uint8_t *bytes = malloc(length);
    assert_non_null(bytes);
    memset(bytes, 0x91, length);
    assert_int_equal(shape_check(bytes, length, &fault), LEDIG_EBAD_REQUEST);
    free(bytes);
}

static void keys_are_texts_and_stand_once(void **state) {
    struct bench *bench = *state;
    ASSERT_REFUSED(bench, "\x82\xa4text\xa1x\xa4text\xa1x", LEDIG_EBAD_REQUEST, NULL);
    ASSERT_REFUSED(bench, "\x82\xa1u\x01\xd9\x01u\x02", LEDIG_EBAD_REQUEST, NULL);
    ASSERT_REFUSED(bench, "\x81\x01\x02", LEDIG_EBAD_REQUEST, NULL);
    ASSERT_REFUSED(bench, "\x81\xa1\xff\x02", LEDIG_EBAD_REQUEST, NULL);
    assert_int_equal(DECODE(bench, "\x82\xa1u\x81\xa1u\x01\xa1v\x81\xa1u\x01"), 0);
}

static void utf8_is_checked_at_its_edges(void **state) {
    (void)state;
    static const struct {
        const char *text;
        long characters;
    } cases[] = {
        {"", 0},
        {"abc", 3},
        {"\x7f", 1},
        {"\xc2\x80\xdf\xbf", 2},
        {"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf", 4},
        {"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 2},
        {"\x80", -1},
        {"\xc0\x80", -1},
        {"\xc1\xbf", -1},
        {"\xc2", -1},
        {"\xe0\x9f\xbf", -1},
        {"\xe1\x80", -1},
        {"\xe1\x80\xc0", -1},
        {"\xed\xa0\x80", -1},
        {"\xf0\x8f\xbf\xbf", -1},
        {"\xf0\x90\x80", -1},
        {"\xf1\x80\x80\x7f", -1},
        {"\xf4\x90\x80\x80", -1},
        {"\xf5\x80\x80\x80", -1},
        {"\xff", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(shape_characters(cases[i].text, strlen(cases[i].text)), cases[i].characters);
}

static void ids_have_their_alphabet(void **state) {
    (void)state;
    char long_id[LEDIG_ID_CHARS_MAX + 2];
    memset(long_id, 'a', sizeof long_id);
    long_id[LEDIG_ID_CHARS_MAX + 1] = 0;
    assert_false(shape_is_id(long_id));
    long_id[LEDIG_ID_CHARS_MAX] = 0;
    assert_true(shape_is_id(long_id));
    assert_true(shape_is_id("a-z_0.9"));
    assert_false(shape_is_id(NULL) || shape_is_id("") || shape_is_id("A") || shape_is_id("a b") || shape_is_id("ø"));
}

static void decoded_things_do_not_point_into_the_bytes(void **state) {
    struct bench *bench = *state;
    uint8_t bytes[] = "\x82\xa4text\xa1x\xa1z\x01";
    struct fault fault;
    assert_int_equal(shape_decode(&outer_shape, bytes, sizeof bytes - 1, bench->arena, &bench->outer, &fault), 0);
    memset(bytes, 0, sizeof bytes);
    assert_string_equal(bench->outer.text, "x");
    assert_memory_equal(bench->outer.rest.bytes, "\xa1z\x01", 3);
}

static void arena_gives_zeroed_aligned_memory_again_and_again(void **state) {
    struct bench *bench = *state;
    for (int round = 0; round < 3; round++) {
        for (size_t bytes = 0; bytes < 20000; bytes = bytes * 2 + 1) {
            unsigned char *taken = arena_take(bench->arena, bytes);
            assert_non_null(taken);
            assert_int_equal((uintptr_t)taken % alignof(max_align_t), 0);
            for (size_t i = 0; i < bytes; i++)
                assert_int_equal(taken[i], 0);
            memset(taken, 0xff, bytes);
        }
        assert_string_equal(arena_text(bench->arena, "abcdef", 3), "abc");
        arena_reset(bench->arena);
    }
    assert_non_null(arena_take(bench->arena, 1000000));
    arena_reset(bench->arena);
    assert_null(arena_take(bench->arena, SIZE_MAX - 4));
    assert_null(arena_text(bench->arena, "", SIZE_MAX));
}

static void buffer_that_failed_stays_as_it_was(void **state) {
    (void)state;
    struct buffer buffer = {0};
    buffer_append(&buffer, NULL, 0);
    buffer_append(&buffer, "abc", 3);
    buffer_append(&buffer, "", SIZE_MAX / 2);
    assert_true(buffer.failed);
    buffer_append(&buffer, "d", 1);
    assert_int_equal(buffer.length, 3);
    buffer_clear(&buffer);
    buffer_append(&buffer, "d", 1);
    assert_false(buffer.failed);
    assert_int_equal(buffer.length, 1);
    buffer_free(&buffer);
    assert_null(buffer.bytes);
}

static void errors_have_names_and_meanings(void **state) {
    (void)state;
    assert_string_equal(ledig_error_name(LEDIG_ETOO_LARGE), "too_large");
    assert_string_equal(ledig_error_name(LEDIG_EDAMAGED), "unavailable");
    assert_string_equal(ledig_error_name(12345), "unavailable");
    assert_int_equal(ledig_error_from_name("rate_limited"), LEDIG_ERATE_LIMITED);
    assert_int_equal(ledig_error_from_name("of a later version"), LEDIG_EBAD_REQUEST);
    assert_int_equal(ledig_error_from_name(""), LEDIG_EBAD_REQUEST);
    assert_int_equal(ledig_error_from_name(NULL), LEDIG_EBAD_REQUEST);
    assert_non_null(ledig_error_meaning(LEDIG_EIO));
    assert_non_null(ledig_error_meaning(99));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(everything_survives_a_round_trip),
        TEST(what_is_absent_takes_no_bytes),
        TEST(empty_list_is_not_an_absent_one),
        TEST(nil_is_the_same_as_absent),
        TEST(trailing_columns_are_cut_and_inner_ones_are_nil),
        TEST(further_columns_are_borne),
        TEST(unknown_fields_are_kept_byte_for_byte),
        TEST(wrong_types_name_their_field),
        TEST(limits_count_characters_and_entries),
        TEST(claims_are_never_believed),
        TEST(depth_is_bounded),
        TEST(a_hundred_thousand_brackets_do_not_exhaust_the_stack),
        TEST(keys_are_texts_and_stand_once),
        TEST(utf8_is_checked_at_its_edges),
        TEST(ids_have_their_alphabet),
        TEST(decoded_things_do_not_point_into_the_bytes),
        TEST(arena_gives_zeroed_aligned_memory_again_and_again),
        TEST(buffer_that_failed_stays_as_it_was),
        TEST(errors_have_names_and_meanings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
