/* The replica: what it takes in, what it shows, who moves, and where a place leads. */
#include "broker/model/company.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first
#include <cmocka.h>

#define NOW 1800000000000LL
#define DAY_MS 86400000LL
#define ROWS_MAX 64

struct bench {
    struct leases *leases;
    struct company *company;
    struct arena *arena;
    struct buffer bytes;
    struct frame frame;
    struct filter *all;
    uint64_t cursor;
    int64_t now;
};

static int open_bench(void **state) {
    struct bench *bench = calloc(1, sizeof *bench);
    *state = bench;
    bench->leases = leases_create();
    bench->company = company_open("acme", bench->leases);
    bench->arena = arena_create();
    bench->all = filter_create(&(struct texts){.all = true}, NULL, "kari");
    bench->now = NOW;
    company_reached(bench->company, "e1", 100);
    return 0;
}

static int close_bench(void **state) {
    struct bench *bench = *state;
    filter_free(bench->all);
    company_close(bench->company);
    leases_free(bench->leases);
    arena_free(bench->arena);
    buffer_free(&bench->bytes);
    frame_free(&bench->frame);
    free(bench);
    return 0;
}

/* ---- What the store would say ---- */

static int write_record(struct bench *bench, const struct record *record, uint64_t revision, bool contiguous,
                        bool compare) {
    char name[ENTITY_NAME_BYTES_MAX];
    entity_name(record->kind, record_id(record), name);
    buffer_clear(&bench->bytes);
    assert_int_equal(record_encode(record, &bench->bytes), 0);
    struct company_write write = {name, revision, bench->bytes.bytes, bench->bytes.length};
    return company_apply(bench->company, &write, contiguous, compare, bench->now);
}

/* The next commit of a gapless sequence. */
static void commit(struct bench *bench, const struct record *record) {
    uint64_t version = company_version(bench->company) + 1;
    assert_int_equal(write_record(bench, record, version, true, false), 0);
    company_reached(bench->company, "e1", version);
}

static void commit_tombstone(struct bench *bench, const char *entity) {
    uint64_t version = company_version(bench->company) + 1;
    struct company_write write = {entity, version, NULL, 0};
    assert_int_equal(company_apply(bench->company, &write, true, false, bench->now), 0);
    company_reached(bench->company, "e1", version);
}

static struct record profile(const char *user) {
    return (struct record){.kind = RECORD_PROFILE, .profile = {.id = user, .name = user}};
}

static struct record free_state(const char *user) {
    return (struct record){.kind = RECORD_STATE, .state = {.id = user}};
}

static struct record busy_state(const char *user, int64_t until) {
    return (struct record){.kind = RECORD_STATE,
                           .state = {.id = user, .status = "busy", .until = until, .set_at = NOW - 1}};
}

static void commit_person(struct bench *bench, const char *user) {
    struct record record = profile(user);
    commit(bench, &record);
    record = free_state(user);
    commit(bench, &record);
}

/* ---- What a subscriber would see ---- */

static const struct message_changes *decode_frame(struct bench *bench, enum encoding encoding, bool more) {
    static struct message message;
    struct fault fault;
    buffer_clear(&bench->bytes);
    assert_int_equal(frame_end_changes(&bench->frame, more, "e1", 1, 1, &bench->bytes), 0);
    assert_true(bench->bytes.length <= LEDIG_MESSAGE_BYTES_MAX);
    assert_int_equal(message_decode(encoding, SIDE_BROKER, bench->bytes.bytes, bench->bytes.length, bench->arena,
                                    &message, NULL, &fault),
                     0);
    assert_int_equal(message.type, MESSAGE_changes);
    return &message.changes;
}

static const struct message_changes *walk_with(struct bench *bench, const struct filter *filter, uint64_t *cursor) {
    frame_begin(&bench->frame, ENCODING_MSGPACK);
    bool more = company_walk(bench->company, filter, cursor, &bench->frame);
    return decode_frame(bench, ENCODING_MSGPACK, more);
}

/* What came since the last time, for one who follows all. */
static const struct message_changes *news(struct bench *bench) {
    return walk_with(bench, bench->all, &bench->cursor);
}

static const struct part_member *member_row(const struct message_changes *changes, const char *user) {
    const struct part_member *rows = changes->members.at;
    for (uint32_t i = 0; i < changes->members.count; i++)
        if (strcmp(rows[i].user, user) == 0)
            return &rows[i];
    return NULL;
}

static const struct part_queue_row *queue_row(const struct message_changes *changes, const char *queue) {
    const struct part_queue_row *rows = changes->queues.at;
    for (uint32_t i = 0; i < changes->queues.count; i++)
        if (strcmp(rows[i].queue, queue) == 0)
            return &rows[i];
    return NULL;
}

static void expect_counts(const struct message_changes *changes, uint32_t members, uint32_t profiles, uint32_t queues,
                          uint32_t removed) {
    assert_int_equal(changes->members.count, members);
    assert_int_equal(changes->profiles.count, profiles);
    assert_int_equal(changes->queues.count, queues);
    assert_int_equal(changes->removed.count, removed);
}

/* ---- People ---- */

static void a_person_without_consent_has_a_profile_and_no_state(void **state) {
    struct bench *bench = *state;
    struct record record = profile("kari");
    commit(bench, &record);
    expect_counts(news(bench), 0, 1, 0, 0);
    const struct member *member = company_member(bench->company, "kari");
    assert_non_null(member);
    assert_null(member_state(member));
    assert_int_equal(member_view(member)->availability, AVAILABILITY_UNKNOWN);
    assert_null(company_member(bench->company, "ola"));
}

