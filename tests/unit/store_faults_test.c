/* What store.h promises when the server is stopped, killed, emptied or put back, and when lines are cut. */
#include "store_fixture.h"

#include <unistd.h>

struct heard {
    int connected, lost, changed, verified;
    struct store_head head;
    char lease[LEDIG_ID_CHARS_MAX + 1];
    int64_t ended_at_ms; /* of that lease */
};

static void on_connected(void *arg) {
    ((struct heard *)arg)->connected++;
}

static void on_lost(void *arg, const char *why) {
    assert_non_null(why);
    ((struct heard *)arg)->lost++;
}

static void on_changed(void *arg, const struct store_news *news) {
    (void)news;
    ((struct heard *)arg)->changed++;
}

static void on_verified(void *arg, const struct store_reading *reading) {
    struct heard *heard = arg;
    heard->verified++;
    if (reading->company_count > 0) heard->head = *reading->companies[0].head;
    for (size_t i = 0; i < reading->lease_count; i++) {
        if (strcmp(reading->leases[i].id, heard->lease) == 0) heard->ended_at_ms = reading->leases[i].ended_at_ms;
    }
}

static struct store *open_heard(struct fixture *fixture, struct heard *heard, const char *url, uint32_t timeout_ms) {
    struct store_options options = {
        .url = url,
        .timeout_ms = timeout_ms,
        .verify_ms = 50,
        .events = {.connected = on_connected, .lost = on_lost, .changed = on_changed, .verified = on_verified},
        .arg = heard};
    return fixture_open_connected(fixture, &options);
}

static void restart(struct fixture *fixture) {
    server_kill(&fixture->server);
    server_start(&fixture->server);
}

static void watch(struct fixture *fixture, struct store *store, const char *company) {
    struct answer answer = {0};
    ASK(store_watch(store, company, answer_done, &answer));
    WAIT(fixture, answer.count == 1);
    assert_int_equal(answer.error, 0);
}

/* ---- Histories ---- */

