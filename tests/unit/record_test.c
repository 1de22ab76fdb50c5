/* Records: what is stored comes back, what is not known is kept, what is damaged is refused. */
#include "broker/model/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first
#include <cmocka.h>

static const struct entity_names unkeyed;

struct bench {
    struct arena *arena;
    struct buffer bytes;
    struct record record;
};

static int open_bench(void **state) {
    struct bench *bench = calloc(1, sizeof *bench);
    *state = bench;
    bench->arena = arena_create();
    return 0;
}

static int close_bench(void **state) {
    struct bench *bench = *state;
    arena_free(bench->arena);
    buffer_free(&bench->bytes);
    free(bench);
    return 0;
}

static int decode(struct bench *bench) {
    return record_decode(bench->bytes.bytes, bench->bytes.length, bench->arena, &bench->record);
}

static void encode(struct bench *bench, const struct record *record) {
    buffer_clear(&bench->bytes);
    assert_int_equal(record_encode(record, &bench->bytes), 0);
}

static const struct own_session sessions[] = {
    {.session = "s1",
     .device = "phone",
     .kind = "mobile",
     .incarnation = "ff-w",
     .state = "idle",
     .state_at = 5,
     .before = "active"},
    {.session = "s2", .device = "tab", .incarnation = "ff-w", .state = "active", .state_at = 9},
};
static const struct log_in log_ins[] = {{.queue = "support", .since = 7, .pause = "lunch"}};
static const struct record kari = {
    .kind = RECORD_STATE,
    .state = {.id = "kari",
              .status = "busy",
              .activity = "meeting",
              .note = "Styremøte",
              .until = 1234567890123,
              .set_at = 3,
              .sessions = {sessions, 2, true},
              .log_ins = {log_ins, 1, true}},
};

static void check_kari(const struct state_record *state) {
    assert_string_equal(state->id, "kari");
    assert_string_equal(state->status, "busy");
    assert_string_equal(state->activity, "meeting");
    assert_string_equal(state->note, "Styremøte");
    assert_null(state->forward);
    assert_int_equal(state->until, 1234567890123);
    assert_int_equal(state->set_at, 3);
    assert_int_equal(state->sessions.count, 2);
    const struct own_session *first = state->sessions.at;
    assert_string_equal(first[0].before, "active");
    assert_int_equal(first[0].state_at, 5);
    assert_null(first[1].kind);
    assert_string_equal(first[1].session, "s2");
    assert_int_equal(state->calls.count, 0);
    assert_string_equal(((const struct log_in *)state->log_ins.at)->pause, "lunch");
}

static void a_record_comes_back_as_it_was_stored(void **state) {
    struct bench *bench = *state;
    encode(bench, &kari);
    assert_int_equal(decode(bench), 0);
    assert_int_equal(bench->record.kind, RECORD_STATE);
    check_kari(&bench->record.state);
    assert_string_equal(record_id(&bench->record), "kari");
}

static void every_kind_can_be_stored(void **state) {
    struct bench *bench = *state;
    const struct record records[] = {
        {.kind = RECORD_COMPANY, .company = {.id = "x"}},
        {.kind = RECORD_PROFILE, .profile = {.id = "x"}},
        {.kind = RECORD_STATE, .state = {.id = "x"}},
        {.kind = RECORD_ACCESS, .access = {.id = "x"}},
        {.kind = RECORD_QUEUE, .queue = {.id = "x"}},
        {.kind = RECORD_CALL, .call = {.id = "x"}},
        {.kind = RECORD_PAST_CALL, .past_call = {.call = "x", .result = "missed"}},
        {.kind = RECORD_SECURITY, .security = {.what = "x", .at = 1}},
        {.kind = RECORD_ACTIVITY, .activity = {.what = "x", .at = 1}},
    };
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
        encode(bench, &records[i]);
        assert_int_equal(decode(bench), 0);
        assert_int_equal(bench->record.kind, records[i].kind);
        assert_string_equal(record_id(&bench->record), "x");
    }
}

static void a_kept_record_stands_by_itself(void **state) {
    struct bench *bench = *state;
    encode(bench, &kari);
    assert_int_equal(decode(bench), 0);
    struct state_record *kept = record_keep(&bench->record);
    assert_non_null(kept);
    arena_reset(bench->arena);
    buffer_clear(&bench->bytes);
    check_kari(kept);
    free(kept);
}

static void a_kept_record_has_its_texts_and_its_rest(void **state) {
    struct bench *bench = *state;
    const char *const numbers[] = {"+4710000001", "+4710000002"};
    const struct consent consents[] = {
        {.purpose = "presence", .granted = true, .rest = {(const uint8_t *)"\xa1y\x02", 3, 1}}};
    encode(bench, &(struct record){.kind = RECORD_PROFILE,
                                   .profile = {.id = "kari",
                                               .numbers = {numbers, 2, true, false},
                                               .consents = {consents, 1, true},
                                               .rest = {(const uint8_t *)"\xa1x\x01", 3, 1}}});
    assert_int_equal(decode(bench), 0);
    struct profile_record *kept = record_keep(&bench->record);
    assert_non_null(kept);
    arena_reset(bench->arena);
    assert_int_equal(kept->numbers.count, 2);
    assert_string_equal(kept->numbers.at[1], "+4710000002");
    const struct consent *consent = kept->consents.at;
    assert_string_equal(consent->purpose, "presence");
    assert_memory_equal(consent->rest.bytes, "\xa1y\x02", 3);
    assert_memory_equal(kept->rest.bytes, "\xa1x\x01", 3);
    free(kept);
}

