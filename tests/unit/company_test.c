/* The replica: what it takes in, what it shows, and who moves. */
#include "tests/unit/company_fixture.h"
#include "tests/unit/lease_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first
#include <cmocka.h>

static const struct entity_names unkeyed;

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
    assert_int_equal(company_revision(bench->company, named("profile:kari")), 0);
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
    assert_int_equal(company_revision(bench->company, named("state:kari")), 0);
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
    commit(bench, &(struct record){.kind = RECORD_QUEUE,
                                   .queue = {.id = "support", .numbers = {numbers + 1, 1, true, false}}});
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
    assert_string_equal(company_entity_user(bench->company, named("state:kari")), "kari");
    assert_string_equal(company_entity_user(bench->company, named("profile:kari")), "kari");
    assert_null(company_entity_user(bench->company, "access:kari"));
    assert_null(company_entity_user(bench->company, named("state:ola")));
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
    assert_int_equal(company_revision(bench->company, named("state:kari")), 103);
    assert_int_equal(company_revision(bench->company, named("profile:kari")), 104);
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
    company_seen(bench->company, named("profile:kari"));
    assert_int_equal(write_record(bench, &free, 102, false, true), 0);
    assert_int_equal(company_compare_end(bench->company, 2000, NOW), 0);
    const struct message_changes *changes = news(bench);
    expect_counts(changes, 1, 0, 0, 0);
    assert_string_equal(member_row(changes, "kari")->availability, "available");
    assert_int_equal(company_revision(bench->company, named("state:kari")), 102);
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
    company_seen(bench->company, named("profile:kari"));
    assert_int_equal(company_compare_end(bench->company, 2000, NOW), 0);
    const struct message_changes *changes = news(bench);
    expect_counts(changes, 1, 0, 0, 1);
    assert_string_equal(member_row(changes, "kari")->availability, "unknown");
    assert_string_equal(changes->removed.at[0], "ola");
    assert_false(company_has_queue(bench->company, "support"));
    assert_null(company_settings(bench->company));
    const uint8_t *bytes = (const uint8_t *)"";
    size_t length;
    assert_int_equal(company_revision(bench->company, named("state:ola")), 2000);
    assert_int_equal(company_lend_record(bench->company, named("state:ola"), &bytes, &length), 0);
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
        struct company_write write = {named(cases[i].entity), 200, (const uint8_t *)cases[i].bytes, cases[i].length};
        assert_int_equal(company_apply(bench->company, &write, false, false, NOW), cases[i].error);
    }
    expect_counts(news(bench), 0, 0, 0, 0);
    assert_int_equal(company_revision(bench->company, named("state:kari")), 102);
    assert_int_equal(company_revision(bench->company, "keys:kari"), 0);
}

static void bytes_are_lent_as_they_were_stored(void **state) {
    struct bench *bench = *state;
    struct record record = profile("kari");
    commit(bench, &record);
    const uint8_t *bytes;
    size_t length;
    assert_int_equal(company_lend_record(bench->company, named("profile:kari"), &bytes, &length), 0);
    assert_int_equal(length, bench->bytes.length);
    assert_memory_equal(bytes, bench->bytes.bytes, length);
    assert_int_equal(company_lend_record(bench->company, named("profile:ola"), &bytes, &length), 0);
    assert_null(bytes);
}

/* An update is computed from what is lent, so a field that is lost here is lost in the store. */
static void what_a_later_version_wrote_is_lent_whole(void **state) {
    struct bench *bench = *state;
    const struct rest rest = {(const uint8_t *)"\xa2zz\x92\x01\xa1y", 7, 1};
    struct week_hours week = {.day = 6, .from = 480, .to = 960, .rest = rest};
    struct day_hours day = {.date = 20000, .name = "Julaften", .rest = rest};
    struct schedule schedule = {
        .id = "day", .zone = "Europe/Oslo", .week = {&week, 1, true}, .days = {&day, 1, true}, .rest = rest};
    struct department_schedule department = {.department = "Salg", .schedule = "day", .rest = rest};
    struct consent consent = {.purpose = "presence", .granted = true, .rest = rest};
    struct own_session session = {
        .session = "s", .device = "d", .incarnation = "1-w", .state = "idle", .state_at = NOW, .rest = rest};
    struct own_call own_call = {.call = "c", .state = "active", .since = NOW, .rest = rest};
    struct log_in log_in = {.queue = "support", .since = NOW, .rest = rest};
    struct leg leg = {.user = "kari", .state = "active", .since = NOW, .rest = rest};
    struct record records[] = {
        {.kind = RECORD_COMPANY,
         .company = {.id = "acme",
                     .zone = "UTC",
                     .schedules = {&schedule, 1, true},
                     .schedule = "day",
                     .departments = {&department, 1, true},
                     .rest = rest}},
        {.kind = RECORD_STATE,
         .state = {.id = "kari",
                   .sessions = {&session, 1, true},
                   .calls = {&own_call, 1, true},
                   .log_ins = {&log_in, 1, true},
                   .rest = rest}},
        {.kind = RECORD_PROFILE, .profile = {.id = "kari", .consents = {&consent, 1, true}, .rest = rest}},
        {.kind = RECORD_QUEUE, .queue = {.id = "support", .numbers = {.present = true}, .rest = rest}},
        {.kind = RECORD_CALL, .call = {.id = "c", .queue = "sales", .legs = {&leg, 1, true}, .rest = rest}},
    };
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        char name[ENTITY_NAME_BYTES_MAX];
        const uint8_t *bytes;
        size_t length;
        entity_name(&unkeyed, records[i].kind, record_id(&records[i]), name);
        commit(bench, &records[i]);
        assert_int_equal(company_lend_record(bench->company, name, &bytes, &length), 0);
        assert_int_equal(length, bench->bytes.length);
        assert_memory_equal(bytes, bench->bytes.bytes, length);
    }
}

