/* Logs beside the changes: pages that never part one moment, destruction in the step of a commit, what is old, and
 * which logs there are. */
#include "tests/unit/store_fixture.h"

#define ENTRIES_MAX 2000

struct read_log { /* answers of all kinds, gathered */
    int count, error;
    size_t entries;
    int64_t last_ms;
    bool more;
    char text[256]; /* ids as "id@at=bytes ", of the first few */
    uint64_t counted, next;
    char logs[512];
};

static void on_page(void *arg, int error, const struct store_entry *entries, size_t count, bool more) {
    struct read_log *read = arg;
    read->count++;
    read->error = error;
    read->entries = count;
    read->more = more;
    read->text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(read->text);
        snprintf(read->text + used, sizeof read->text - used, "%s@%lld=%.*s ", entries[i].id,
                 (long long)entries[i].at_ms, (int)entries[i].length, (const char *)entries[i].bytes);
        read->last_ms = entries[i].at_ms;
    }
}

static void on_counted(void *arg, int error, uint64_t count) {
    struct read_log *read = arg;
    read->count++;
    read->error = error;
    read->counted = count;
}

static void on_found(void *arg, int error, uint64_t next, const struct store_log *logs, size_t count) {
    struct read_log *read = arg;
    read->count++;
    read->error = error;
    read->next = next;
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(read->logs);
        snprintf(read->logs + used, sizeof read->logs - used, "%s/%s ", logs[i].company, logs[i].log);
    }
}

static struct read_log read_page(struct fixture *fixture, struct store *store, int64_t from, int64_t before,
                                 size_t limit) {
    struct read_log read = {0};
    ASK(store_log_read(store, "acme", "calls:kari", from, before, limit, on_page, &read));
    WAIT(fixture, read.count == 1);
    assert_int_equal(read.error, 0);
    return read;
}

static void keep(struct fixture *fixture, struct store *store, const char *company, const struct store_kept *kept,
                 size_t count) {
    struct store_write check = {.entity = "profile:kari", .action = STORE_CHECK};
    struct store_commit commit = {.company = company, .writes = &check, .count = 1, .kept = kept, .kept_count = count};
    struct answer answer = {0};
    ASK(store_commit(store, &commit, answer_commit, &answer));
    WAIT(fixture, answer.count == 1);
    assert_int_equal(answer.error, 0);
}

static struct store_kept entry(const char *id, int64_t at_ms) {
    return (struct store_kept){
        .log = "calls:kari", .id = id, .at_ms = at_ms, .bytes = (const uint8_t *)"x", .length = 1};
}