static void a_row_carries_the_whole_view(void **state) {
    struct bench *bench = *state;
    commit_person(bench, "kari");
    news(bench);
    static const struct own_session session = {
        .session = "s", .device = "d", .incarnation = "x", .state = "idle", .state_at = NOW - 900000};
    commit(bench, &(struct record){.kind = RECORD_STATE,
                                   .state = {.id = "kari",
                                             .status = "away",
                                             .activity = "lunch",
                                             .note = "Kantina",
                                             .until = NOW + 1000,
                                             .set_at = NOW - 5,
                                             .last_active = NOW - 300000,
                                             .sessions = {&session, 1, true}}});
    const struct message_changes *changes = news(bench);
    expect_counts(changes, 1, 0, 0, 0);
    const struct part_member *row = member_row(changes, "kari");
    assert_string_equal(row->availability, "away");
    assert_string_equal(row->activity, "lunch");
    assert_string_equal(row->note, "Kantina");
    assert_string_equal(row->presence, "idle");
    assert_int_equal(row->since, NOW - 5);
    assert_int_equal(row->until, NOW + 1000);
    assert_int_equal(row->last_active, NOW - 300000);
}

static void withdrawn_consent_shows_as_unknown_and_nothing_else(void **state) {
    struct bench *bench = *state;
    commit_person(bench, "kari");
    struct record record = busy_state("kari", 0);
    commit(bench, &record);
    news(bench);
    commit_tombstone(bench, "state:kari");
    const struct message_changes *changes = news(bench);
    expect_counts(changes, 1, 0, 0, 0);
    const struct part_member *row = member_row(changes, "kari");
    assert_string_equal(row->availability, "unknown");
    assert_int_equal(row->since, 0);
    assert_null(row->presence);
    assert_null(member_state(company_member(bench->company, "kari")));
}

static void who_leaves_is_told_of_and_shown_no_more(void **state) {
    struct bench *bench = *state;
    commit_person(bench, "kari");
    commit_person(bench, "ola");
    uint64_t lagging = bench->cursor;
    news(bench);
    commit_tombstone(bench, "profile:kari");
    const struct message_changes *changes = news(bench);
    expect_counts(changes, 0, 0, 0, 1);
    assert_string_equal(changes->removed.at[0], "kari");
    changes = walk_with(bench, bench->all, &lagging);
    expect_counts(changes, 1, 1, 0, 1);
    assert_null(member_row(changes, "kari"));
    assert_null(company_member(bench->company, "kari"));
    assert_int_equal(company_member_count(bench->company), 1);
    struct record record = busy_state("kari", 0); /* a late change of one who left shows nowhere */
    commit(bench, &record);
    expect_counts(news(bench), 0, 0, 0, 0);
}

static void who_comes_back_is_shown_whole(void **state) {
    struct bench *bench = *state;
    commit_person(bench, "kari");
    commit_tombstone(bench, "profile:kari");
    news(bench);
    struct record record = profile("kari");
    commit(bench, &record);
    const struct message_changes *changes = news(bench);
    expect_counts(changes, 1, 1, 0, 0);
    assert_string_equal(member_row(changes, "kari")->availability, "available");
}

static void who_left_long_ago_is_forgotten(void **state) {
    struct bench *bench = *state;
    commit_person(bench, "kari");
    commit_tombstone(bench, "state:kari");
    commit_tombstone(bench, "profile:kari");
    assert_int_equal(company_next_due(bench->company), NOW + DAY_MS);
    company_tick(bench->company, NOW + DAY_MS - 1, false);
    uint64_t cursor = 0;
    expect_counts(walk_with(bench, bench->all, &cursor), 0, 0, 0, 1);
    company_tick(bench->company, NOW + DAY_MS, false);
    cursor = 0;
    expect_counts(walk_with(bench, bench->all, &cursor), 0, 0, 0, 0);
    assert_int_equal(company_revision(bench->company, "profile:kari", NULL, NULL), 0);
    assert_int_equal(company_next_due(bench->company), NEVER);
}

static void a_state_that_comes_before_its_profile_is_shown_with_it(void **state) {
    struct bench *bench = *state;
    struct record record = busy_state("kari", 0);
    commit(bench, &record);
    expect_counts(news(bench), 0, 0, 0, 0);
    assert_null(company_member(bench->company, "kari"));
    record = profile("kari");
    commit(bench, &record);
    const struct message_changes *changes = news(bench);
    expect_counts(changes, 1, 1, 0, 0);
    assert_string_equal(member_row(changes, "kari")->availability, "busy");
}

static void a_withdrawal_that_comes_before_the_profile_is_shown_with_it(void **state) {
    struct bench *bench = *state;
    commit_tombstone(bench, "state:kari");
    struct record record = profile("kari");
    commit(bench, &record);
    const struct message_changes *changes = news(bench);
    assert_string_equal(member_row(changes, "kari")->availability, "unknown");
}

static void a_withdrawal_whose_consent_was_never_heard_of_is_shown(void **state) {
    struct bench *bench = *state;
    struct record record = profile("kari");
    commit(bench, &record);
    news(bench);
    assert_int_equal(company_revision(bench->company, "state:kari", NULL, NULL), 0);
    commit_tombstone(bench, "state:kari");
    assert_string_equal(member_row(news(bench), "kari")->availability, "unknown");
}

