/* What cursors see through their filters, frame by frame, and where a place leads. */
#include "tests/unit/company_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first
#include <cmocka.h>

static const struct entity_names unkeyed;

/* ---- Filters ---- */

static struct filter *follow(struct bench *bench, const char *const *users, uint32_t count, const char *queue,
                             const char *self) {
    return filter_create(bench->company, &(struct texts){.at = users, .count = count, .present = true},
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
    struct filter *filter = follow(bench, ola, 2, NULL, "kari");
    const struct message_changes *changes = walk_with(bench, filter, &cursor);
    expect_counts(changes, 2, 2, 0, 0);
    assert_non_null(member_row(changes, "kari"));
    assert_non_null(member_row(changes, "ola"));
    assert_int_equal(cursor, company_last_place(bench->company));
    filter_release(filter);
    cursor = 0;
    expect_counts(walk_with(bench, bench->all, &cursor), 2, 2, 0, 1);
    const char *support = "support";
    filter = filter_create(bench->company, &(struct texts){.all = true}, &(struct texts){.at = &support, .count = 1},
                           "kari");
    cursor = 0;
    expect_counts(walk_with(bench, filter, &cursor), 2, 2, 1, 1);
    filter_release(filter);
}

static void ids_in_any_order_and_given_twice_are_one_filter(void **state) {
    struct bench *bench = *state;
    static const char *const forth[] = {"kari", "ola"}, *const back[] = {"ola", "kari", "ola", "kari"};
    commit_person(bench, "kari");
    commit_person(bench, "ola");
    commit_person(bench, "nina");
    struct filter *filters[] = {follow(bench, forth, 2, NULL, NULL), follow(bench, back, 4, NULL, "ola"),
                                follow(bench, back, 1, NULL, "kari")};
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        uint64_t cursor = 0;
        const struct message_changes *changes = walk_with(bench, filters[i], &cursor);
        expect_counts(changes, 2, 2, 0, 0);
        assert_null(member_row(changes, "nina"));
        filter_release(filters[i]);
    }
}

static void equal_filters_are_one(void **state) {
    struct bench *bench = *state;
    static const char *const some[] = {"a", "b"}, *const other[] = {"b"}, *const queue = "q";
    const struct texts everyone = {.all = true}, queues = {.at = &queue, .count = 1};
    struct filter *all = filter_create(bench->company, &everyone, NULL, "a");
    struct filter *with_queue = filter_create(bench->company, &everyone, &queues, "a");
    struct filter *two = follow(bench, some, 2, NULL, "a"), *same = follow(bench, other, 1, NULL, "a");
    struct filter *others = follow(bench, other, 1, NULL, "c");
    assert_ptr_equal(all, bench->all);
    assert_ptr_not_equal(all, with_queue);
    assert_ptr_equal(two, same);
    assert_ptr_not_equal(two, others);
    struct filter *filters[] = {all, with_queue, two, same, others};
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++)
        filter_release(filters[i]);
}

static void count_call(void *owner) {
    ++*(int *)owner;
}

static void only_those_who_follow_are_told(void **state) {
    struct bench *bench = *state;
    static const char *const ola[] = {"ola"}, *const later[] = {"later"}, *const support = "support";
    int told[4] = {0};
    struct filter *filters[] = {
        follow(bench, ola, 1, NULL, "kari"), follow(bench, later, 1, NULL, NULL),
        follow(bench, later, 0, "support", NULL),
        filter_create(bench->company, &(struct texts){.all = true}, &(struct texts){.at = &support, .count = 1}, NULL)};
    for (int i = 0; i < 4; i++)
        filter_set_owner(filters[i], &told[i]);
    commit_person(bench, "ola"); /* a profile and a state */
    assert_int_equal(company_tell(bench->company, count_call), 2);
    assert_int_equal(told[0], 2);
    assert_int_equal(told[1] + told[2], 0);
    assert_int_equal(told[3], 1);
    assert_int_equal(company_tell(bench->company, count_call), 0);
    commit_person(bench, "nina");
    commit(bench, &(struct record){.kind = RECORD_QUEUE, .queue = {.id = "support"}});
    assert_int_equal(company_tell(bench->company, count_call), 3);
    assert_int_equal(told[0], 2);
    assert_true(told[2] == 1 && told[3] >= 2);
    commit_person(bench, "later"); /* followed before it was there */
    company_tell(bench->company, count_call);
    assert_int_equal(told[1], 2);
    assert_int_equal(filter_last_place(filters[1]), company_last_place(bench->company));
    assert_true(filter_last_place(filters[0]) < company_last_place(bench->company));
    for (int i = 0; i < 4; i++)
        filter_release(filters[i]);
}