static void restart_gives_a_new_epoch_and_no_version_is_used_twice(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    struct store *store = open_heard(fixture, &heard, NULL, 0);
    watch(fixture, store, "epochs");
    struct answer before = commit_one(fixture, store, "epochs", "state:kari", STORE_WRITE, 0, "kept");
    struct store_head old = read_one(fixture, store, "epochs", "state:kari").head;
    int verified = heard.verified, connected = heard.connected;
    restart(fixture);
    WAIT(fixture, heard.connected > connected && heard.verified > verified && strcmp(heard.head.epoch, old.epoch) != 0);
    assert_int_equal(heard.lost, 1);
    assert_int_equal(heard.head.earlier_count, 1); /* adopted by the batch, before anybody asked */
    assert_string_equal(heard.head.earlier[0].epoch, old.epoch);
    assert_int_equal(heard.head.earlier[0].version, old.version);
    assert_true(heard.head.version >= old.version + 1024);
    uint64_t adopted = heard.head.version;
    struct answer read = read_one(fixture, store, "epochs", "state:kari");
    assert_non_null(strstr(read.text, "=kept "));
    struct answer after = commit_one(fixture, store, "epochs", "state:kari", STORE_WRITE, before.version, "new");
    assert_int_equal(after.error, 0);
    assert_int_equal(after.version, adopted + 1);
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void company_is_adopted_by_whoever_touches_it_first_and_only_once(void **state) {
    struct fixture *fixture = *state;
    struct store *stores[2] = {fixture_open_connected(fixture, NULL), fixture_open_connected(fixture, NULL)};
    struct change_asked changes[8] = {{.text = "a"}, {.text = "b"}, {.text = "c"}, {.text = "d"},
                                      {.text = "e"}, {.text = "f"}, {.text = "g"}, {.text = "h"}};
    char entities[8][24];
    commit_one(fixture, stores[0], "first", "company", STORE_WRITE, 0, "x");
    restart(fixture);
    WAIT(fixture, !store_is_connected(stores[0]) && !store_is_connected(stores[1]));
    WAIT(fixture, store_is_connected(stores[0]) && store_is_connected(stores[1]));
    for (int i = 0; i < 8; i++) {
        snprintf(entities[i], sizeof entities[i], "state:%d", i);
        update_ask(stores[i % 2], "first", entities[i], NULL, &changes[i]);
    }
    for (int i = 0; i < 8; i++) {
        WAIT(fixture, changes[i].answer.count == 1);
        assert_int_equal(changes[i].answer.error, 0);
    }
    assert_int_equal(read_since(fixture, stores[0], "first", 0).head.earlier_count, 1);
    fixture_close(fixture, stores[0]);
    fixture_close(fixture, stores[1]);
    fixture_settle(fixture);
}

static void reading_adopts_too_and_eight_epochs_are_remembered(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture_open_connected(fixture, NULL);
    struct store_head heads[11];
    commit_one(fixture, store, "eight", "company", STORE_WRITE, 0, "x");
    for (int i = 0; i < 11; i++) {
        heads[i] = i % 2 == 0 ? read_since(fixture, store, "eight", 0).head
                              : read_one(fixture, store, "eight", "company").head;
        server_tell(&fixture->server, "HSET ledig:{eight}:head lineage of-another-server");
    }
    assert_int_equal(heads[10].earlier_count, STORE_EPOCHS_MAX);
    for (int i = 0; i < STORE_EPOCHS_MAX; i++) {
        assert_string_equal(heads[10].earlier[i].epoch, heads[2 + i].epoch);
        assert_int_equal(heads[10].earlier[i].version, heads[2 + i].version);
        assert_true(heads[3 + i].version >= heads[2 + i].version + 1024);
    }
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void emptied_server_gets_a_new_history_above_the_old(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    struct store *store = open_heard(fixture, &heard, NULL, 0);
    struct change_asked again = {.text = "x", .set = true};
    watch(fixture, store, "empty");
    struct answer before = commit_one(fixture, store, "empty", "state:kari", STORE_WRITE, 0, "x");
    struct store_head old = read_one(fixture, store, "empty", "state:kari").head;
    WAIT(fixture, heard.head.version == before.version); /* so a millisecond is over: histories count from the clock */
    server_tell(&fixture->server, "FLUSHALL");
    WAIT(fixture, heard.head.version == 0 && heard.head.epoch[0] == '\0');
    update_ask(store, "empty", "state:kari", NULL, &again);
    WAIT(fixture, again.answer.count == 1);
    assert_int_equal(again.answer.error, 0);
    struct store_head new = read_one(fixture, store, "empty", "state:kari").head;
    assert_string_not_equal(new.epoch, old.epoch);
    assert_true(again.answer.version > before.version);
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void company_put_back_to_an_earlier_state_is_adopted_anew(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    struct store *store = open_heard(fixture, &heard, NULL, 0);
    watch(fixture, store, "back");
    struct answer first = commit_one(fixture, store, "back", "company", STORE_WRITE, 0, "1");
    struct answer second = commit_one(fixture, store, "back", "company", STORE_WRITE, first.version, "2");
    WAIT(fixture, heard.head.version == second.version);
    struct store_head old = heard.head;
    server_tell(&fixture->server, "HSET ledig:{back}:head version %llu", (unsigned long long)first.version);
    WAIT(fixture, strcmp(heard.head.epoch, old.epoch) != 0);
    assert_true(heard.head.version > second.version);
    assert_int_equal(heard.head.earlier[0].version, first.version);
    fixture_run(fixture, 200);
    assert_int_equal(heard.head.earlier_count, 1); /* once */
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

/* ---- A server that does not answer ---- */

static void what_timed_out_on_a_stopped_server_does_not_take_effect_later(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    struct store *store = open_heard(fixture, &heard, NULL, 300);
    struct change_asked first = {.text = "late"}, folded = {.text = "later"}, after = {.text = "after"};
    struct answer commit = {0}, read = {0}, lease = {0}, watched = {0}, verified = {0};
    const char *entity = "state:ola";
    struct store_write write = {
        .entity = "state:ola", .action = STORE_WRITE, .bytes = (const uint8_t *)"late", .length = 4};
    commit_one(fixture, store, "stop", "company", STORE_WRITE, 0, "x");
    server_pause(&fixture->server, true);
    uint64_t begin = uv_hrtime();
    update_ask(store, "stop", "state:kari", NULL, &first);
    update_ask(store, "stop", "state:kari", NULL, &folded);
    ASK(store_commit(store, &(struct store_commit){.company = "stop", .writes = &write, .count = 1}, answer_commit,
                     &commit));
    ASK(store_read(store, "stop", &entity, 1, answer_some, &read));
    ASK(store_lease_take(store, "w", answer_lease, &lease));
    ASK(store_watch(store, "stop", answer_done, &watched));
    ASK(store_verify(store, answer_done, &verified));
    WAIT(fixture, first.answer.count && folded.answer.count && commit.count && read.count && lease.count &&
                      watched.count && verified.count);
    uint64_t took_ms = (uv_hrtime() - begin) / 1000000;
    assert_in_range(took_ms, 250, 1500);
    assert_int_equal(first.answer.error, LEDIG_EUNAVAILABLE);
    assert_int_equal(folded.answer.error, LEDIG_EUNAVAILABLE);
    assert_int_equal(commit.error, LEDIG_EUNAVAILABLE);
    assert_int_equal(read.error, LEDIG_EUNAVAILABLE);
    assert_int_equal(lease.error, LEDIG_EUNAVAILABLE);
    assert_int_equal(watched.error, LEDIG_EUNAVAILABLE);
    assert_int_equal(verified.error, LEDIG_EUNAVAILABLE);
    server_pause(&fixture->server, false);
    WAIT(fixture, store_is_connected(store));
    update_ask(store, "stop", "state:nina", NULL, &after);
    WAIT(fixture, after.answer.count == 1);
    assert_int_equal(after.answer.error, 0);
    fixture_run(fixture, 100);
    assert_string_equal(read_one(fixture, store, "stop", "state:kari").text, "state:kari@0=- ");
    assert_string_equal(read_one(fixture, store, "stop", "state:ola").text, "state:ola@0=- ");
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void server_that_was_stopped_for_a_moment_fails_nobody(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    struct store *store = open_heard(fixture, &heard, NULL, 2000);
    struct change_asked change = {.text = "x"};
    server_pause(&fixture->server, true);
    update_ask(store, "pause", "state:kari", NULL, &change);
    fixture_run(fixture, 200);
    assert_int_equal(change.answer.count, 0);
    server_pause(&fixture->server, false);
    WAIT(fixture, change.answer.count == 1);
    assert_int_equal(change.answer.error, 0);
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void store_without_a_server_says_why_once_and_answers_in_time(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    char url[160];
    snprintf(url, sizeof url, "unix:%s/nobody.sock", fixture->server.dir);
    struct store_options options = {
        .url = url, .timeout_ms = 200, .events = {.connected = on_connected, .lost = on_lost}, .arg = &heard};
    struct store *store = fixture_open(fixture, &options);
    struct change_asked change = {.text = "x"};
    struct answer answer = {0};
    update_ask(store, "none", "state:kari", NULL, &change);
    ASK(store_read_since(store, "none", 0, answer_page, answer_read, &answer));
    WAIT(fixture, change.answer.count == 1 && answer.count == 1);
    assert_int_equal(change.answer.error, LEDIG_EUNAVAILABLE);
    assert_int_equal(change.applied, 0);
    assert_int_equal(heard.lost, 1);
    assert_true(store_stale_ms(store) == INT64_MAX);
    assert_true(store_now_ms(store) > 1700000000000);
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void leases_stand_still_while_the_server_is_away(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    struct store_options options = {.verify_ms = 50,
                                    .lease_ms = 300,
                                    .events = {.connected = on_connected, .verified = on_verified},
                                    .arg = &heard};
    struct store *store = fixture_open_connected(fixture, &options);
    struct answer taken = {0};
    ASK(store_lease_take(store, "w", answer_lease, &taken));
    WAIT(fixture, taken.count == 1);
    snprintf(heard.lease, sizeof heard.lease, "%.64s", taken.text);
    for (int restarted = 0; restarted < 2; restarted++) {
        struct answer renewed = {0};
        if (restarted) {
            server_kill(&fixture->server);
        } else {
            server_pause(&fixture->server, true);
        }
        fixture_run(fixture, 450); /* longer than it lives unrenewed */
        if (restarted) {
            server_start(&fixture->server);
        } else {
            server_pause(&fixture->server, false);
        }
        int verified = heard.verified;
        WAIT(fixture, store_is_connected(store) && heard.verified > verified + 1);
        assert_int_equal(heard.ended_at_ms, 0);
        ASK(store_lease_renew(store, taken.text, answer_done, &renewed));
        WAIT(fixture, renewed.count == 1);
        assert_int_equal(renewed.error, 0);
    }
    WAIT(fixture, heard.ended_at_ms > 0); /* and then it ends as any other */
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

/* ---- Lines that are cut ---- */

static void update_whose_answer_was_lost_finds_its_own_change_in_place(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    char url[128];
    struct proxy *proxy = proxy_open(fixture, url);
    struct store *store = open_heard(fixture, &heard, url, 0), *other = fixture_open_connected(fixture, NULL);
    struct change_asked change = {.text = "busy", .set = true, .kept_id = "once"};
    commit_one(fixture, store, "reply", "company", STORE_WRITE, 0, "x");
    proxy_lose_answers(proxy, "$2\r\nok\r\n");
    update_ask(store, "reply", "state:kari", NULL, &change);
    WAIT(fixture, change.answer.count == 1);
    struct answer read = read_one(fixture, other, "reply", "state:kari");
    assert_true(proxy_cuts(proxy) > 0);
    assert_int_equal(change.answer.error, 0);
    assert_true(change.applied >= 2);
    assert_int_equal(change.answer.version, read.head.version); /* one version, though it was applied twice */
    assert_non_null(strstr(read.text, "=busy "));
    assert_string_equal(server_tell(&fixture->server, "ZCARD ledig:{reply}:log:audit"), "1");
    fixture_close(fixture, store);
    fixture_close(fixture, other);
    proxy_close(proxy);
    fixture_settle(fixture);
}

static void commit_whose_answer_was_lost_is_unavailable_and_may_have_taken_effect(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    char url[128];
    struct proxy *proxy = proxy_open(fixture, url);
    struct store *store = open_heard(fixture, &heard, url, 0);
    struct answer first = commit_one(fixture, store, "unknown", "company", STORE_WRITE, 0, "x");
    proxy_lose_answers(proxy, "$2\r\nok\r\n");
    struct answer lost = commit_one(fixture, store, "unknown", "company", STORE_WRITE, first.version, "y");
    assert_int_equal(lost.error, LEDIG_EUNAVAILABLE);
    struct answer read = read_one(fixture, store, "unknown", "company");
    assert_non_null(strstr(read.text, "=y "));
    assert_int_equal(read.head.version, first.version + 1);
    fixture_close(fixture, store);
    proxy_close(proxy);
    fixture_settle(fixture);
}

static void line_that_swallows_everything_is_given_up_and_made_anew(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    char url[128];
    struct proxy *proxy = proxy_open(fixture, url);
    struct store *store = open_heard(fixture, &heard, url, 200);
    struct change_asked change = {.text = "x"}, after = {.text = "y"};
    proxy_hold_requests(proxy, true);
    update_ask(store, "swallow", "state:kari", NULL, &change);
    WAIT(fixture, change.answer.count == 1 && heard.lost > 0);
    assert_int_equal(change.answer.error, LEDIG_EUNAVAILABLE);
    proxy_hold_requests(proxy, false);
    WAIT(fixture, store_is_connected(store));
    update_ask(store, "swallow", "state:kari", NULL, &after);
    WAIT(fixture, after.answer.count == 1);
    assert_int_equal(after.answer.error, 0);
    assert_non_null(strstr(read_one(fixture, store, "swallow", "state:kari").text, "=y "));
    fixture_close(fixture, store);
    proxy_close(proxy);
    fixture_settle(fixture);
}

static void what_is_asked_while_the_server_is_away_waits_for_it(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    struct store *store = open_heard(fixture, &heard, NULL, 4000);
    struct change_asked change = {.text = "x"};
    struct answer read = {0}, watched = {0}, lease = {0}, taken = {0};
    const char *number = "+4799999999", *owner = "away/user/kari", *entity = "company";
    commit_one(fixture, store, "away", "company", STORE_WRITE, 0, "x");
    server_kill(&fixture->server);
    WAIT(fixture, heard.lost == 1);
    update_ask(store, "away", "state:kari", NULL, &change);
    ASK(store_read(store, "away", &entity, 1, answer_some, &read));
    ASK(store_watch(store, "away", answer_done, &watched));
    ASK(store_lease_take(store, "w", answer_lease, &lease));
    ASK(store_numbers_take(store, &number, &owner, 1, answer_numbers, &taken));
    server_start(&fixture->server);
    WAIT(fixture, change.answer.count && read.count && watched.count && lease.count && taken.count);
    assert_int_equal(change.answer.error, 0);
    assert_int_equal(read.error, 0);
    assert_int_equal(watched.error, 0);
    assert_int_equal(lease.error, 0);
    assert_int_equal(taken.error, 0);
    assert_true(read.head.earlier_count == 1); /* adopted before it was answered */
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void watch_stands_again_after_a_cut(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    char url[128];
    struct proxy *proxy = proxy_open(fixture, url);
    struct store *store = open_heard(fixture, &heard, url, 0), *writer = fixture_open_connected(fixture, NULL);
    watch(fixture, store, "again");
    struct answer first = commit_one(fixture, writer, "again", "e", STORE_WRITE, 0, "1");
    WAIT(fixture, heard.changed == 1);
    proxy_cut(proxy);
    WAIT(fixture, heard.lost == 1);
    struct answer second = commit_one(fixture, writer, "again", "e", STORE_WRITE, first.version, "2");
    WAIT(fixture, heard.connected == 2);
    WAIT(fixture, heard.head.version == second.version); /* told by the batch, if not by the doorbell */
    WAIT(fixture, atoi(server_tell(&fixture->server, "PUBLISH ledig:{again}:changes nonsense")) == 1);
    int before = heard.changed;
    commit_one(fixture, writer, "again", "e", STORE_WRITE, second.version, "3");
    WAIT(fixture, heard.changed == before + 1); /* and the nonsense was passed over */
    fixture_close(fixture, store);
    fixture_close(fixture, writer);
    proxy_close(proxy);
    fixture_settle(fixture);
}

static void scripts_that_the_server_forgot_are_taught_again(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture_open_connected(fixture, NULL);
    const char *numbers[3] = {"+1", "+2", "+3"}, *owners[3] = {"a", "b", "c"};
    struct answer taken = {0};
    struct change_asked changes[3] = {{.text = "1"}, {.text = "2"}, {.text = "3"}};
    server_tell(&fixture->server, "SCRIPT FLUSH");
    ASK(store_numbers_take(store, numbers, owners, 3, answer_numbers, &taken));
    update_ask(store, "script", "state:kari", NULL, &changes[0]);
    update_ask(store, "script", "state:ola", NULL, &changes[1]);
    update_ask(store, "script", "state:nina", NULL, &changes[2]);
    WAIT(fixture, taken.count && changes[0].answer.count && changes[1].answer.count && changes[2].answer.count);
    assert_int_equal(taken.error, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(changes[i].answer.error, 0);
    }
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void server_that_refuses_to_write_is_unavailable(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture_open_connected(fixture, NULL);
    commit_one(fixture, store, "full", "company", STORE_WRITE, 0, "x");
    server_tell(&fixture->server, "CONFIG SET maxmemory 1");
    struct answer full = commit_one(fixture, store, "full", "state:kari", STORE_WRITE, 0, "x");
    server_tell(&fixture->server, "CONFIG SET maxmemory 0");
    assert_int_equal(full.error, LEDIG_EUNAVAILABLE);
    assert_int_equal(commit_one(fixture, store, "full", "state:kari", STORE_WRITE, 0, "x").error, 0);
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

/* ---- Closing ---- */

struct asks_again {
    struct store *store;
    struct answer answer, second;
};

static void on_done_ask_again(void *arg, int error) {
    struct asks_again *again = arg;
    answer_done(&again->answer, error);
    ASK(store_watch(again->store, "later", answer_done, &again->second));
}

static void closing_answers_everything_that_is_open(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    struct store *store = open_heard(fixture, &heard, NULL, 0);
    struct change_asked changes[50];
    struct asks_again again = {.store = store};
    struct answer read = {0}, lease = {0}, taken = {0}, pruned = {0}, commit = {0}, pages = {0}, verified = {0};
    const char *entity = "company", *number = "+1", *owner = "x";
    struct store_record record = {.entity = "company", .revision = 1};
    struct store_write write = {.entity = "company", .action = STORE_CHECK};
    memset(changes, 0, sizeof changes);
    watch(fixture, store, "close");
    server_pause(&fixture->server, true);
    for (int i = 0; i < 50; i++) {
        changes[i].text = "x";
        update_ask(store, "close", i % 2 == 0 ? "state:kari" : "state:ola", i % 5 == 0 ? "queue:q" : NULL, &changes[i]);
    }
    ASK(store_commit(store, &(struct store_commit){.company = "close", .writes = &write, .count = 1}, answer_commit,
                     &commit));
    ASK(store_read(store, "close", &entity, 1, answer_some, &read));
    ASK(store_read_since(store, "close", 0, answer_page, answer_read, &pages));
    ASK(store_lease_take(store, "w", answer_lease, &lease));
    ASK(store_numbers_take(store, &number, &owner, 1, answer_numbers, &taken));
    ASK(store_prune(store, "close", &record, 1, answer_done, &pruned));
    ASK(store_verify(store, answer_done, &verified));
    ASK(store_watch(store, "other", on_done_ask_again, &again));
    fixture_run(fixture, fixture->seed % 2 == 0 ? 0 : 20);
    fixture_close(fixture, store);
    server_pause(&fixture->server, false);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(changes[i].answer.count, 1);
        assert_int_equal(changes[i].answer.error, LEDIG_EUNAVAILABLE);
    }
    assert_int_equal(read.error, LEDIG_EUNAVAILABLE);
    assert_int_equal(commit.error, LEDIG_EUNAVAILABLE);
    assert_int_equal(pages.error, LEDIG_EUNAVAILABLE);
    assert_int_equal(lease.error, LEDIG_EUNAVAILABLE);
    assert_int_equal(taken.error, LEDIG_EUNAVAILABLE);
    assert_int_equal(pruned.error, LEDIG_EUNAVAILABLE);
    assert_int_equal(verified.error, LEDIG_EUNAVAILABLE);
    assert_int_equal(again.answer.error, LEDIG_EUNAVAILABLE);
    assert_int_equal(again.second.error, LEDIG_EUNAVAILABLE);
    fixture_settle(fixture);
}

static void store_can_be_closed_at_any_moment(void **state) {
    struct fixture *fixture = *state;
    for (int turns = 0; turns < 12; turns++) {
        struct store *store = fixture_open(fixture, NULL);
        struct change_asked change = {.text = "x"};
        update_ask(store, "any", "state:kari", NULL, &change);
        for (int i = 0; i < turns; i++) {
            uv_run(&fixture->loop, UV_RUN_NOWAIT);
        }
        fixture_close(fixture, store);
        assert_int_equal(change.answer.count, 1);
    }
    fixture_settle(fixture);
}

/* ---- Where it lives ---- */

static void socket_with_a_path_longer_than_the_system_takes_is_reached(void **state) {
    struct fixture *fixture = *state;
    char dir[320], url[400], command[800];
    snprintf(dir, sizeof dir, "%s/%0120d", fixture->server.dir, 7);
    snprintf(command, sizeof command, "mkdir '%s' && ln -s '%s/redis.sock' '%s/redis.sock'", dir, fixture->server.dir,
             dir);
    assert_int_equal(system(command), 0);
    snprintf(url, sizeof url, "unix:%s/redis.sock", dir);
    struct store_options options = {.url = url};
    struct store *store = fixture_open_connected(fixture, &options);
    assert_int_equal(commit_one(fixture, store, "long", "company", STORE_WRITE, 0, "x").error, 0);
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void tcp_with_a_password_and_a_database_works(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    char url[64];
    int port = 20000 + (int)(getpid() % 20000);
    struct store *store;
    while (strcmp(server_tell(&fixture->server, "CONFIG GET port"), "2") == 0) {
        redisContext *context = server_connect(&fixture->server);
        redisReply *reply = redisCommand(context, "CONFIG SET port %d", port);
        bool taken = reply->type == REDIS_REPLY_ERROR;
        freeReplyObject(reply);
        redisFree(context);
        if (!taken) break;
        port++;
    }
    server_tell(&fixture->server, "ACL SETUSER ledig on >secret ~* &* +@all");
    snprintf(url, sizeof url, "redis://127.0.0.1:%d/3", port);
    struct store_options options = {
        .url = url, .user = "ledig", .password = "wrong", .events = {.lost = on_lost}, .arg = &heard};
    store = fixture_open(fixture, &options);
    WAIT(fixture, heard.lost == 1);
    assert_false(store_is_connected(store));
    fixture_close(fixture, store);
    options.password = "secret";
    store = fixture_open_connected(fixture, &options);
    assert_int_equal(commit_one(fixture, store, "tcp", "company", STORE_WRITE, 0, "x").error, 0);
    assert_string_equal(server_tell(&fixture->server, "EXISTS ledig:{tcp}:head"), "0"); /* it is in database 3 */
    fixture_close(fixture, store);
    server_tell(&fixture->server, "CONFIG SET port 0");
    fixture_settle(fixture);
}

/* ---- All at once ---- */

#define PEOPLE 6
#define STORES 2

struct person { /* one at a time asks for a person; so the last answered value must stand, and no older one */
    struct change_asked change;
    char entity[24], text[16];
    char answered[16];   /* the last value that was acknowledged */
    bool open, doubtful; /* an outcome unknown: either may stand */
    unsigned number;
};

static void ask_person(struct person *person, struct store *store) {
    memset(&person->change, 0, sizeof person->change);
    snprintf(person->text, sizeof person->text, "v%u", ++person->number);
    person->change.text = person->text;
    person->change.set = true;
    person->open = true;
    update_ask(store, "random", person->entity, NULL, &person->change);
}

static void take_answer_of(struct person *person, int *acknowledged) {
    if (!person->open || person->change.answer.count == 0) return;
    person->open = false;
    if (person->change.answer.error == 0) {
        (*acknowledged)++;
        memcpy(person->answered, person->text, sizeof person->answered);
        person->doubtful = false;
    } else {
        assert_int_equal(person->change.answer.error, LEDIG_EUNAVAILABLE);
        person->doubtful = true;
    }
}

static void no_acknowledged_change_is_lost_whatever_is_cut(void **state) {
    struct fixture *fixture = *state;
    struct heard heard[STORES] = {0};
    char url[128];
    struct proxy *proxy = proxy_open(fixture, url);
    struct store *stores[STORES] = {open_heard(fixture, &heard[0], url, 400), open_heard(fixture, &heard[1], url, 400)};
    struct person people[PEOPLE] = {0};
    int acknowledged = 0;
    srand(fixture->seed);
    for (int i = 0; i < PEOPLE; i++) {
        snprintf(people[i].entity, sizeof people[i].entity, "state:%d", i);
    }
    for (int step = 0; step < 4000; step++) {
        struct person *person = &people[rand() % PEOPLE];
        take_answer_of(person, &acknowledged);
        if (!person->open) ask_person(person, stores[rand() % STORES]);
        int fault = rand() % 1000;
        if (fault < 3) proxy_cut(proxy);
        if (fault >= 3 && fault < 9) proxy_lose_answers(proxy, "$2\r\nok\r\n");
        if (fault == 10) restart(fixture);
        if (fault == 11) {
            server_pause(&fixture->server, true);
            fixture_run(fixture, (uint64_t)(rand() % 300));
            server_pause(&fixture->server, false);
        }
        if (rand() % 3 == 0) fixture_turn(fixture);
    }
    for (int i = 0; i < PEOPLE; i++) {
        WAIT(fixture, people[i].change.answer.count == 1 || !people[i].open);
        take_answer_of(&people[i], &acknowledged);
    }
    WAIT(fixture, store_is_connected(stores[0]) && store_is_connected(stores[1]));
    for (int i = 0; i < PEOPLE; i++) {
        struct person *person = &people[i];
        struct answer read = read_one(fixture, stores[0], "random", person->entity);
        const char *stands = strchr(read.text, '=') + 1;
        char expected[32], asked[32];
        snprintf(expected, sizeof expected, "%s ", person->answered[0] != '\0' ? person->answered : "-");
        snprintf(asked, sizeof asked, "%s ", person->text);
        if (strcmp(stands, expected) != 0 && !(person->doubtful && atoi(stands + 1) > atoi(expected + 1))) {
            fail_msg("seed %u: %s says %s, acknowledged was %s", fixture->seed, person->entity, stands, expected);
        }
    }
    print_message("%d acknowledged, %d cuts\n", acknowledged, proxy_cuts(proxy));
    assert_true(acknowledged > 0);
    fixture_close(fixture, stores[0]);
    fixture_close(fixture, stores[1]);
    proxy_close(proxy);
    fixture_settle(fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        store_test(restart_gives_a_new_epoch_and_no_version_is_used_twice),
        store_test(company_is_adopted_by_whoever_touches_it_first_and_only_once),
        store_test(reading_adopts_too_and_eight_epochs_are_remembered),
        store_test(emptied_server_gets_a_new_history_above_the_old),
        store_test(company_put_back_to_an_earlier_state_is_adopted_anew),
        store_test(what_timed_out_on_a_stopped_server_does_not_take_effect_later),
        store_test(server_that_was_stopped_for_a_moment_fails_nobody),
        store_test(store_without_a_server_says_why_once_and_answers_in_time),
        store_test(leases_stand_still_while_the_server_is_away),
        store_test(update_whose_answer_was_lost_finds_its_own_change_in_place),
        store_test(commit_whose_answer_was_lost_is_unavailable_and_may_have_taken_effect),
        store_test(line_that_swallows_everything_is_given_up_and_made_anew),
        store_test(what_is_asked_while_the_server_is_away_waits_for_it),
        store_test(watch_stands_again_after_a_cut),
        store_test(scripts_that_the_server_forgot_are_taught_again),
        store_test(server_that_refuses_to_write_is_unavailable),
        store_test(closing_answers_everything_that_is_open),
        store_test(store_can_be_closed_at_any_moment),
        store_test(socket_with_a_path_longer_than_the_system_takes_is_reached),
        store_test(tcp_with_a_password_and_a_database_works),
        store_test(no_acknowledged_change_is_lost_whatever_is_cut),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