static void a_number_leads_to_its_person_or_queue(void **state) {
    struct bench *bench = *state;
    static const char *const numbers[] = {"+4710000001", "+4710000002"};
    struct record record = profile("kari");
    record.profile.numbers = (struct texts){numbers, 2, true, false};
    commit(bench, &record);
    assert_string_equal(member_user(company_member_by_number(bench->company, "+4710000002")), "kari");
    assert_null(company_member_by_number(bench->company, "+4710000003"));
    /* one goes to a queue; the queue's commit may be heard of first */
    commit(bench, &(struct record){.kind = RECORD_QUEUE, .queue = {.id = "support", .numbers = {numbers + 1, 1, true, false}}});
    assert_string_equal(company_queue_by_number(bench->company, "+4710000002"), "support");
    assert_null(company_member_by_number(bench->company, "+4710000002"));
    record.profile.numbers.count = 1;
    commit(bench, &record);
    assert_string_equal(company_queue_by_number(bench->company, "+4710000002"), "support");
    assert_string_equal(member_user(company_member_by_number(bench->company, "+4710000001")), "kari");
    commit_tombstone(bench, "profile:kari");
    assert_null(company_member_by_number(bench->company, "+4710000001"));
}

static void an_entity_tells_its_user(void **state) {
    struct bench *bench = *state;
    commit_person(bench, "kari");
    commit(bench, &(struct record){.kind = RECORD_ACCESS, .access = {.id = "kari"}});
    assert_string_equal(company_entity_user(bench->company, "state:kari"), "kari");
    assert_string_equal(company_entity_user(bench->company, "profile:kari"), "kari");
    assert_null(company_entity_user(bench->company, "access:kari"));
    assert_null(company_entity_user(bench->company, "state:ola"));
}

/* ---- What moves, and what does not ---- */

static void a_change_that_shows_nothing_moves_nobody_but_is_held(void **state) {
    struct bench *bench = *state;
    commit_person(bench, "kari");
    news(bench);
    uint64_t place = company_last_place(bench->company);
    struct record record = free_state("kari");
    record.state.last_active = NOW;
    commit(bench, &record);
    record = profile("kari");
    record.profile.role = "lead";
    commit(bench, &record);
    assert_int_equal(company_last_place(bench->company), place);
    assert_int_equal(company_revision(bench->company, "state:kari", NULL, NULL), 103);
    assert_int_equal(company_revision(bench->company, "profile:kari", NULL, NULL), 104);
    assert_string_equal(member_profile(company_member(bench->company, "kari"))->role, "lead");
    uint64_t cursor = 0; /* who comes now hears of it */
    assert_int_equal(member_row(walk_with(bench, bench->all, &cursor), "kari")->last_active, NOW);
}

static void after_a_gap_the_same_row_counts_as_changed(void **state) {
    struct bench *bench = *state;
    commit_person(bench, "kari");
    news(bench);
    struct record record = free_state("kari");
    assert_int_equal(write_record(bench, &record, 110, false, false), 0);
    expect_counts(news(bench), 1, 0, 0, 0);
    record = profile("kari");
    assert_int_equal(write_record(bench, &record, 111, false, false), 0);
    expect_counts(news(bench), 0, 1, 0, 0);
}

static void an_older_revision_is_ignored_unless_all_is_compared(void **state) {
    struct bench *bench = *state;
    commit_person(bench, "kari");
    struct record busy = busy_state("kari", 0), free = free_state("kari");
    commit(bench, &busy);
    news(bench);
    assert_int_equal(write_record(bench, &free, 102, false, false), 0);
    assert_int_equal(write_record(bench, &free, 103, false, false), 0);
    expect_counts(news(bench), 0, 0, 0, 0);
    company_compare_begin(bench->company);
    company_seen(bench->company, "profile:kari");
    assert_int_equal(write_record(bench, &free, 102, false, true), 0);
    assert_int_equal(company_compare_end(bench->company, 2000, NOW), 0);
    const struct message_changes *changes = news(bench);
    expect_counts(changes, 1, 0, 0, 0);
    assert_string_equal(member_row(changes, "kari")->availability, "available");
    assert_int_equal(company_revision(bench->company, "state:kari", NULL, NULL), 102);
}

static void what_a_comparison_does_not_name_is_gone(void **state) {
    struct bench *bench = *state;
    commit_person(bench, "kari");
    commit_person(bench, "ola");
    commit(bench, &(struct record){.kind = RECORD_QUEUE, .queue = {.id = "support"}});
    commit(bench, &(struct record){.kind = RECORD_COMPANY, .company = {.id = "acme"}});
    commit(bench, &(struct record){.kind = RECORD_CALL, .call = {.id = "c1", .queue = "support"}});
    news(bench);
    company_compare_begin(bench->company);
    company_seen(bench->company, "profile:kari");
    assert_int_equal(company_compare_end(bench->company, 2000, NOW), 0);
    const struct message_changes *changes = news(bench);
    expect_counts(changes, 1, 0, 0, 1);
    assert_string_equal(member_row(changes, "kari")->availability, "unknown");
    assert_string_equal(changes->removed.at[0], "ola");
    assert_false(company_has_queue(bench->company, "support"));
    assert_null(company_settings(bench->company));
    const uint8_t *bytes = (const uint8_t *)"";
    assert_int_equal(company_revision(bench->company, "state:ola", &bytes, NULL), 2000);
    assert_null(bytes);
}