/* The two ways of walking, by the list and by what the filter names, show the same. */
static void few_of_many_are_found_in_the_order_of_the_list(void **state) {
    struct bench *bench = *state;
    static const char *const few[] = {"user7", "user3", "user99"};
    for (int i = 0; i < 100; i++) {
        char user[16];
        snprintf(user, sizeof user, "user%d", i);
        commit_person(bench, user);
    }
    struct record record = busy_state("user3", 0);
    commit(bench, &record);
    struct filter *filter = follow(bench, few, 3, NULL, NULL);
    uint64_t cursor = 0;
    const struct message_changes *changes = walk_with(bench, filter, &cursor);
    expect_counts(changes, 3, 3, 0, 0);
    const struct part_member *rows = changes->members.at;
    assert_string_equal(rows[0].user, "user7");
    assert_string_equal(rows[1].user, "user99");
    assert_string_equal(rows[2].user, "user3");
    assert_int_equal(cursor, company_last_place(bench->company));
    filter_release(filter);
}

/* The frame begins nearly full, so that each takes one row. */
static void few_of_many_come_in_a_series_too(void **state) {
    struct bench *bench = *state;
    static const char *const few[] = {"user7", "user3", "user99"};
    for (int i = 0; i < 100; i++) {
        char user[16];
        snprintf(user, sizeof user, "user%d", i);
        commit_person(bench, user);
    }
    struct filter *filter = follow(bench, few, 3, NULL, NULL);
    uint64_t cursor = 0;
    uint32_t rows = 0, frames = 0;
    for (bool more = true; more; frames++) {
        frame_begin(&bench->frame, ENCODING_MSGPACK);
        bench->frame.length = LEDIG_MESSAGE_BYTES_MAX - 640 - 1 - 40;
        more = company_walk(bench->company, filter, &cursor, &bench->frame);
        const struct message_changes *changes = decode_frame(bench, ENCODING_MSGPACK, more);
        rows += changes->members.count + changes->profiles.count;
        arena_reset(bench->arena);
        assert_true(frames < 10);
    }
    assert_int_equal(rows, 6);
    assert_true(frames > 2);
    filter_release(filter);
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

static bool resume_with(struct bench *bench, const struct filter *filter, uint64_t version, int64_t now_ms,
                        uint64_t *cursor) {
    struct place place = {.epoch = "e1", .version = version, .now_ms = now_ms};
    return company_resume(bench->company, filter, &place, bench->now, cursor);
}

static bool resume(struct bench *bench, const char *epoch, uint64_t version, int64_t now_ms, bool more,
                   uint64_t *cursor) {
    struct place place = {.epoch = epoch, .version = version, .now_ms = now_ms, .more = more};
    return company_resume(bench->company, bench->all, &place, bench->now, cursor);
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
        {"e1", 103, 0, false, true},          {"e1", 103, 0, true, true},        {"e1", 101, 0, false, true},
        {"e1", 100, 0, false, false}, /* older than the company's own record */
        {"e1", 104, 0, false, false}, /* ahead of the replica */
        {"e1", 103, DAY_MS - 1, false, true}, {"e1", 103, DAY_MS, false, false}, {"e0", 102, 0, false, true},
        {"e0", 102, 0, true, false},          {"e0", 103, 0, false, false}, /* may be lost */
        {"e7", 101, 0, false, false},         {"", 101, 0, false, false},        {NULL, 101, 0, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t cursor;
        bool good = resume(bench, cases[i].epoch, cases[i].version, NOW - cases[i].age_ms, cases[i].more, &cursor);
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

/* Which hours are a person's is said by the profile, though the row is made of the state. */
static void other_hours_in_the_profile_are_sent_to_who_resumes(void **state) {
    struct bench *bench = *state;
    struct week_hours week = {.day = 4, .from = 479, .to = 485};
    struct schedule schedule = {.id = "day", .week = {&week, 1, true}};
    commit(bench,
           &(struct record){.kind = RECORD_COMPANY, .company = {.id = "acme", .schedules = {&schedule, 1, true}}});
    commit_person(bench, "ola");
    commit_person(bench, "kari");
    uint64_t version = company_version(bench->company), cursor;
    struct record record = profile("kari");
    record.profile.schedule = "day";
    commit(bench, &record);
    assert_true(resume(bench, "e1", version, NOW + 3600000, false, &cursor));
    const struct message_changes *changes = walk_with(bench, bench->all, &cursor);
    expect_counts(changes, 1, 0, 0, 0);
    assert_non_null(member_row(changes, "kari"));
    /* and also where the state is heard of after the profile */
    record = free_state("ola");
    record.state.last_active = NOW;
    uint64_t before = company_revision(bench->company, "state:ola");
    struct record other = profile("ola");
    other.profile.schedule = "day";
    version = company_version(bench->company);
    commit(bench, &other);
    write_record(bench, &record, before - 1, false, true);
    assert_true(resume(bench, "e1", version, NOW + 3600000, false, &cursor));
    assert_non_null(member_row(walk_with(bench, bench->all, &cursor), "ola"));
}

/* A replica that heard of the second device later may have shown the first one going idle. */
static void other_facts_behind_the_same_row_are_sent_to_who_resumes(void **state) {
    struct bench *bench = *state;
    commit_person(bench, "ola");
    commit_person(bench, "kari");
    struct own_session sessions[] = {
        {.session = "1", .device = "1", .incarnation = "x", .state = "idle", .state_at = NOW, .before = "active"},
        {.session = "2", .device = "2", .incarnation = "x", .state = "active", .state_at = NOW + 1},
    };
    struct record record = free_state("kari");
    record.state.sessions = (struct list){sessions, 1, true};
    commit(bench, &record);
    news(bench);
    uint64_t version = company_version(bench->company), cursor;
    record.state.sessions.count = 2;
    commit(bench, &record);
    expect_counts(news(bench), 0, 0, 0, 0);
    assert_true(resume(bench, "e1", version, NOW, false, &cursor));
    const struct message_changes *changes = walk_with(bench, bench->all, &cursor);
    expect_counts(changes, 1, 0, 0, 0);
    assert_string_equal(member_row(changes, "kari")->presence, "active");
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
    struct filter *filter = follow_queue(bench, "support");
    uint64_t cursor;
    for (int i = 0; i < 3; i++) {
        assert_true(resume_with(bench, filter, company_version(bench->company), NOW + 1, &cursor));
        expect_queue(walk_with(bench, filter, &cursor), 0, 0, 0, 0, 0);
    }
    filter_release(filter);
}

static void a_resume_that_follows_no_queue_moves_nothing(void **state) {
    struct bench *bench = *state;
    commit(bench, &(struct record){.kind = RECORD_QUEUE, .queue = {.id = "support"}});
    commit_person(bench, "kari");
    uint64_t cursor, last = company_last_place(bench->company);
    assert_true(resume(bench, "e1", company_version(bench->company), NOW + 1, false, &cursor));
    assert_int_equal(cursor, last);
    assert_int_equal(company_last_place(bench->company), last);
}

/* A replica that was loaded after the fact knows no id to tell of. */
static void who_left_before_the_replica_was_loaded_voids_older_places(void **state) {
    struct bench *bench = *state;
    commit_person(bench, "ola");             /* 101, 102 */
    commit_tombstone(bench, "profile:kari"); /* 103 */
    commit_tombstone(bench, "access:kari");  /* 104 */
    commit_tombstone(bench, "call:c1");      /* 105 */
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
    struct company *empty = company_open("acme", bench->leases, &unkeyed);
    uint64_t cursor;
    struct place place = {.epoch = "", .version = 0, .now_ms = NOW};
    assert_false(company_resume(empty, bench->all, &place, NOW, &cursor));
    assert_string_equal(company_epoch(empty), "");
    company_close(empty);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_filter_lets_through_whom_it_names_and_oneself),
        CASE(ids_in_any_order_and_given_twice_are_one_filter),
        CASE(equal_filters_are_one),
        CASE(only_those_who_follow_are_told),
        CASE(few_of_many_are_found_in_the_order_of_the_list),
        CASE(few_of_many_come_in_a_series_too),
        CASE(a_large_company_comes_in_frames_of_64_kib),
        CASE(an_answer_has_both_rows_of_a_person_or_none),
        CASE(a_place_is_good_or_not),
        CASE(who_resumes_gets_what_was_committed_after),
        CASE(a_change_that_shows_nothing_sends_nobody_back),
        CASE(other_hours_in_the_profile_are_sent_to_who_resumes),
        CASE(other_facts_behind_the_same_row_are_sent_to_who_resumes),
        CASE(who_resumes_gets_what_the_clock_changed_since),
        CASE(queue_rows_are_sent_again_at_every_resume),
        CASE(a_resume_that_follows_no_queue_moves_nothing),
        CASE(who_left_before_the_replica_was_loaded_voids_older_places),
        CASE(who_came_back_is_sent_whole_to_one_who_saw_them_leave),
        CASE(before_the_first_load_no_place_is_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