/* state {id: "x", "zz": {"new": [1, 2]}, session: [{…, "q": true}]}, as a later version may have stored it. */
static const uint8_t from_later[] = "\x00\x00\x03\x83\xa2id\xa1x\xa2zz\x81\xa3new\x92\x01\x02\xa2ss\x91\x86\xa1s\xa1"
                                    "1\xa1"
                                    "d\xa1"
                                    "1\xa1i\xa1"
                                    "1\xa1t\xa4idle\xa1"
                                    "a\x01\xa1q\xc3";

static void fields_of_a_later_version_are_kept(void **state) {
    struct bench *bench = *state;
    buffer_append(&bench->bytes, from_later, sizeof from_later - 1);
    assert_int_equal(decode(bench), 0);
    assert_int_equal(bench->record.state.rest.count, 1);
    struct record record = bench->record;
    struct buffer again = {0};
    assert_int_equal(record_encode(&record, &again), 0);
    assert_non_null(memmem(again.bytes, again.length, "\xa2zz\x81\xa3new\x92\x01\x02", 10));
    assert_non_null(memmem(again.bytes, again.length, "\xa1q\xc3", 3));
    buffer_free(&again);
}

static void damaged_bytes_are_refused(void **state) {
    struct bench *bench = *state;
    static const struct {
        const char *bytes;
        size_t length;
        int error;
    } cases[] = {
        {"", 0, LEDIG_EDAMAGED},
        {"\x01", 1, LEDIG_EUNSUPPORTED},
        {"\x00", 1, LEDIG_EDAMAGED},
        {"\x00\x00\x03", 3, LEDIG_EDAMAGED},
        {"\x00\x01k\x03\x80", 5, LEDIG_EDAMAGED},
        {"\x00\x00\x00\x80", 4, LEDIG_EDAMAGED},
        {"\x00\x00\x7f\x80", 4, LEDIG_EUNSUPPORTED},
        {"\x00\x00\x03\x80", 4, LEDIG_EDAMAGED},                      /* no id */
        {"\x00\x00\x03\x81\xa2id\xa1X", 9, LEDIG_EDAMAGED},           /* not an id */
        {"\x00\x00\x03\x81\xa2id\xa1x\x01", 10, LEDIG_EDAMAGED},      /* trailing */
        {"\x00\x00\x03\x82\xa2id\xa1x", 9, LEDIG_EDAMAGED},           /* truncated */
        {"\x00\x00\x03\x82\xa2id\xa1x\xa1u\xff", 12, LEDIG_EDAMAGED}, /* a negative time */
        {"\x00\x00\x03\xdf\xff\xff\xff\xff", 8, LEDIG_EDAMAGED},      /* a map of four thousand million */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(record_decode((const uint8_t *)cases[i].bytes, cases[i].length, bench->arena, &bench->record),
                         cases[i].error);
    uint8_t *large = calloc(1, RECORD_BYTES_MAX + 1);
    assert_int_equal(record_decode(large, RECORD_BYTES_MAX + 1, bench->arena, &bench->record), LEDIG_EDAMAGED);
    free(large);
}

static void every_truncation_is_refused(void **state) {
    struct bench *bench = *state;
    encode(bench, &kari);
    for (size_t length = 0; length < bench->bytes.length; length++) {
        uint8_t *exact = malloc(length + 1); /* so that a read past the end is seen */
        memcpy(exact, bench->bytes.bytes, length);
        assert_int_equal(record_decode(exact, length, bench->arena, &bench->record), LEDIG_EDAMAGED);
        free(exact);
        arena_reset(bench->arena);
    }
}

static void a_name_tells_its_kind_and_not_whose_it_is(void **state) {
    (void)state;
    static const struct entity_names other = {{1}};
    char name[ENTITY_NAME_BYTES_MAX], of_other[ENTITY_NAME_BYTES_MAX], hash[ENTITY_HASH_CHARS + 1];
    entity_name(&unkeyed, RECORD_COMPANY, "acme", name);
    assert_string_equal(name, "company");
    assert_int_equal(entity_kind(name), RECORD_COMPANY);
    entity_hash(&unkeyed, "kari", hash);
    assert_int_equal(strlen(hash), ENTITY_HASH_CHARS);
    for (enum record_kind kind = RECORD_PROFILE; kind < RECORD_KIND_COUNT; kind++) {
        entity_name(&unkeyed, kind, "kari", name);
        assert_int_equal(entity_kind(name), kind);
        assert_string_equal(strchr(name, ':') + 1, hash); /* one person, one hash */
        entity_name(&other, kind, "kari", of_other);
        assert_string_not_equal(name, of_other);
        entity_name(&unkeyed, kind, "karj", of_other);
        assert_string_not_equal(name, of_other);
    }
    assert_int_equal(entity_kind("keys:kari"), RECORD_NONE);
    assert_int_equal(entity_kind("stat:kari"), RECORD_NONE);
    assert_int_equal(entity_kind(""), RECORD_NONE);
    char longest[LEDIG_NAME_CHARS_MAX * 4 + 1];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    entity_name(&unkeyed, RECORD_PROFILE, longest, name);
    assert_int_equal(strlen(name), strlen("profile:") + ENTITY_HASH_CHARS);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_record_comes_back_as_it_was_stored), CASE(every_kind_can_be_stored),
        CASE(a_kept_record_stands_by_itself),       CASE(a_kept_record_has_its_texts_and_its_rest),
        CASE(fields_of_a_later_version_are_kept),   CASE(damaged_bytes_are_refused),
        CASE(every_truncation_is_refused),          CASE(a_name_tells_its_kind_and_not_whose_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