static void a_damaged_record_leaves_the_entity_as_it_was(void **state) {
    struct bench *bench = *state;
    commit_person(bench, "kari");
    news(bench);
    static const struct {
        const char *entity, *bytes;
        size_t length;
        int error;
    } cases[] = {
        {"state:kari", "\x00\x00\x03\x81", 4, LEDIG_EDAMAGED},
        {"state:kari", "\x01\x00\x03\x80", 4, LEDIG_EUNSUPPORTED},
        {"state:kari", "\x00\x00\x03\x81\xa2id\xa3ola", 11, LEDIG_EDAMAGED},  /* another person's */
        {"state:kari", "\x00\x00\x02\x81\xa2id\xa4kari", 12, LEDIG_EDAMAGED}, /* another kind's */
        {"company", "\x00\x00\x01\x81\xa2id\xa4spar", 12, LEDIG_EDAMAGED},    /* another company's */
        {"keys:kari", "\x00\x00\x20\x80", 4, LEDIG_EUNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct company_write write = {cases[i].entity, 200, (const uint8_t *)cases[i].bytes, cases[i].length};
        assert_int_equal(company_apply(bench->company, &write, false, false, NOW), cases[i].error);
    }
    expect_counts(news(bench), 0, 0, 0, 0);
    assert_int_equal(company_revision(bench->company, "state:kari", NULL, NULL), 102);
    assert_int_equal(company_revision(bench->company, "keys:kari", NULL, NULL), 0);
}

static void bytes_are_lent_as_they_were_stored(void **state) {
    struct bench *bench = *state;
    struct record record = profile("kari");
    commit(bench, &record);
    const uint8_t *bytes;
    size_t length;
    assert_int_equal(company_revision(bench->company, "profile:kari", &bytes, &length), 101);
    assert_int_equal(length, bench->bytes.length);
    assert_memory_equal(bytes, bench->bytes.bytes, length);
    assert_int_equal(company_revision(bench->company, "profile:ola", &bytes, &length), 0);
    assert_null(bytes);
}

static void how_a_person_gets_in_is_held_but_never_shown(void **state) {
    struct bench *bench = *state;
    commit_person(bench, "kari");
    news(bench);
    commit(bench, &(struct record){.kind = RECORD_ACCESS, .access = {.id = "kari", .password = "x"}});
    expect_counts(news(bench), 0, 0, 0, 0);
    assert_int_equal(company_revision(bench->company, "access:kari", NULL, NULL), 103);
}

/* ---- The clock and the leases ---- */

static void time_passes_without_a_write(void **state) {
    struct bench *bench = *state;
    commit_person(bench, "kari");
    commit_person(bench, "ola");
    struct record record = busy_state("kari", NOW + 500);
    commit(bench, &record);
    news(bench);
    assert_int_equal(company_next_due(bench->company), NOW + 500);
    company_tick(bench->company, NOW + 499, false);
    expect_counts(news(bench), 0, 0, 0, 0);
    company_tick(bench->company, NOW + 500, false);
    const struct message_changes *changes = news(bench);
    expect_counts(changes, 1, 0, 0, 0);
    assert_string_equal(member_row(changes, "kari")->availability, "available");
    assert_int_equal(member_row(changes, "kari")->since, NOW + 500);
    assert_int_equal(company_next_due(bench->company), NEVER);
}

static void a_shift_ends_for_all_who_follow_it(void **state) {
    struct bench *bench = *state;
    commit_person(bench, "kari");
    commit_person(bench, "ola");
    struct record record = busy_state("ola", 0);
    commit(bench, &record);
    news(bench);
    static const struct shift shifts[] = {{.from_at = NOW + 5000, .until_at = NOW + 6000},
                                          {.from_at = NOW - 5000, .until_at = NOW + 1000}};
    commit(bench, &(struct record){.kind = RECORD_COMPANY, .company = {.id = "acme", .shifts = {shifts, 2, true}}});
    expect_counts(news(bench), 1, 0, 0, 0); /* since when has changed */
    assert_non_null(company_settings(bench->company));
    assert_int_equal(company_next_due(bench->company), NOW + 1000);
    company_tick(bench->company, NOW + 1000, false);
    const struct message_changes *changes = news(bench);
    expect_counts(changes, 1, 0, 0, 0);
    assert_string_equal(member_row(changes, "kari")->activity, "off_work");
    assert_int_equal(member_row(changes, "kari")->until, NOW + 5000);
    company_tick(bench->company, NOW + 5000, false);
    assert_string_equal(member_row(news(bench), "kari")->availability, "available");
}

static void read_leases(struct bench *bench, const char *id, int64_t ended_at_ms) {
    leases_reading_begin(bench->leases, bench->now);
    assert_int_equal(leases_reading_put(bench->leases, id, ended_at_ms), 0);
    leases_reading_end(bench->leases);
    company_tick(bench->company, bench->now, true);
}

static void commit_connected(struct bench *bench, const char *user, const char *incarnation) {
    struct own_session session = {
        .session = "s", .device = "d", .incarnation = incarnation, .state = "active", .state_at = NOW};
    commit(bench, &(struct record){.kind = RECORD_STATE, .state = {.id = user, .sessions = {&session, 1, true}}});
}

static void a_dead_worker_leaves_no_ghost(void **state) {
    struct bench *bench = *state;
    char worker[LEDIG_ID_CHARS_MAX + 1];
    lease_id(NOW - 1, "w", worker);
    commit_person(bench, "kari");
    commit_connected(bench, "kari", worker);
    assert_string_equal(member_row(news(bench), "kari")->presence, "active");
    read_leases(bench, worker, 0);
    expect_counts(news(bench), 0, 0, 0, 0);
    bench->now = NOW + 100;
    read_leases(bench, worker, NOW + 50);
    expect_counts(news(bench), 0, 0, 0, 0);
    assert_int_equal(company_next_due(bench->company), NOW + 50 + SESSION_GRACE_MS);
    company_tick(bench->company, NOW + 50 + SESSION_GRACE_MS, false);
    assert_null(member_row(news(bench), "kari")->presence);
}

/* ---- Queues ---- */

static struct filter *follow_queue(const char *queue) {
    return filter_create(&(struct texts){.present = true}, &(struct texts){.at = &queue, .count = 1}, "nobody");
}

static void log_in(struct bench *bench, const char *user, const char *pause, const char *status, int64_t wrap_up_until) {
    struct log_in log_in = {.queue = "support", .since = NOW, .pause = pause};
    struct record record = {
        .kind = RECORD_STATE,
        .state = {.id = user, .status = status, .wrap_up_until = wrap_up_until, .log_ins = {&log_in, 1, true}}};
    commit(bench, &record);
}

static void expect_queue(const struct message_changes *changes, uint32_t idle, uint32_t busy, uint32_t wrap_up,
                         uint32_t waiting, int64_t oldest_at) {
    const struct part_queue_row *row = queue_row(changes, "support");
    assert_non_null(row);
    assert_int_equal(row->free, idle);
    assert_int_equal(row->busy, busy);
    assert_int_equal(row->wrap_up, wrap_up);
    assert_int_equal(row->waiting, waiting);
    assert_int_equal(row->oldest_at, oldest_at);
}

static void a_queue_row_follows_those_who_are_logged_in(void **state) {
    struct bench *bench = *state;
    struct filter *filter = follow_queue("support");
    uint64_t cursor = 0;
    commit_person(bench, "kari");
    commit_person(bench, "ola");
    commit_person(bench, "nina");
    log_in(bench, "kari", NULL, NULL, 0); /* before the queue is known here */
    assert_false(company_has_queue(bench->company, "support"));
    expect_counts(walk_with(bench, filter, &cursor), 0, 0, 0, 0);
    commit(bench, &(struct record){.kind = RECORD_QUEUE, .queue = {.id = "support"}});
    assert_true(company_has_queue(bench->company, "support"));
    expect_queue(walk_with(bench, filter, &cursor), 1, 0, 0, 0, 0);
    log_in(bench, "ola", NULL, NULL, NOW + 100);
    expect_queue(walk_with(bench, filter, &cursor), 1, 0, 1, 0, 0);
    log_in(bench, "nina", "lunch", NULL, 0);
    expect_queue(walk_with(bench, filter, &cursor), 1, 1, 1, 0, 0);
    company_tick(bench->company, NOW + 100, false);
    expect_queue(walk_with(bench, filter, &cursor), 2, 1, 0, 0, 0);
    log_in(bench, "kari", NULL, "dnd", 0);
    expect_queue(walk_with(bench, filter, &cursor), 1, 2, 0, 0, 0);
    struct record record = busy_state("kari", 0);
    commit(bench, &record); /* logged out */
    expect_queue(walk_with(bench, filter, &cursor), 1, 1, 0, 0, 0);
    commit_tombstone(bench, "profile:ola");
    expect_queue(walk_with(bench, filter, &cursor), 0, 1, 0, 0, 0);
    commit_tombstone(bench, "state:nina");
    expect_queue(walk_with(bench, filter, &cursor), 0, 0, 0, 0, 0);
    record = free_state("kari");
    commit(bench, &record);
    expect_counts(walk_with(bench, filter, &cursor), 0, 0, 0, 0); /* nothing to do with the queue */
    filter_free(filter);
}

static struct record waiting_call(const char *id, int64_t arrived_at, int64_t poll_until, const char *incarnation) {
    return (struct record){.kind = RECORD_CALL,
                           .call = {.id = id,
                                    .queue = "support",
                                    .arrived_at = arrived_at,
                                    .poll_until = poll_until,
                                    .incarnation = incarnation}};
}

static void a_queue_row_counts_the_calls_that_wait(void **state) {
    struct bench *bench = *state;
    struct filter *filter = follow_queue("support");
    uint64_t cursor = 0;
    commit(bench, &(struct record){.kind = RECORD_QUEUE, .queue = {.id = "support"}});
    struct record first = waiting_call("c1", NOW - 30, NOW + 1000, NULL);
    struct record second = waiting_call("c2", NOW - 20, NOW + 2000, NULL);
    commit(bench, &second);
    expect_queue(walk_with(bench, filter, &cursor), 0, 0, 0, 1, NOW - 20);
    commit(bench, &first);
    expect_queue(walk_with(bench, filter, &cursor), 0, 0, 0, 2, NOW - 30);
    assert_int_equal(company_next_due(bench->company), NOW + 6000);
    company_tick(bench->company, NOW + 5999, false);
    expect_counts(walk_with(bench, filter, &cursor), 0, 0, 0, 0);
    company_tick(bench->company, NOW + 6000, false); /* its request was not renewed */
    expect_queue(walk_with(bench, filter, &cursor), 0, 0, 0, 1, NOW - 20);
    struct leg leg = {.user = "kari", .state = "claimed", .since = NOW};
    second.call.legs = (struct list){&leg, 1, true};
    commit(bench, &second);
    expect_queue(walk_with(bench, filter, &cursor), 0, 0, 0, 0, 0);
    filter_free(filter);
}

static void a_waiting_call_goes_with_its_worker(void **state) {
    struct bench *bench = *state;
    struct filter *filter = follow_queue("support");
    uint64_t cursor = 0;
    char worker[LEDIG_ID_CHARS_MAX + 1];
    lease_id(NOW - 1, "w", worker);
    commit(bench, &(struct record){.kind = RECORD_QUEUE, .queue = {.id = "support"}});
    struct record call = waiting_call("c1", NOW - 30, NOW + 60000, worker);
    commit(bench, &call);
    expect_queue(walk_with(bench, filter, &cursor), 0, 0, 0, 1, NOW - 30);
    bench->now = NOW + 10;
    read_leases(bench, worker, NOW + 5);
    assert_int_equal(company_next_due(bench->company), NOW + 5 + 5000);
    company_tick(bench->company, NOW + 5 + 5000, false);
    expect_queue(walk_with(bench, filter, &cursor), 0, 0, 0, 0, 0);
    filter_free(filter);
}

static void an_ended_call_is_forgotten_after_a_while(void **state) {
    struct bench *bench = *state;
    commit(bench, &(struct record){.kind = RECORD_CALL, .call = {.id = "c1", .seq = 7, .ended_at = NOW}});
    assert_int_equal(company_revision(bench->company, "call:c1", NULL, NULL), 101);
    commit_tombstone(bench, "call:c2");
    assert_int_equal(company_next_due(bench->company), NOW + 600000);
    company_tick(bench->company, NOW + 600000, false);
    assert_int_equal(company_revision(bench->company, "call:c1", NULL, NULL), 0);
    assert_int_equal(company_revision(bench->company, "call:c2", NULL, NULL), 0);
    assert_int_equal(company_next_due(bench->company), NEVER);
}

static void a_queue_that_is_gone_shows_zeros(void **state) {
    struct bench *bench = *state;
    struct filter *filter = follow_queue("support");
    uint64_t cursor = 0;
    commit(bench, &(struct record){.kind = RECORD_QUEUE, .queue = {.id = "support"}});
    commit_person(bench, "kari");
    log_in(bench, "kari", NULL, NULL, 0);
    expect_queue(walk_with(bench, filter, &cursor), 1, 0, 0, 0, 0);
    commit_tombstone(bench, "queue:support");
    expect_queue(walk_with(bench, filter, &cursor), 0, 0, 0, 0, 0);
    assert_false(company_has_queue(bench->company, "support"));
    filter_free(filter);
}

/* ---- Filters ---- */

static struct filter *follow(const char *const *users, uint32_t count, const char *queue, const char *self) {
    return filter_create(&(struct texts){.at = users, .count = count, .present = true},
                         &(struct texts){.at = &queue, .count = queue != NULL}, self);
}

static void a_filter_lets_through_whom_it_names_and_oneself(void **state) {
    struct bench *bench = *state;
    static const char *const ola[] = {"ola", "not-there-yet"};
    commit(bench, &(struct record){.kind = RECORD_QUEUE, .queue = {.id = "support"}});
    commit_person(bench, "kari");
    commit_person(bench, "ola");
    commit_person(bench, "nina");
    commit_tombstone(bench, "profile:nina");
    uint64_t cursor = 0;
    struct filter *filter = follow(ola, 2, NULL, "kari");
    const struct message_changes *changes = walk_with(bench, filter, &cursor);
    expect_counts(changes, 2, 2, 0, 0);
    assert_non_null(member_row(changes, "kari"));
    assert_non_null(member_row(changes, "ola"));
    assert_int_equal(cursor, company_last_place(bench->company));
    filter_free(filter);
    cursor = 0;
    expect_counts(walk_with(bench, bench->all, &cursor), 2, 2, 0, 1);
    const char *support = "support";
    filter = filter_create(&(struct texts){.all = true}, &(struct texts){.at = &support, .count = 1}, "kari");
    cursor = 0;
    expect_counts(walk_with(bench, filter, &cursor), 2, 2, 1, 1);
    filter_free(filter);
}

static void filters_with_the_same_effect_are_equal(void **state) {
    (void)state;
    static const char *const forth[] = {"a", "b", "c"}, *const back[] = {"c", "b", "a", "b"};
    struct filter *all = filter_create(&(struct texts){.all = true}, NULL, "a");
    struct filter *same_all = filter_create(&(struct texts){.all = true}, &(struct texts){.present = true}, "b");
    struct filter *three = follow(forth, 3, NULL, "a");
    struct filter *three_too = follow(back, 4, NULL, "c");
    struct filter *with_self = follow(forth, 2, NULL, "c");
    struct filter *two = follow(forth, 2, NULL, "a");
    struct filter *queue = follow(forth, 3, "q", "a");
    struct filter *none = follow(NULL, 0, NULL, "a");
    assert_true(filter_is_all(all));
    assert_true(filter_equal(all, same_all));
    assert_true(filter_equal(three, three_too));
    assert_true(filter_equal(three, with_self));
    assert_false(filter_equal(three, two));
    assert_false(filter_equal(three, queue));
    assert_false(filter_equal(three, all));
    assert_false(filter_equal(two, none));
    assert_false(filter_is_all(three));
    struct filter *filters[] = {all, same_all, three, three_too, with_self, two, queue, none};
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++)
        filter_free(filters[i]);
}