static void pages_come_newest_first_and_never_part_one_moment(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture_open_connected(fixture, NULL);
    const struct store_kept kept[] = {entry("a", 10), entry("b", 20), entry("c", 20), entry("d", 20),
                                      entry("e", 30), entry("f", 40), entry("a", 99)};
    keep(fixture, store, "acme", kept, 7);
    struct read_log page = read_page(fixture, store, 0, INT64_MAX, 10);
    assert_string_equal(page.text, "f@40=x e@30=x d@20=x c@20=x b@20=x a@10=x ");
    assert_false(page.more);
    page = read_page(fixture, store, 0, INT64_MAX, 4); /* would end within 20 */
    assert_string_equal(page.text, "f@40=x e@30=x ");
    assert_true(page.more);
    page = read_page(fixture, store, 0, 30, 2); /* all of it is of one moment */
    assert_string_equal(page.text, "d@20=x c@20=x b@20=x ");
    assert_true(page.more);
    page = read_page(fixture, store, 0, 20, 2);
    assert_string_equal(page.text, "a@10=x ");
    assert_false(page.more);
    page = read_page(fixture, store, 20, 40, 10); /* from is in, before is not */
    assert_string_equal(page.text, "e@30=x d@20=x c@20=x b@20=x ");
    assert_false(page.more);
    page = read_page(fixture, store, 21, 31, 1);
    assert_string_equal(page.text, "e@30=x ");
    assert_false(page.more);
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void a_log_is_destroyed_in_the_step_of_the_commit_and_may_begin_anew(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture_open_connected(fixture, NULL);
    const struct store_kept first[] = {
        entry("a", 10), entry("b", 20), {.log = "calls:ola", .id = "c", .at_ms = 1, .bytes = (const uint8_t *)"y"}};
    const struct store_kept then[] = {entry("c", 30), {.log = "calls:kari", .destroys = true}, entry("a", 40)};
    keep(fixture, store, "acme", first, 3);
    keep(fixture, store, "acme", then, 3);
    assert_string_equal(read_page(fixture, store, 0, INT64_MAX, 10).text, "a@40=x ");
    assert_string_equal(server_tell(&fixture->server, "HLEN ledig:{acme}:log:calls:kari:entries"), "1");
    assert_string_equal(server_tell(&fixture->server, "ZCARD ledig:{acme}:log:calls:ola"), "1");
    keep(fixture, store, "acme", &then[1], 1);
    assert_string_equal(
        server_tell(&fixture->server, "EXISTS ledig:{acme}:log:calls:kari ledig:{acme}:log:calls:kari:entries"), "0");
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

/* A commit that is refused destroys nothing. */
static void a_refused_commit_leaves_the_log(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture_open_connected(fixture, NULL);
    const struct store_kept a = entry("a", 10), destroys = {.log = "calls:kari", .destroys = true};
    keep(fixture, store, "acme", &a, 1);
    struct store_write stale = {.entity = "profile:kari", .action = STORE_CHECK, .expected = 7};
    struct store_commit commit = {.company = "acme", .writes = &stale, .count = 1, .kept = &destroys, .kept_count = 1};
    struct answer answer = {0};
    ASK(store_commit(store, &commit, answer_commit, &answer));
    WAIT(fixture, answer.count == 1);
    assert_int_equal(answer.error, LEDIG_EMOVED_ON);
    assert_true(strstr(read_page(fixture, store, 0, INT64_MAX, 10).text, "a@10") != NULL);
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void what_is_old_goes_in_steps_and_the_rest_is_counted(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture_open_connected(fixture, NULL);
    static char ids[ENTRIES_MAX][16];
    static struct store_kept kept[ENTRIES_MAX];
    for (int i = 0; i < ENTRIES_MAX; i++) {
        snprintf(ids[i], sizeof ids[i], "n%d", i);
        kept[i] = entry(ids[i], 1000 + i);
    }
    keep(fixture, store, "many", kept, ENTRIES_MAX);
    struct read_log trimmed = {0};
    struct read_log counted = {0};
    ASK(store_log_trim(store, "many", "calls:kari", 1000 + ENTRIES_MAX - 3, on_counted, &trimmed));
    WAIT(fixture, trimmed.count == 1);
    assert_int_equal(trimmed.error, 0);
    assert_int_equal(trimmed.counted, ENTRIES_MAX - 3);
    assert_string_equal(server_tell(&fixture->server, "ZCARD ledig:{many}:log:calls:kari"), "3");
    assert_string_equal(server_tell(&fixture->server, "HLEN ledig:{many}:log:calls:kari:entries"), "3");
    ASK(store_log_count(store, "many", "calls:kari", 1000 + ENTRIES_MAX - 2, on_counted, &counted));
    WAIT(fixture, counted.count == 1);
    assert_int_equal(counted.error, 0);
    assert_int_equal(counted.counted, 2);
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void logs_of_all_companies_are_found_in_steps(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture_open_connected(fixture, NULL);
    const struct store_kept kept[] = {
        {.log = "found:kari", .id = "a", .at_ms = 1, .bytes = (const uint8_t *)"x", .length = 1},
        {.log = "founder:x", .id = "a", .at_ms = 1, .bytes = (const uint8_t *)"x", .length = 1},
        {.log = "audit", .id = "a", .at_ms = 1, .bytes = (const uint8_t *)"x", .length = 1}};
    struct read_log found = {0};
    int steps = 0;
    keep(fixture, store, "one", kept, 3);
    keep(fixture, store, "two", kept, 1);
    server_tell(&fixture->server, "EVAL %s 0", /* more than one step looks at */
                "for i = 1, 3000 do redis.call('SET', 'other:' .. i, 'x') end return 1");
    do {
        found.count = 0;
        ASK(store_logs_find(store, "found:", found.next, on_found, &found));
        WAIT(fixture, found.count == 1);
        assert_int_equal(found.error, 0);
        steps++;
    } while (found.next != 0);
    assert_true(steps > 1);
    assert_true(strstr(found.logs, "one/found:kari ") != NULL);
    assert_true(strstr(found.logs, "two/found:kari ") != NULL);
    assert_true(strstr(found.logs, "founder") == NULL && strstr(found.logs, "audit") == NULL);
    assert_true(strstr(found.logs, "entries") == NULL);
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void nonsense_is_refused(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture_open_connected(fixture, NULL);
    struct read_log answers[6] = {0};
    struct read_log trimmed = {0};
    ASK(store_log_read(store, "acme", "calls:kari", 0, 1, 0, on_page, &answers[0]));
    ASK(store_log_read(store, "acme", "calls:kari", 0, 1, STORE_LOG_PAGE_MAX + 1, on_page, &answers[1]));
    ASK(store_log_read(store, "acme", "calls}", 0, 1, 1, on_page, &answers[2]));
    ASK(store_log_count(store, "Acme", "calls:kari", 0, on_counted, &answers[3]));
    ASK(store_logs_find(store, "*", 0, on_found, &answers[4]));
    ASK(store_logs_find(store, "Calls", 0, on_found, &answers[5]));
    ASK(store_log_trim(store, "acme", "", 0, on_counted, &trimmed));
    WAIT(fixture, answers[5].count == 1 && trimmed.count == 1);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(answers[i].error, LEDIG_EBAD_REQUEST);
    assert_int_equal(trimmed.error, LEDIG_EBAD_REQUEST);
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

/* A read that the server takes the time of is told at its deadline; a step of a trim begins a deadline of its own. */
static void while_the_server_hangs_nothing_waits_for_ever(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture_open_connected(fixture, &(struct store_options){.timeout_ms = 200});
    struct read_log page = {0}, counted = {0}, found = {0};
    struct read_log trimmed = {0};
    server_pause(&fixture->server, true);
    ASK(store_log_read(store, "acme", "calls:kari", 0, 1, 1, on_page, &page));
    ASK(store_log_count(store, "acme", "calls:kari", 0, on_counted, &counted));
    ASK(store_logs_find(store, "calls:", 0, on_found, &found));
    ASK(store_log_trim(store, "acme", "calls:kari", 0, on_counted, &trimmed));
    WAIT(fixture, page.count && counted.count && found.count && trimmed.count);
    server_pause(&fixture->server, false);
    assert_int_equal(page.error, LEDIG_EUNAVAILABLE);
    assert_int_equal(counted.error, LEDIG_EUNAVAILABLE);
    assert_int_equal(found.error, LEDIG_EUNAVAILABLE);
    assert_int_equal(trimmed.error, LEDIG_EUNAVAILABLE);
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        store_test(pages_come_newest_first_and_never_part_one_moment),
        store_test(a_log_is_destroyed_in_the_step_of_the_commit_and_may_begin_anew),
        store_test(a_refused_commit_leaves_the_log),
        store_test(what_is_old_goes_in_steps_and_the_rest_is_counted),
        store_test(logs_of_all_companies_are_found_in_steps),
        store_test(nonsense_is_refused),
        store_test(while_the_server_hangs_nothing_waits_for_ever),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
