/* What store.h promises where several share the store: conflicts, news, leases, numbers, large companies. */
#include "store_fixture.h"

#include <uthash.h>

/* ---- What a caller of the events sees ---- */

struct heard {
    int connected, lost, changed, verified, partial;
    char news[512]; /* as in struct answer */
    uint64_t version;
    char epoch[LEDIG_ID_CHARS_MAX + 1];
    struct store_head head;                     /* of the last watched company in the last reading */
    char lease[LEDIG_ID_CHARS_MAX + 1];         /* whose state is looked for … */
    int64_t ended_at_ms, renewed_at_ms, now_ms; /* … and what the last reading said; -1 = nothing */
    bool knows;
    struct store_record known;
    int asked_known;
};

static void on_connected(void *arg) {
    ((struct heard *)arg)->connected++;
}

static void on_lost(void *arg, const char *why) {
    assert_non_null(why);
    ((struct heard *)arg)->lost++;
}

static void on_changed(void *arg, const struct store_news *news) {
    struct heard *heard = arg;
    heard->changed++;
    heard->version = news->version;
    snprintf(heard->epoch, sizeof heard->epoch, "%s", news->epoch);
    if (!news->whole) {
        heard->partial++;
        assert_int_equal(news->count, 0);
    }
    for (size_t i = 0; i < news->count; i++) {
        const struct store_record *record = &news->records[i];
        size_t used = strlen(heard->news);
        assert_int_equal(record->revision, news->version);
        snprintf(heard->news + used, sizeof heard->news - used, "%s=%.*s ", record->entity,
                 record->bytes != NULL ? (int)record->length : 1,
                 record->bytes != NULL ? (const char *)record->bytes : "-");
    }
}

static void on_verified(void *arg, const struct store_reading *reading) {
    struct heard *heard = arg;
    heard->verified++;
    heard->now_ms = reading->now_ms;
    heard->ended_at_ms = heard->renewed_at_ms = -1;
    for (size_t i = 0; i < reading->lease_count; i++) {
        if (strcmp(reading->leases[i].id, heard->lease) != 0) continue;
        heard->ended_at_ms = reading->leases[i].ended_at_ms;
        heard->renewed_at_ms = reading->leases[i].renewed_at_ms;
    }
    if (reading->company_count > 0) heard->head = *reading->companies[reading->company_count - 1].head;
}

static bool on_known(void *arg, const char *company, const char *entity, struct store_record *record) {
    struct heard *heard = arg;
    (void)company;
    (void)entity;
    heard->asked_known++;
    if (heard->knows) *record = heard->known;
    return heard->knows;
}

static struct store_options listening(struct heard *heard) {
    return (struct store_options){.verify_ms = 50,
                                  .events = {.connected = on_connected,
                                             .lost = on_lost,
                                             .changed = on_changed,
                                             .verified = on_verified,
                                             .known = on_known},
                                  .arg = heard};
}

static struct store *open_listening(struct fixture *fixture, struct heard *heard) {
    struct store_options options = listening(heard);
    return fixture_open_connected(fixture, &options);
}

static void watch(struct fixture *fixture, struct store *store, const char *company) {
    struct answer answer = {0};
    ASK(store_watch(store, company, answer_done, &answer));
    WAIT(fixture, answer.count == 1);
    assert_int_equal(answer.error, 0);
}

/* ---- Conflicts ---- */

#define EACH 100

static void two_stores_that_change_one_entity_lose_nothing(void **state) {
    struct fixture *fixture = *state;
    struct store *stores[2] = {fixture_open_connected(fixture, NULL), fixture_open_connected(fixture, NULL)};
    static struct change_asked changes[2 * EACH];
    int done = 0;
    memset(changes, 0, sizeof changes);
    for (int i = 0; i < 2 * EACH; i++) {
        changes[i].text = i % 2 == 0 ? "a" : "b";
        update_ask(stores[i % 2], "contest", "state:kari", NULL, &changes[i]);
        if (i % 16 == 0) fixture_turn(fixture);
    }
    WAIT(fixture, (done += changes[done].answer.count) == 2 * EACH);
    for (int i = 0; i < 2 * EACH; i++) {
        assert_int_equal(changes[i].answer.error, 0);
    }
    struct answer read = read_one(fixture, stores[0], "contest", "state:kari");
    int counts[2] = {0};
    for (const char *at = strchr(read.text, '=') + 1; *at == 'a' || *at == 'b'; at++) {
        counts[*at - 'a']++;
    }
    assert_int_equal(counts[0], EACH);
    assert_int_equal(counts[1], EACH);
    fixture_close(fixture, stores[0]);
    fixture_close(fixture, stores[1]);
    fixture_settle(fixture);
}