/* ---- Frames ---- */

static void a_large_company_comes_in_frames_of_64_kib(void **state) {
    struct bench *bench = *state;
    enum { PEOPLE = 3000 };
    for (int i = 0; i < PEOPLE; i++) {
        char user[16];
        snprintf(user, sizeof user, "user%d", i);
        commit_person(bench, user);
    }
    for (enum encoding encoding = ENCODING_MSGPACK; encoding < ENCODING_COUNT; encoding++) {
        uint64_t cursor = 0;
        uint32_t members = 0, profiles = 0, frames = 0;
        for (bool more = true; more; frames++) {
            frame_begin(&bench->frame, encoding);
            more = company_walk(bench->company, bench->all, &cursor, &bench->frame);
            const struct message_changes *changes = decode_frame(bench, encoding, more);
            members += changes->members.count;
            profiles += changes->profiles.count;
            assert_true(!more || bench->bytes.length > LEDIG_MESSAGE_BYTES_MAX - 2048);
            arena_reset(bench->arena);
        }
        assert_int_equal(members, PEOPLE);
        assert_int_equal(profiles, PEOPLE);
        assert_in_range(frames, 2, 20);
        assert_int_equal(cursor, company_last_place(bench->company));
    }
}

static void an_answer_has_both_rows_of_a_person_or_none(void **state) {
    struct bench *bench = *state;
    struct record record = profile("kari");
    commit(bench, &record);
    commit(bench, &(struct record){.kind = RECORD_QUEUE, .queue = {.id = "support"}});
    frame_begin(&bench->frame, ENCODING_MSGPACK);
    const struct member *kari = company_member(bench->company, "kari");
    assert_true(company_add_member(bench->company, kari, &bench->frame));
    assert_true(company_add_queue(bench->company, "support", &bench->frame));
    assert_true(company_add_queue(bench->company, "nowhere", &bench->frame));
    const struct message_changes *changes = decode_frame(bench, ENCODING_MSGPACK, false);
    expect_counts(changes, 1, 1, 1, 0);
    assert_string_equal(member_row(changes, "kari")->availability, "unknown");
    uint32_t people = 1;
    while (company_add_member(bench->company, kari, &bench->frame))
        people++;
    assert_false(company_add_member(bench->company, kari, &bench->frame));
    changes = decode_frame(bench, ENCODING_MSGPACK, false);
    expect_counts(changes, people, people, 1, 0);
}