static void of_how_a_person_gets_in_only_whom_it_admits_is_held(void **state) {
    struct bench *bench = *state;
    const struct device_known devices[] = {{.login = "00000000000000a1", .device = "phone"},
                                           {.login = "00000000000000b2", .device = "desk"}};
    struct record access = {
        .kind = RECORD_ACCESS,
        .access = {.id = "kari", .password = "x", .not_before = NOW, .devices = {devices, 2, true}}};
    const uint8_t *bytes;
    size_t length;
    commit_person(bench, "kari");
    news(bench);
    assert_true(company_admits(bench->company, "kari", "", NOW));
    assert_false(company_admits(bench->company, "kari", "00000000000000a1", NOW));
    commit(bench, &access);
    assert_int_equal(company_lend_record(bench->company, named("access:kari"), &bytes, &length), LEDIG_ENOT_FOUND);
    assert_string_equal(company_entity_user(bench->company, named("access:kari")), "kari");
    expect_counts(news(bench), 0, 0, 0, 0);
    assert_int_equal(company_revision(bench->company, named("access:kari")), 103);
    assert_true(company_admits(bench->company, "kari", "", NOW));
    assert_true(company_admits(bench->company, "kari", "00000000000000a1", NOW));
    assert_true(company_admits(bench->company, "kari", "00000000000000b2", NOW - 999)); /* the same second */
    assert_false(company_admits(bench->company, "kari", "00000000000000b2", NOW - 1000));
    assert_false(company_admits(bench->company, "kari", "", NOW - 1000));
    assert_false(company_admits(bench->company, "kari", "00000000000000c3", NOW));
    access.access.devices.count = 1;
    commit(bench, &access);
    assert_false(company_admits(bench->company, "kari", "00000000000000b2", NOW));
    commit_tombstone(bench, "access:kari");
    assert_false(company_admits(bench->company, "kari", "00000000000000a1", NOW));
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

/* ---- Hours of work ---- */

#define MINUTE 60000LL

/* Open from the minute before NOW on, for so many minutes: NOW is 08:00 UTC on a Friday. */
static struct week_hours hours_now(uint32_t minutes) {
    return (struct week_hours){.day = 4, .from = 479, .to = 479 + minutes};
}

static void commit_schedules(struct bench *bench, const char *whole, const char *department) {
    struct week_hours weeks[] = {hours_now(2), hours_now(3), hours_now(4)};
    static const char *const ids[] = {"whole", "department", "own"};
    struct schedule schedules[3];
    struct department_schedule of_sales = {.department = "Salg", .schedule = department};
    for (int i = 0; i < 3; i++)
        schedules[i] = (struct schedule){.id = ids[i], .week = {&weeks[i], 1, true}};
    commit(bench, &(struct record){.kind = RECORD_COMPANY,
                                   .company = {.id = "acme",
                                               .schedules = {schedules, 3, true},
                                               .schedule = whole,
                                               .departments = {&of_sales, department != NULL, true}}});
}

static void commit_hours_of(struct bench *bench, const char *user, const char *department, const char *schedule) {
    struct record record = profile(user);
    record.profile.department = department;
    record.profile.schedule = schedule;
    commit(bench, &record);
}

static void a_shift_ends_for_all_who_follow_it(void **state) {
    struct bench *bench = *state;
    commit_person(bench, "kari");
    commit_person(bench, "ola");
    struct record record = busy_state("ola", 0);
    commit(bench, &record);
    news(bench);
    commit_schedules(bench, "whole", NULL);
    expect_counts(news(bench), 1, 0, 0, 0); /* since when has changed */
    assert_int_equal(company_next_due(bench->company), NOW + MINUTE);
    company_tick(bench->company, NOW + MINUTE - 1, false);
    expect_counts(news(bench), 0, 0, 0, 0);
    company_tick(bench->company, NOW + MINUTE, false);
    const struct message_changes *changes = news(bench);
    expect_counts(changes, 1, 0, 0, 0);
    assert_string_equal(member_row(changes, "kari")->activity, "off_work");
    assert_int_equal(member_row(changes, "kari")->since, NOW + MINUTE);
    assert_int_equal(member_row(changes, "kari")->until, NOW - MINUTE + 7 * DAY_MS);
    company_tick(bench->company, NOW - MINUTE + 7 * DAY_MS, false);
    assert_string_equal(member_row(news(bench), "kari")->availability, "available");
}

static void a_persons_hours_come_before_the_departments_and_those_before_the_companys(void **state) {
    struct bench *bench = *state;
    const struct {
        const char *user, *department, *schedule;
        int64_t ends;
    } cases[] = {{"a", NULL, NULL, 1},        {"b", "Salg", NULL, 2},       {"c", "Salg", "own", 3},
                 {"d", "Salg", "nothing", 2}, {"e", "Lager", "nothing", 1}, {"f", "Lager", "department", 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        commit_person(bench, cases[i].user);
        commit_hours_of(bench, cases[i].user, cases[i].department, cases[i].schedule);
    }
    commit_schedules(bench, "whole", "department");
    for (int64_t minute = 0; minute < 5; minute++) {
        company_tick(bench->company, NOW + minute * MINUTE, false);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            const struct view *view = member_view(company_member(bench->company, cases[i].user));
            assert_int_equal(view->availability, minute < cases[i].ends ? AVAILABILITY_AVAILABLE : AVAILABILITY_AWAY);
        }
    }
    commit_schedules(bench, NULL, NULL);
    assert_int_equal(member_view(company_member(bench->company, "a"))->availability, AVAILABILITY_AVAILABLE);
    assert_int_equal(member_view(company_member(bench->company, "b"))->availability, AVAILABILITY_AVAILABLE);
    assert_int_equal(member_view(company_member(bench->company, "c"))->since, NOW - MINUTE);
}

/* Which hours are a person's is said by the profile, and seen in the other row. */
static void a_profile_with_other_hours_moves_the_persons_row(void **state) {
    struct bench *bench = *state;
    commit_schedules(bench, NULL, "department");
    commit_person(bench, "kari");
    commit_hours_of(bench, "kari", "Lager", NULL);
    news(bench);
    assert_int_equal(company_next_due(bench->company), NEVER);
    commit_hours_of(bench, "kari", "Lager", "own");
    const struct message_changes *changes = news(bench);
    expect_counts(changes, 1, 0, 0, 0);
    assert_int_equal(member_row(changes, "kari")->since, NOW - MINUTE);
    assert_int_equal(company_next_due(bench->company), NOW + 3 * MINUTE);
    commit_hours_of(bench, "kari", "Salg", NULL);
    expect_counts(news(bench), 1, 1, 0, 0);
    assert_int_equal(company_next_due(bench->company), NOW + 2 * MINUTE);
    commit_hours_of(bench, "kari", "Salg", "department"); /* the same hours */
    expect_counts(news(bench), 0, 0, 0, 0);
}

static void hours_that_are_gone_are_nobodys(void **state) {
    struct bench *bench = *state;
    commit_schedules(bench, "whole", NULL);
    commit_person(bench, "kari");
    assert_int_equal(company_next_due(bench->company), NOW + MINUTE);
    commit_tombstone(bench, "company:acme");
    assert_int_equal(company_next_due(bench->company), NEVER);
    assert_int_equal(member_view(company_member(bench->company, "kari"))->availability, AVAILABILITY_AVAILABLE);
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
        CASE(what_a_later_version_wrote_is_lent_whole),
        CASE(of_how_a_person_gets_in_only_whom_it_admits_is_held),
        CASE(time_passes_without_a_write),
        CASE(a_shift_ends_for_all_who_follow_it),
        CASE(a_persons_hours_come_before_the_departments_and_those_before_the_companys),
        CASE(a_profile_with_other_hours_moves_the_persons_row),
        CASE(hours_that_are_gone_are_nobodys),
        CASE(a_dead_worker_leaves_no_ghost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
