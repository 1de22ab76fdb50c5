/* What store.h promises of changing and reading, against a real Redis. */
#include "store_fixture.h"

static void first_commit_creates_the_company_and_versions_follow_one_another(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture_open_connected(fixture, NULL);
    struct answer first = commit_one(fixture, store, "acme", "state:kari", STORE_WRITE, 0, "one");
    struct answer second = commit_one(fixture, store, "acme", "state:kari", STORE_WRITE, first.version, "two");
    struct answer read = read_one(fixture, store, "acme", "state:kari");
    char expected[64];
    assert_int_equal(first.error, 0);
    assert_int_equal(second.error, 0);
    assert_int_equal(second.version, first.version + 1);
    snprintf(expected, sizeof expected, "state:kari@%llu=two ", (unsigned long long)second.version);
    assert_string_equal(read.text, expected);
    assert_int_equal(read.head.version, second.version);
    assert_int_not_equal(read.head.epoch[0], '\0');
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void versions_begin_far_above_what_any_lost_history_can_have_reached(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture_open_connected(fixture, NULL);
    uint64_t least = (uint64_t)(store_now_ms(store) - 1000 - 1767225600000) * 1024; /* the clocks agree better */
    struct answer first = commit_one(fixture, store, "young", "company", STORE_WRITE, 0, "x");
    if (store_now_ms(store) > 1767225600000) assert_true(first.version > least);
    assert_true(first.version > 1024);
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void reading_does_not_create_a_company(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture_open_connected(fixture, NULL);
    struct answer some = read_one(fixture, store, "nobody", "state:kari");
    struct answer since = read_since(fixture, store, "nobody", 0);
    struct change_asked nothing = {.text = "x", .fails = UPDATE_NOTHING};
    struct store_write check = {.entity = "state:kari", .action = STORE_CHECK};
    struct store_commit commit = {.company = "nobody", .writes = &check, .count = 1};
    struct answer checked = {0};
    update_ask(store, "nobody", "state:kari", NULL, &nothing);
    ASK(store_commit(store, &commit, answer_commit, &checked));
    WAIT(fixture, nothing.answer.count == 1 && checked.count == 1);
    assert_int_equal(checked.error, 0);
    assert_int_equal(nothing.answer.error, 0);
    assert_string_equal(some.text, "state:kari@0=- ");
    assert_int_equal(some.head.version, 0);
    assert_string_equal(some.head.epoch, "");
    assert_int_equal(since.head.version, 0);
    assert_int_equal(since.records, 0);
    assert_string_equal(server_tell(&fixture->server, "EXISTS ledig:{nobody}:head"), "0");
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void stale_revision_stores_nothing_of_the_commit_and_is_told_what_stands(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture_open_connected(fixture, NULL);
    struct answer kari = commit_one(fixture, store, "all", "state:kari", STORE_WRITE, 0, "new");
    struct store_kept kept = {.log = "audit", .id = "1", .at_ms = 1, .bytes = (const uint8_t *)"k", .length = 1};
    struct store_write writes[2] = {
        {.entity = "state:ola", .action = STORE_WRITE, .bytes = (const uint8_t *)"x", .length = 1},
        {.entity = "state:kari",
         .action = STORE_WRITE,
         .expected = kari.version - 1,
         .bytes = (const uint8_t *)"x",
         .length = 1}};
    struct store_commit commit = {.company = "all", .writes = writes, .count = 2, .kept = &kept, .kept_count = 1};
    struct answer answer = {0};
    char expected[64];
    ASK(store_commit(store, &commit, answer_commit, &answer));
    WAIT(fixture, answer.count == 1);
    assert_int_equal(answer.error, LEDIG_EMOVED_ON);
    snprintf(expected, sizeof expected, "state:kari@%llu=new ", (unsigned long long)kari.version);
    assert_string_equal(answer.text, expected);
    assert_string_equal(read_one(fixture, store, "all", "state:ola").text, "state:ola@0=- ");
    assert_string_equal(server_tell(&fixture->server, "EXISTS ledig:{all}:log:audit"), "0");
    assert_int_equal(read_one(fixture, store, "all", "state:ola").head.version, kari.version);
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void check_only_compares_and_writes_nothing(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture_open_connected(fixture, NULL);
    struct answer kari = commit_one(fixture, store, "check", "profile:kari", STORE_WRITE, 0, "p");
    struct answer good = commit_one(fixture, store, "check", "profile:kari", STORE_CHECK, kari.version, NULL);
    struct answer stale = commit_one(fixture, store, "check", "profile:kari", STORE_CHECK, 7, NULL);
    struct store_write writes[2] = {
        {.entity = "state:kari", .action = STORE_WRITE, .bytes = (const uint8_t *)"s", .length = 1},
        {.entity = "profile:kari", .action = STORE_CHECK, .expected = kari.version}};
    struct store_commit commit = {.company = "check", .writes = writes, .count = 2};
    struct answer both = {0};
    ASK(store_commit(store, &commit, answer_commit, &both));
    WAIT(fixture, both.count == 1);
    assert_int_equal(good.error, 0);
    assert_int_equal(good.version, kari.version);
    assert_int_equal(stale.error, LEDIG_EMOVED_ON);
    assert_int_equal(both.version, kari.version + 1);
    struct answer since = read_since(fixture, store, "check", kari.version);
    assert_int_equal(since.records, 1); /* the profile kept its revision */
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void commit_before_its_time_is_refused_and_after_it_taken(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture_open_connected(fixture, NULL);
    int64_t at = store_now_ms(store) + 150;
    struct store_write write = {
        .entity = "call:1", .action = STORE_WRITE, .bytes = (const uint8_t *)"c", .length = 1, .not_before_ms = at};
    struct store_commit commit = {.company = "time", .writes = &write, .count = 1};
    struct answer early = {0}, due = {0};
    struct change_asked bound = {.text = "b", .not_before_ms = at + 3600000}, free_of_it = {.text = "f"};
    ASK(store_commit(store, &commit, answer_commit, &early));
    WAIT(fixture, early.count == 1);
    assert_int_equal(early.error, LEDIG_ETOO_EARLY);
    WAIT(fixture, store_now_ms(store) > at + 5);
    ASK(store_commit(store, &commit, answer_commit, &due));
    WAIT(fixture, due.count == 1);
    assert_int_equal(due.error, 0);
    update_ask(store, "time", "state:kari", NULL, &bound); /* folded, and refused without harm to the other */
    update_ask(store, "time", "state:kari", NULL, &free_of_it);
    WAIT(fixture, bound.answer.count == 1 && free_of_it.answer.count == 1);
    assert_int_equal(bound.answer.error, LEDIG_ETOO_EARLY);
    assert_int_equal(free_of_it.answer.error, 0);
    assert_non_null(strstr(read_one(fixture, store, "time", "state:kari").text, "=f "));
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void kept_entries_are_stored_once_by_id(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture_open_connected(fixture, NULL);
    struct change_asked first = {.text = "a", .kept_id = "set-1"}, again = {.text = "b", .kept_id = "set-1"},
                        other = {.text = "c", .kept_id = "set-2"},
                        refused = {.text = "d", .kept_id = "set-3", .fails = LEDIG_ECONFLICT};
    update_ask(store, "kept", "state:kari", NULL, &first);
    WAIT(fixture, first.answer.count == 1);
    update_ask(store, "kept", "state:kari", NULL, &again);
    update_ask(store, "kept", "state:kari", NULL, &refused);
    update_ask(store, "kept", "state:kari", NULL, &other);
    WAIT(fixture, again.answer.count == 1 && other.answer.count == 1 && refused.answer.count == 1);
    assert_int_equal(refused.answer.error, LEDIG_ECONFLICT);
    assert_string_equal(server_tell(&fixture->server, "ZCARD ledig:{kept}:log:audit"), "2");
    assert_string_equal(server_tell(&fixture->server, "ZSCORE ledig:{kept}:log:audit set-1"), "1000");
    assert_string_equal(server_tell(&fixture->server, "HGET ledig:{kept}:log:audit:entries set-1"), "a");
    assert_string_equal(server_tell(&fixture->server, "HEXISTS ledig:{kept}:log:audit:entries set-3"), "0");
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void tombstone_stays_until_pruned_and_removal_leaves_no_trace(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture_open_connected(fixture, NULL);
    struct answer kari = commit_one(fixture, store, "gone", "state:kari", STORE_WRITE, 0, "k");
    struct answer ola = commit_one(fixture, store, "gone", "state:ola", STORE_WRITE, 0, "o");
    struct answer dead = commit_one(fixture, store, "gone", "state:kari", STORE_TOMBSTONE, kari.version, NULL);
    struct answer since = read_since(fixture, store, "gone", ola.version), pruned = {0};
    char expected[64];
    snprintf(expected, sizeof expected, "state:kari@%llu=- ", (unsigned long long)dead.version);
    assert_string_equal(since.text, expected);
    assert_int_equal(since.head.pruned, 0);

    struct store_record records[2] = {{.entity = "state:kari", .revision = dead.version},
                                      {.entity = "state:ola", .revision = ola.version + 100}};
    ASK(store_prune(store, "gone", records, 2, answer_done, &pruned));
    WAIT(fixture, pruned.count == 1);
    assert_int_equal(pruned.error, 0);
    since = read_since(fixture, store, "gone", 0);
    snprintf(expected, sizeof expected, "state:ola@%llu=o ", (unsigned long long)ola.version);
    assert_string_equal(since.text, expected); /* ola had moved on, and stays */
    assert_int_equal(since.head.pruned, dead.version);
    assert_int_equal(since.head.version, dead.version);

    struct answer removed = commit_one(fixture, store, "gone", "state:ola", STORE_REMOVE, ola.version, NULL);
    since = read_since(fixture, store, "gone", 0);
    assert_int_equal(removed.version, dead.version + 1);
    assert_int_equal(since.records, 0);
    assert_int_equal(since.head.pruned, removed.version);
    assert_string_equal(server_tell(&fixture->server, "ZCARD ledig:{gone}:changed"), "0");
    assert_int_equal(commit_one(fixture, store, "gone", "state:ola", STORE_WRITE, 0, "back").error, 0);
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

#define MANY 120

static void updates_of_one_entity_take_effect_in_order_and_share_commits(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture_open_connected(fixture, NULL);
    static struct change_asked changes[MANY];
    char texts[MANY][2], expected[MANY + 1];
    int done = 0;
    memset(changes, 0, sizeof changes);
    struct answer before = commit_one(fixture, store, "order", "company", STORE_WRITE, 0, "x");
    for (int i = 0; i < MANY; i++) {
        texts[i][0] = expected[i] = (char)('a' + i % 26);
        texts[i][1] = '\0';
        changes[i].text = texts[i];
        update_ask(store, "order", "state:kari", NULL, &changes[i]);
    }
    expected[MANY] = '\0';
    WAIT(fixture, (done += changes[done].answer.count) == MANY);
    struct answer read = read_one(fixture, store, "order", "state:kari");
    assert_non_null(strstr(read.text, expected));
    assert_true(read.head.version - before.version <= 2);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(changes[i].answer.error, 0);
        assert_int_equal(changes[i].answer.version, read.head.version);
    }
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void update_that_fails_spoils_none_of_those_folded_with_it(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture_open_connected(fixture, NULL);
    struct change_asked one = {.text = "1"}, bad = {.text = "2", .fails = LEDIG_EFORBIDDEN}, three = {.text = "3"},
                        both = {.text = "4"}, second = {.text = "5"};
    update_ask(store, "fold", "state:kari", "state:ola", &both);
    update_ask(store, "fold", "state:kari", NULL, &one);
    update_ask(store, "fold", "state:kari", NULL, &bad);
    update_ask(store, "fold", "state:ola", NULL, &second);
    update_ask(store, "fold", "state:kari", NULL, &three);
    WAIT(fixture,
         one.answer.count && bad.answer.count && three.answer.count && both.answer.count && second.answer.count);
    assert_int_equal(bad.answer.error, LEDIG_EFORBIDDEN);
    assert_int_equal(one.answer.error, 0);
    assert_int_equal(three.answer.version, both.answer.version); /* one commit for all four */
    assert_non_null(strstr(read_one(fixture, store, "fold", "state:kari").text, "=413 "));
    assert_non_null(strstr(read_one(fixture, store, "fold", "state:ola").text, "=45 "));
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void commits_and_updates_of_one_entity_keep_their_order(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture_open_connected(fixture, NULL);
    struct change_asked before = {.text = "b"}, after = {.text = "a"};
    struct answer middle = {0};
    struct store_write write = {
        .entity = "state:kari", .action = STORE_WRITE, .expected = 5, .bytes = (const uint8_t *)"x", .length = 1};
    struct store_commit commit = {.company = "mixed", .writes = &write, .count = 1};
    update_ask(store, "mixed", "state:kari", NULL, &before);
    ASK(store_commit(store, &commit, answer_commit, &middle));
    update_ask(store, "mixed", "state:kari", NULL, &after);
    WAIT(fixture, before.answer.count && middle.count && after.answer.count);
    assert_int_equal(middle.error, LEDIG_EMOVED_ON); /* and it saw the first, not the last */
    assert_non_null(strstr(middle.text, "=b "));
    assert_int_equal(after.answer.version, before.answer.version + 1);
    assert_non_null(strstr(read_one(fixture, store, "mixed", "state:kari").text, "=ba "));
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void update_that_finds_all_as_wished_makes_no_version(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture_open_connected(fixture, NULL);
    struct change_asked first = {.text = "busy", .set = true}, again = {.text = "busy", .set = true};
    update_ask(store, "same", "state:kari", NULL, &first);
    WAIT(fixture, first.answer.count == 1);
    update_ask(store, "same", "state:kari", NULL, &again);
    WAIT(fixture, again.answer.count == 1);
    assert_int_equal(again.answer.error, 0);
    assert_int_equal(again.answer.version, first.answer.version);
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void nonsense_is_refused_with_an_answer(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture_open_connected(fixture, NULL);
    struct answer answers[10] = {0};
    struct change_asked bad = {.text = "x"}, twice = {.text = "x"}, none = {.text = "x"};
    struct store_write writes[2] = {{.entity = "e", .action = STORE_CHECK}, {.entity = "e", .action = STORE_CHECK}};
    struct store_kept kept = {.log = "No Such", .id = "1"};
    struct store_record record = {.entity = "e", .revision = 1};
    const char *number = "", *entity = "";
    ASK(store_commit(store, &(struct store_commit){.company = "Bad}", .writes = writes, .count = 1}, answer_commit,
                     &answers[0]));
    ASK(store_commit(store, &(struct store_commit){.company = "good", .writes = writes, .count = 2}, answer_commit,
                     &answers[1]));
    ASK(store_commit(store, &(struct store_commit){.company = "good", .writes = writes, .count = 501}, answer_commit,
                     &answers[2]));
    ASK(store_commit(
        store, &(struct store_commit){.company = "good", .writes = writes, .count = 1, .kept = &kept, .kept_count = 1},
        answer_commit, &answers[3]));
    ASK(store_watch(store, "../x", answer_done, &answers[4]));
    ASK(store_lease_take(store, "no spaces", answer_lease, &answers[5]));
    ASK(store_numbers_find(store, &number, 1, answer_found, &answers[6]));
    ASK(store_prune(store, "good", &record, 0, answer_done, &answers[7]));
    ASK(store_read(store, "good", &entity, 1, answer_some, &answers[8]));
    ASK(store_read_since(store, "", 0, answer_page, answer_read, &answers[9]));
    update_ask(store, "GOOD", "e", NULL, &bad);
    update_ask(store, "good", "e", "e", &twice);
    update_ask(store, "good", "", NULL, &none);
    WAIT(fixture, bad.answer.count && twice.answer.count && none.answer.count && answers[9].count);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(answers[i].count, 1);
        assert_int_equal(answers[i].error, LEDIG_EBAD_REQUEST);
    }
    assert_int_equal(bad.answer.error, LEDIG_EBAD_REQUEST);
    assert_int_equal(twice.answer.error, LEDIG_EBAD_REQUEST);
    assert_int_equal(none.answer.error, LEDIG_EBAD_REQUEST);
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void address_that_cannot_be_is_refused_at_once(void **state) {
    struct fixture *fixture = *state;
    static const char *const urls[] = {"",
                                       "http://x",
                                       "unix:redis.sock",
                                       "unix:/",
                                       "redis://",
                                       "redis://u:p@host",
                                       "redis://host:99999",
                                       "redis://host/x",
                                       "redis://[::1",
                                       "redis://host:1:2"};
    struct store *store = NULL;
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct store_options options = {.url = urls[i]};
        assert_int_equal(store_open(&fixture->loop, &options, &store), LEDIG_EBAD_REQUEST);
    }
    assert_null(store);
}

static void five_hundred_entities_make_one_version(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture_open_connected(fixture, NULL);
    static char names[STORE_COMMIT_ENTITIES_MAX][16];
    static struct store_write writes[STORE_COMMIT_ENTITIES_MAX];
    struct answer answer = {0};
    for (size_t i = 0; i < STORE_COMMIT_ENTITIES_MAX; i++) {
        snprintf(names[i], sizeof names[i], "profile:%zu", i);
        writes[i] = (struct store_write){
            .entity = names[i], .action = STORE_WRITE, .bytes = (const uint8_t *)"\0\r\n", .length = 3};
    }
    struct store_commit commit = {.company = "large", .writes = writes, .count = STORE_COMMIT_ENTITIES_MAX};
    ASK(store_commit(store, &commit, answer_commit, &answer));
    WAIT(fixture, answer.count == 1);
    struct answer all = read_since(fixture, store, "large", 0);
    assert_int_equal(answer.error, 0);
    assert_int_equal(all.records, STORE_COMMIT_ENTITIES_MAX);
    assert_int_equal(all.head.version, answer.version);
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        store_test(first_commit_creates_the_company_and_versions_follow_one_another),
        store_test(versions_begin_far_above_what_any_lost_history_can_have_reached),
        store_test(reading_does_not_create_a_company),
        store_test(stale_revision_stores_nothing_of_the_commit_and_is_told_what_stands),
        store_test(check_only_compares_and_writes_nothing),
        store_test(commit_before_its_time_is_refused_and_after_it_taken),
        store_test(kept_entries_are_stored_once_by_id),
        store_test(tombstone_stays_until_pruned_and_removal_leaves_no_trace),
        store_test(updates_of_one_entity_take_effect_in_order_and_share_commits),
        store_test(update_that_fails_spoils_none_of_those_folded_with_it),
        store_test(commits_and_updates_of_one_entity_keep_their_order),
        store_test(update_that_finds_all_as_wished_makes_no_version),
        store_test(nonsense_is_refused_with_an_answer),
        store_test(address_that_cannot_be_is_refused_at_once),
        store_test(five_hundred_entities_make_one_version),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