/* ---- Places ---- */

static bool resume(struct bench *bench, const char *epoch, uint64_t version, int64_t now_ms, bool more,
                   uint64_t *cursor) {
    struct place place = {.epoch = epoch, .version = version, .now_ms = now_ms, .more = more};
    return company_resume(bench->company, &place, bench->now, cursor);
}

static void a_place_is_good_or_not(void **state) {
    struct bench *bench = *state;
    commit(bench, &(struct record){.kind = RECORD_COMPANY, .company = {.id = "acme"}}); /* 101 */
    commit_person(bench, "kari");                                                       /* 102, 103 */
    company_set_history(bench->company, 50, &(struct company_epoch){"e0", 102}, 1);
    static const struct {
        const char *epoch;
        uint64_t version;
        int64_t age_ms;
        bool more, good;
    } cases[] = {
        {"e1", 103, 0, false, true},
        {"e1", 103, 0, true, true},
        {"e1", 101, 0, false, true},
        {"e1", 100, 0, false, false}, /* older than the company's own record */
        {"e1", 104, 0, false, false}, /* ahead of the replica */
        {"e1", 103, DAY_MS - 1, false, true},
        {"e1", 103, DAY_MS, false, false},
        {"e0", 102, 0, false, true},
        {"e0", 102, 0, true, false},
        {"e0", 103, 0, false, false}, /* may be lost */
        {"e7", 101, 0, false, false},
        {"", 101, 0, false, false},
        {NULL, 101, 0, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t cursor;
        bool good =
            resume(bench, cases[i].epoch, cases[i].version, NOW - cases[i].age_ms, cases[i].more, &cursor);
        assert_int_equal(good, cases[i].good);
    }
    company_set_history(bench->company, 103, NULL, 0);
    uint64_t cursor;
    assert_false(resume(bench, "e1", 102, NOW, false, &cursor));
    assert_true(resume(bench, "e1", 103, NOW, false, &cursor));
    assert_false(resume(bench, "e0", 102, NOW, false, &cursor));
}

static void who_resumes_gets_what_was_committed_after(void **state) {
    struct bench *bench = *state;
    commit_person(bench, "kari");
    commit_person(bench, "ola");
    commit_person(bench, "nina");
    uint64_t version = company_version(bench->company);
    uint64_t cursor;
    assert_true(resume(bench, "e1", version, NOW, false, &cursor));
    assert_int_equal(cursor, company_last_place(bench->company));
    struct record record = busy_state("ola", 0);
    commit(bench, &record);
    assert_true(resume(bench, "e1", version, NOW, false, &cursor));
    const struct message_changes *changes = walk_with(bench, bench->all, &cursor);
    expect_counts(changes, 1, 0, 0, 0);
    assert_non_null(member_row(changes, "ola"));
}

static void a_change_that_shows_nothing_sends_nobody_back(void **state) {
    struct bench *bench = *state;
    commit_person(bench, "kari");
    commit_person(bench, "ola");
    uint64_t version = company_version(bench->company), cursor;
    struct record record = free_state("kari");
    record.state.last_active = NOW;
    commit(bench, &record);
    assert_true(resume(bench, "e1", version, NOW, false, &cursor));
    assert_int_equal(cursor, company_last_place(bench->company));
}

static void who_resumes_gets_what_the_clock_changed_since(void **state) {
    struct bench *bench = *state;
    commit_person(bench, "kari");
    commit_person(bench, "ola");
    struct record record = busy_state("kari", NOW + 10000);
    commit(bench, &record);
    uint64_t version = company_version(bench->company), cursor;
    bench->now = NOW + 10000;
    company_tick(bench->company, bench->now, false);
    assert_true(resume(bench, "e1", version, NOW + 15000, false, &cursor)); /* has seen it */
    assert_int_equal(cursor, company_last_place(bench->company));
    assert_true(resume(bench, "e1", version, NOW + 14999, false, &cursor)); /* within the slack */
    const struct message_changes *changes = walk_with(bench, bench->all, &cursor);
    expect_counts(changes, 1, 0, 0, 0);
    assert_string_equal(member_row(changes, "kari")->availability, "available");
}

static void queue_rows_are_sent_again_at_every_resume(void **state) {
    struct bench *bench = *state;
    commit(bench, &(struct record){.kind = RECORD_QUEUE, .queue = {.id = "support"}});
    commit_person(bench, "kari");
    struct filter *filter = follow_queue("support");
    uint64_t cursor;
    for (int i = 0; i < 3; i++) {
        assert_true(resume(bench, "e1", company_version(bench->company), NOW + 1, false, &cursor));
        expect_queue(walk_with(bench, filter, &cursor), 0, 0, 0, 0, 0);
    }
    filter_free(filter);
}

/* A replica that was loaded after the fact knows no id to tell of. */
static void who_left_before_the_replica_was_loaded_voids_older_places(void **state) {
    struct bench *bench = *state;
    commit_person(bench, "ola");              /* 101, 102 */
    commit_tombstone(bench, "profile:kari");  /* 103 */
    commit_tombstone(bench, "access:kari");   /* 104 */
    commit_tombstone(bench, "call:c1");       /* 105 */
    uint64_t cursor;
    assert_false(resume(bench, "e1", 102, NOW, false, &cursor));
    assert_true(resume(bench, "e1", 103, NOW, false, &cursor));
}

static void who_came_back_is_sent_whole_to_one_who_saw_them_leave(void **state) {
    struct bench *bench = *state;
    commit_person(bench, "kari");
    commit_tombstone(bench, "profile:kari");
    uint64_t seen_leaving = company_version(bench->company), cursor;
    struct record record = profile("kari");
    commit(bench, &record);
    assert_true(resume(bench, "e1", seen_leaving, NOW, false, &cursor));
    expect_counts(walk_with(bench, bench->all, &cursor), 1, 1, 0, 0);
    record.profile.name = "Kari"; /* a new name alone sends no state again */
    uint64_t version = company_version(bench->company);
    commit(bench, &record);
    assert_true(resume(bench, "e1", version, NOW, false, &cursor));
    expect_counts(walk_with(bench, bench->all, &cursor), 0, 1, 0, 0);
}

static void before_the_first_load_no_place_is_good(void **state) {
    struct bench *bench = *state;
    struct company *empty = company_open("acme", bench->leases);
    uint64_t cursor;
    struct place place = {.epoch = "", .version = 0, .now_ms = NOW};
    assert_false(company_resume(empty, &place, NOW, &cursor));
    assert_string_equal(company_epoch(empty), "");
    assert_string_equal(company_id(empty), "acme");
    company_close(empty);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_person_without_consent_has_a_profile_and_no_state),
        CASE(a_row_carries_the_whole_view),
        CASE(withdrawn_consent_shows_as_unknown_and_nothing_else),
        CASE(who_leaves_is_told_of_and_shown_no_more),
        CASE(who_comes_back_is_shown_whole),
        CASE(who_left_long_ago_is_forgotten),
        CASE(a_state_that_comes_before_its_profile_is_shown_with_it),
        CASE(a_withdrawal_that_comes_before_the_profile_is_shown_with_it),
        CASE(a_withdrawal_whose_consent_was_never_heard_of_is_shown),
        CASE(a_number_leads_to_its_person_or_queue),
        CASE(an_entity_tells_its_user),
        CASE(a_change_that_shows_nothing_moves_nobody_but_is_held),
        CASE(after_a_gap_the_same_row_counts_as_changed),
        CASE(an_older_revision_is_ignored_unless_all_is_compared),
        CASE(what_a_comparison_does_not_name_is_gone),
        CASE(a_damaged_record_leaves_the_entity_as_it_was),
        CASE(bytes_are_lent_as_they_were_stored),
        CASE(how_a_person_gets_in_is_held_but_never_shown),
        CASE(time_passes_without_a_write),
        CASE(a_shift_ends_for_all_who_follow_it),
        CASE(a_dead_worker_leaves_no_ghost),
        CASE(a_queue_row_follows_those_who_are_logged_in),
        CASE(a_queue_row_counts_the_calls_that_wait),
        CASE(a_waiting_call_goes_with_its_worker),
        CASE(an_ended_call_is_forgotten_after_a_while),
        CASE(a_queue_that_is_gone_shows_zeros),
        CASE(a_filter_lets_through_whom_it_names_and_oneself),
        CASE(filters_with_the_same_effect_are_equal),
        CASE(a_large_company_comes_in_frames_of_64_kib),
        CASE(an_answer_has_both_rows_of_a_person_or_none),
        CASE(a_place_is_good_or_not),
        CASE(who_resumes_gets_what_was_committed_after),
        CASE(a_change_that_shows_nothing_sends_nobody_back),
        CASE(who_resumes_gets_what_the_clock_changed_since),
        CASE(queue_rows_are_sent_again_at_every_resume),
        CASE(who_left_before_the_replica_was_loaded_voids_older_places),
        CASE(who_came_back_is_sent_whole_to_one_who_saw_them_leave),
        CASE(before_the_first_load_no_place_is_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