static void what_the_caller_knows_spares_the_read_and_is_never_trusted(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    struct store *store = open_listening(fixture, &heard);
    struct change_asked right = {.text = "2"}, stale = {.text = "busy", .set = true};
    struct answer one = commit_one(fixture, store, "known", "state:kari", STORE_WRITE, 0, "1");
    heard.knows = true;
    heard.known = (struct store_record){.revision = one.version, .bytes = (const uint8_t *)"1", .length = 1};
    update_ask(store, "known", "state:kari", NULL, &right);
    WAIT(fixture, right.answer.count == 1);
    assert_true(heard.asked_known > 0);
    assert_int_equal(right.applied, 1);
    assert_int_equal(right.answer.version, one.version + 1);

    /* The caller believes that it says "busy" already, but another has set it since. */
    struct answer old = commit_one(fixture, store, "known", "state:kari", STORE_WRITE, right.answer.version, "busy");
    struct answer other = commit_one(fixture, store, "known", "state:kari", STORE_WRITE, old.version, "free");
    heard.known = (struct store_record){.revision = old.version, .bytes = (const uint8_t *)"busy", .length = 4};
    update_ask(store, "known", "state:kari", NULL, &stale);
    WAIT(fixture, stale.answer.count == 1);
    assert_int_equal(stale.answer.error, 0);
    assert_int_equal(stale.answer.version, other.version + 1);
    assert_non_null(strstr(read_one(fixture, store, "known", "state:kari").text, "=busy "));
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

/* ---- In turn ---- */

static void company_with_much_to_do_does_not_starve_another(void **state) {
    struct fixture *fixture = *state;
    struct store_options options = {.company_in_flight = 2};
    struct store *store = fixture_open_connected(fixture, &options);
    static struct answer import[2000];
    struct answer single = {0};
    size_t done = 0;
    memset(import, 0, sizeof import);
    for (size_t i = 0; i < 2000; i++) {
        char name[16];
        struct store_write write = {.entity = name, .action = STORE_WRITE, .bytes = (const uint8_t *)"x", .length = 1};
        struct store_commit commit = {.company = "import", .writes = &write, .count = 1};
        snprintf(name, sizeof name, "profile:%zu", i);
        ASK(store_commit(store, &commit, answer_commit, &import[i]));
    }
    struct store_write write = {
        .entity = "state:kari", .action = STORE_WRITE, .bytes = (const uint8_t *)"x", .length = 1};
    struct store_commit commit = {.company = "small", .writes = &write, .count = 1};
    ASK(store_commit(store, &commit, answer_commit, &single));
    WAIT(fixture, single.count == 1);
    while (done < 2000 && import[done].count == 1) {
        done++;
    }
    assert_true(done < 20);
    WAIT(fixture, import[1999].count == 1);
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

/* ---- News ---- */

static void watcher_is_told_of_each_change_with_its_records(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    struct store *watcher = open_listening(fixture, &heard), *writer = fixture_open_connected(fixture, NULL);
    watch(fixture, watcher, "news");
    struct answer first = commit_one(fixture, writer, "news", "state:kari", STORE_WRITE, 0, "a\nb");
    commit_one(fixture, writer, "news", "state:kari", STORE_TOMBSTONE, first.version, NULL);
    struct answer third = commit_one(fixture, writer, "news", "state:ola", STORE_WRITE, 0, "");
    struct answer last = commit_one(fixture, writer, "news", "state:ola", STORE_REMOVE, third.version, NULL);
    WAIT(fixture, heard.changed == 4);
    assert_string_equal(heard.news, "state:kari=a\nb state:kari=- state:ola= state:ola=- ");
    assert_int_equal(heard.version, last.version);
    assert_string_equal(heard.epoch, read_one(fixture, writer, "news", "x").head.epoch);
    assert_int_equal(heard.partial, 0);

    store_unwatch(watcher, "news");
    WAIT(fixture, atoi(server_tell(&fixture->server, "PUBLISH ledig:{news}:changes x")) == 0);
    commit_one(fixture, writer, "news", "state:ola", STORE_WRITE, 0, "unheard");
    fixture_run(fixture, 30);
    assert_int_equal(heard.changed, 4);
    fixture_close(fixture, watcher);
    fixture_close(fixture, writer);
    fixture_settle(fixture);
}

static void watching_twice_counts_twice(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    struct store *store = open_listening(fixture, &heard);
    watch(fixture, store, "twice");
    watch(fixture, store, "twice");
    store_unwatch(store, "twice");
    commit_one(fixture, store, "twice", "e", STORE_WRITE, 0, "x");
    WAIT(fixture, heard.changed == 1);
    store_unwatch(store, "twice");
    store_unwatch(store, "twice"); /* once too often does no harm */
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void change_over_64_kib_is_told_by_its_version_alone(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    struct store *store = open_listening(fixture, &heard);
    char *bytes = calloc(1, 70001);
    memset(bytes, 'x', 70000);
    watch(fixture, store, "vast");
    struct answer answer = commit_one(fixture, store, "vast", "company", STORE_WRITE, 0, bytes);
    WAIT(fixture, heard.changed == 1);
    assert_int_equal(heard.partial, 1);
    assert_int_equal(heard.version, answer.version);
    free(bytes);
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void change_whose_doorbell_was_lost_is_found_by_the_verify_batch(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    struct store *store = open_listening(fixture, &heard);
    watch(fixture, store, "lost");
    struct answer answer = commit_one(fixture, store, "lost", "e", STORE_WRITE, 0, "x");
    server_tell(&fixture->server, "HSET ledig:{lost}:head version %llu", (unsigned long long)answer.version + 1);
    WAIT(fixture, heard.head.version == answer.version + 1);
    assert_int_equal(heard.changed, 1);
    assert_true(store_stale_ms(store) < 2000);
    assert_true(llabs(store_now_ms(store) - heard.now_ms) < 2000);
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void verification_can_be_asked_for(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    struct store_options options = listening(&heard);
    options.verify_ms = 60000;
    struct store *store = fixture_open(fixture, &options);
    struct answer early = {0}, late = {0};
    ASK(store_verify(store, answer_done, &early)); /* before there is a connection */
    WAIT(fixture, early.count == 1);
    int before = heard.verified;
    ASK(store_verify(store, answer_done, &late));
    WAIT(fixture, late.count == 1);
    assert_int_equal(late.error, 0);
    assert_true(heard.verified > before);
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

/* ---- Large companies ---- */

struct replica_entry {
    UT_hash_handle hh;
    char entity[32];
    uint64_t revision;
};

struct replica {
    struct answer answer;
    struct replica_entry *entries;
    uint64_t last; /* revision: they come in the order of change */
    size_t pages;
    void (*between)(void *arg); /* called at each page */
    void *arg;
};

static void replica_page(void *arg, const struct store_record *records, size_t count) {
    struct replica *replica = arg;
    replica->pages++;
    for (size_t i = 0; i < count; i++) {
        struct replica_entry *entry;
        assert_true(records[i].revision >= replica->last);
        replica->last = records[i].revision;
        HASH_FIND_STR(replica->entries, records[i].entity, entry);
        if (entry == NULL) {
            entry = calloc(1, sizeof *entry);
            snprintf(entry->entity, sizeof entry->entity, "%s", records[i].entity);
            HASH_ADD_STR(replica->entries, entity, entry);
        }
        entry->revision = records[i].revision;
    }
    if (replica->between != NULL) replica->between(replica->arg);
}

static void replica_done(void *arg, int error, const struct store_head *head) {
    answer_read(&((struct replica *)arg)->answer, error, head);
}

static void replica_free(struct replica *replica) {
    struct replica_entry *entry, *next;
    HASH_ITER(hh, replica->entries, entry, next) {
        HASH_DEL(replica->entries, entry);
        free(entry);
    }
}

#define PEOPLE 3000

static void write_people(struct fixture *fixture, struct store *store, const char *company) {
    static char names[STORE_COMMIT_ENTITIES_MAX][32];
    static struct store_write writes[STORE_COMMIT_ENTITIES_MAX];
    for (size_t from = 0; from < PEOPLE; from += STORE_COMMIT_ENTITIES_MAX) {
        struct answer answer = {0};
        for (size_t i = 0; i < STORE_COMMIT_ENTITIES_MAX; i++) {
            snprintf(names[i], sizeof names[i], "state:%zu", from + i);
            writes[i] = (struct store_write){
                .entity = names[i], .action = STORE_WRITE, .bytes = (const uint8_t *)"first", .length = 5};
        }
        struct store_commit commit = {.company = company, .writes = writes, .count = STORE_COMMIT_ENTITIES_MAX};
        ASK(store_commit(store, &commit, answer_commit, &answer));
        WAIT(fixture, answer.count == 1);
        assert_int_equal(answer.error, 0);
    }
}

struct meddler { /* writes while another reads */
    struct fixture *fixture;
    struct store *store;
    struct change_asked changes[64];
    size_t count;
};

static void meddle(void *arg) {
    struct meddler *meddler = arg;
    for (int i = 0; i < 5 && meddler->count < 64; i++) {
        char entity[32];
        struct change_asked *change = &meddler->changes[meddler->count++];
        change->text = "again";
        snprintf(entity, sizeof entity, "state:%d", rand() % PEOPLE);
        update_ask(meddler->store, "pages", entity, NULL, change);
    }
}

static void pages_read_while_others_write_miss_nothing(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture_open_connected(fixture, NULL);
    static struct meddler meddler;
    struct replica replica = {.between = meddle, .arg = &meddler}, after = {0};
    char expected[32];
    memset(&meddler, 0, sizeof meddler);
    meddler.fixture = fixture;
    meddler.store = store;
    srand(fixture->seed);
    write_people(fixture, store, "pages");
    ASK(store_read_since(store, "pages", 0, replica_page, replica_done, &replica));
    WAIT(fixture, replica.answer.count == 1);
    assert_int_equal(replica.answer.error, 0);
    assert_true(replica.pages >= PEOPLE / 500);
    assert_int_equal(HASH_COUNT(replica.entries), PEOPLE);
    for (size_t i = 0; i < meddler.count; i++) {
        WAIT(fixture, meddler.changes[i].answer.count == 1);
    }

    /* What the head stands for was told: all else has changed since. */
    ASK(store_read_since(store, "pages", replica.answer.head.version, replica_page, replica_done, &after));
    WAIT(fixture, after.answer.count == 1);
    struct replica_entry *entry, *next;
    HASH_ITER(hh, after.entries, entry, next) {
        struct replica_entry *held;
        HASH_FIND_STR(replica.entries, entry->entity, held);
        held->revision = entry->revision;
    }
    HASH_ITER(hh, replica.entries, entry, next) {
        snprintf(expected, sizeof expected, "%llu", (unsigned long long)entry->revision);
        assert_string_equal(server_tell(&fixture->server, "ZSCORE ledig:{pages}:changed %s", entry->entity), expected);
    }
    replica_free(&replica);
    replica_free(&after);
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void remove_one(void *arg) {
    struct meddler *meddler = arg;
    if (meddler->count++ > 0) return;
    server_tell(&meddler->fixture->server, "HSET ledig:{shrink}:head pruned 12345");
}

static void read_during_which_something_was_taken_out_fails_and_can_be_repeated(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture_open_connected(fixture, NULL);
    static struct meddler meddler;
    struct replica replica = {.between = remove_one, .arg = &meddler}, again = {0};
    meddler = (struct meddler){.fixture = fixture, .store = store};
    write_people(fixture, store, "shrink");
    ASK(store_read_since(store, "shrink", 0, replica_page, replica_done, &replica));
    WAIT(fixture, replica.answer.count == 1);
    assert_int_equal(replica.answer.error, LEDIG_EUNAVAILABLE);
    ASK(store_read_since(store, "shrink", 0, replica_page, replica_done, &again));
    WAIT(fixture, again.answer.count == 1);
    assert_int_equal(again.answer.error, 0);
    assert_int_equal(again.answer.head.pruned, 12345);
    replica_free(&replica);
    replica_free(&again);
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

/* ---- Leases ---- */

static void lease_lives_while_it_is_renewed_and_ends_once(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0}, other = {0};
    struct store_options options = listening(&heard);
    options.lease_ms = 300;
    struct store *store = fixture_open_connected(fixture, &options), *second = open_listening(fixture, &other);
    struct answer taken = {0}, ended = {0};
    int64_t before = store_now_ms(store);
    ASK(store_lease_take(store, "w1.abc", answer_lease, &taken));
    WAIT(fixture, taken.count == 1);
    assert_int_equal(taken.error, 0);
    char *dash = strchr(taken.text, '-');
    assert_string_equal(dash, "-w1.abc");
    assert_true(llabs((int64_t)strtoll(taken.text, NULL, 16) - before) < 2000);
    snprintf(heard.lease, sizeof heard.lease, "%.64s", taken.text);
    snprintf(other.lease, sizeof other.lease, "%.64s", taken.text);
    while (store_now_ms(store) < before + 700) { /* more than twice its length */
        struct answer renewed = {0};
        ASK(store_lease_renew(store, taken.text, answer_done, &renewed));
        WAIT(fixture, renewed.count == 1);
        assert_int_equal(renewed.error, 0);
        fixture_run(fixture, 20);
    }
    WAIT(fixture, other.renewed_at_ms > before + 500);
    assert_int_equal(other.ended_at_ms, 0);

    /* Nobody renews any more: whoever looks sees it end, at one time for all. */
    WAIT(fixture, heard.ended_at_ms > 0 && other.ended_at_ms > 0);
    int64_t end = heard.ended_at_ms;
    assert_int_equal(other.ended_at_ms, end);
    assert_true(end > heard.renewed_at_ms + 300);
    struct answer late = {0};
    ASK(store_lease_renew(store, taken.text, answer_done, &late));
    ASK(store_lease_end(second, taken.text, answer_done, &ended));
    WAIT(fixture, late.count == 1 && ended.count == 1);
    assert_int_equal(late.error, LEDIG_ELEASE_ENDED);
    assert_int_equal(ended.error, 0);
    int readings = heard.verified;
    WAIT(fixture, heard.verified >= readings + 2);
    assert_int_equal(heard.ended_at_ms, end);
    fixture_close(fixture, store);
    fixture_close(fixture, second);
    fixture_settle(fixture);
}

static void lease_ended_in_order_is_seen_at_once_and_unknown_ones_cannot_be_renewed(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    struct store *store = open_listening(fixture, &heard);
    struct answer taken = {0}, twin = {0}, ended = {0}, verified = {0}, unknown = {0};
    ASK(store_lease_take(store, "w2", answer_lease, &taken));
    ASK(store_lease_take(store, "w2", answer_lease, &twin));
    WAIT(fixture, twin.count == 1);
    assert_string_not_equal(taken.text, twin.text);
    snprintf(heard.lease, sizeof heard.lease, "%.64s", taken.text);
    ASK(store_lease_end(store, taken.text, answer_done, &ended));
    ASK(store_verify(store, answer_done, &verified));
    ASK(store_lease_renew(store, "1a2b-never", answer_done, &unknown));
    WAIT(fixture, verified.count == 1 && unknown.count == 1);
    assert_int_equal(ended.error, 0);
    assert_true(heard.ended_at_ms > 0);
    assert_int_equal(unknown.error, LEDIG_ELEASE_ENDED);
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void ended_lease_is_forgotten_after_a_day(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {.lease = "1-old"};
    struct store *store = open_listening(fixture, &heard);
    long long now = (long long)store_now_ms(store);
    server_tell(&fixture->server, "HSET ledig:leases 1-old %s", "1000 2000 10000");
    char young[64];
    snprintf(young, sizeof young, "1000 %lld 10000", now - 3600000);
    server_tell(&fixture->server, "HSET ledig:leases 1-young %s", young);
    WAIT(fixture, strcmp(server_tell(&fixture->server, "HEXISTS ledig:leases 1-old"), "0") == 0);
    snprintf(heard.lease, sizeof heard.lease, "1-young");
    WAIT(fixture, heard.ended_at_ms == now - 3600000);
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

/* ---- Numbers ---- */

static void numbers_are_taken_all_or_none(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture_open_connected(fixture, NULL);
    const char *numbers[3] = {"+4710000001", "+4710000002", "+4710000003"};
    const char *kari[3] = {"acme/user/kari", "acme/user/kari", "acme/user/kari"},
               *ola[3] = {"b/user/ola", "b/user/ola", "b/user/ola"};
    struct answer taken = {0}, again = {0}, conflict = {0}, found = {0}, given = {0}, own = {0}, after = {0};
    ASK(store_numbers_take(store, numbers + 1, kari, 1, answer_numbers, &taken));
    ASK(store_numbers_take(store, numbers + 1, kari, 1, answer_numbers, &again));
    ASK(store_numbers_take(store, numbers, ola, 3, answer_numbers, &conflict));
    WAIT(fixture, conflict.count == 1);
    assert_int_equal(taken.error, 0);
    assert_int_equal(again.error, 0);
    assert_int_equal(conflict.error, LEDIG_ECONFLICT);
    assert_int_equal(conflict.which, 1);
    ASK(store_numbers_find(store, numbers, 3, answer_found, &found));
    WAIT(fixture, found.count == 1);
    assert_string_equal(found.text, "- acme/user/kari - ");
    ASK(store_numbers_give(store, numbers, ola, 3, answer_done, &given)); /* not ola's to give */
    ASK(store_numbers_give(store, numbers, kari, 3, answer_done, &own));
    ASK(store_numbers_find(store, numbers, 3, answer_found, &after));
    WAIT(fixture, after.count == 1);
    assert_int_equal(given.error, 0);
    assert_string_equal(after.text, "- - - ");
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

static void thousands_of_numbers_go_in_steps(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture_open_connected(fixture, NULL);
    static char texts[2500][16];
    static const char *numbers[2500], *owners[2500];
    struct answer taken = {0}, conflict = {0}, given = {0};
    for (size_t i = 0; i < 2500; i++) {
        snprintf(texts[i], sizeof texts[i], "+4711%06zu", i);
        numbers[i] = texts[i];
        owners[i] = "acme/queue/support";
    }
    ASK(store_numbers_take(store, numbers, owners, 2500, answer_numbers, &taken));
    WAIT(fixture, taken.count == 1);
    assert_int_equal(taken.error, 0);
    server_tell(&fixture->server, "SET ledig:number:+4711001500 other");
    ASK(store_numbers_take(store, numbers, owners, 2500, answer_numbers, &conflict));
    WAIT(fixture, conflict.count == 1);
    assert_int_equal(conflict.error, LEDIG_ECONFLICT);
    assert_int_equal(conflict.which, 1500);
    assert_string_equal(server_tell(&fixture->server, "GET ledig:number:+4711000000"),
                        "acme/queue/support"); /* had it before */
    ASK(store_numbers_give(store, numbers, owners, 2500, answer_done, &given));
    WAIT(fixture, given.count == 1);
    assert_string_equal(server_tell(&fixture->server, "EXISTS ledig:number:+4711000000"), "0");
    fixture_close(fixture, store);
    fixture_settle(fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        store_test(two_stores_that_change_one_entity_lose_nothing),
        store_test(what_the_caller_knows_spares_the_read_and_is_never_trusted),
        store_test(company_with_much_to_do_does_not_starve_another),
        store_test(watcher_is_told_of_each_change_with_its_records),
        store_test(watching_twice_counts_twice),
        store_test(change_over_64_kib_is_told_by_its_version_alone),
        store_test(change_whose_doorbell_was_lost_is_found_by_the_verify_batch),
        store_test(verification_can_be_asked_for),
        store_test(pages_read_while_others_write_miss_nothing),
        store_test(read_during_which_something_was_taken_out_fails_and_can_be_repeated),
        store_test(lease_lives_while_it_is_renewed_and_ends_once),
        store_test(lease_ended_in_order_is_seen_at_once_and_unknown_ones_cannot_be_renewed),
        store_test(ended_lease_is_forgotten_after_a_day),
        store_test(numbers_are_taken_all_or_none),
        store_test(thousands_of_numbers_go_in_steps),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
