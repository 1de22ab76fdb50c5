/* A replica without memory: every single allocation is let fail in turn. It says so, and nothing leaks or breaks. */
#include "tests/unit/company_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first
#include <cmocka.h>

static const struct entity_names unkeyed;

#define ALLOCATIONS_MAX 10000

static long allocations_left = -1; /* before one fails; -1 = none fails */

static bool must_fail(void) {
    return allocations_left >= 0 && allocations_left-- == 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *at, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *at, size_t size);

void *__wrap_malloc(size_t size) {
    return must_fail() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return must_fail() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *at, size_t size) {
    return must_fail() ? NULL : __real_realloc(at, size);
}

struct run {
    struct leases *leases;
    struct company *company;
    struct filter *filter;
    struct buffer bytes;
    struct frame frame;
    uint64_t version;
};

static int put(struct run *run, const struct record *record) {
    char name[ENTITY_NAME_BYTES_MAX];
    entity_name(&unkeyed, record->kind, record_id(record), name);
    buffer_clear(&run->bytes);
    int error = record_encode(record, &run->bytes);
    struct company_write write = {name, ++run->version, run->bytes.bytes, run->bytes.length};
    return error ? error : company_apply(run->company, &write, true, false, NOW);
}

static int put_person(struct run *run, const char *user, const char *number) {
    struct own_session session = {
        .session = "s", .device = "d", .incarnation = "1-w", .state = "idle", .state_at = NOW};
    struct log_in log_ins[] = {{.queue = "support", .since = NOW}, {.queue = user, .since = NOW}};
    int error = put(run, &(struct record){.kind = RECORD_PROFILE,
                                          .profile = {.id = user,
                                                      .name = user,
                                                      .numbers = {&number, 1, true, false},
                                                      .queues = {&user, 1, true, false}}});
    if (error) return error;
    return put(run, &(struct record){.kind = RECORD_STATE,
                                     .state = {.id = user,
                                               .status = "busy",
                                               .until = NOW + 10,
                                               .sessions = {&session, 1, true},
                                               .log_ins = {log_ins, 2, true}}});
}

static int put_all(struct run *run) {
    struct week_hours week = {.day = 1, .from = 480, .to = 960};
    struct schedule schedule = {.id = "day", .week = {&week, 1, true}};
    const char *number = "+4710000000";
    int error =
        put(run, &(struct record){.kind = RECORD_COMPANY,
                                  .company = {.id = "acme", .schedule = "day", .schedules = {&schedule, 1, true}}});
    if (!error)
        error = put(run, &(struct record){.kind = RECORD_QUEUE,
                                          .queue = {.id = "support", .numbers = {&number, 1, true, false}}});
    for (int i = 0; i < 20 && !error; i++) {
        char user[16], own_number[24];
        snprintf(user, sizeof user, "user%d", i);
        snprintf(own_number, sizeof own_number, "+47100001%02d", i);
        error = put_person(run, user, own_number);
    }
    if (!error)
        error = put(
            run, &(struct record){.kind = RECORD_CALL, .call = {.id = "c", .queue = "sales", .poll_until = NOW + 5}});
    return error;
}

static int take_away(struct run *run) {
    static const char *const gone[] = {"state:user1", "profile:user2", "queue:support", "call:c", "state:nobody"};
    int error = 0;
    for (size_t i = 0; i < sizeof gone / sizeof gone[0] && !error; i++)
        error =
            company_apply(run->company, &(struct company_write){gone[i], ++run->version, NULL, 0}, true, false, NOW);
    company_tick(run->company, NOW + 2 * DAY_MS, true);
    return error;
}

static int look(struct run *run, enum encoding encoding) {
    uint64_t cursor = 0;
    buffer_clear(&run->bytes);
    frame_begin(&run->frame, encoding);
    bool more = company_walk(run->company, run->filter, &cursor, &run->frame);
    return frame_end_changes(&run->frame, more, "e1", 1, 1, &run->bytes);
}

static int live(struct run *run) {
    const char *const users[] = {"user1", "user2"};
    const char *const queues[] = {"support"};
    run->leases = leases_create();
    run->company = run->leases ? company_open("acme", run->leases, &unkeyed) : NULL;
    run->filter = !run->company ? NULL
                                : filter_create(run->company, &(struct texts){.at = users, .count = 2, .present = true},
                                                &(struct texts){.at = queues, .count = 1, .present = true}, "user3");
    if (!run->company || !run->filter) return LEDIG_ENO_MEMORY;
    leases_reading_begin(run->leases, NOW);
    int error = leases_reading_put(run->leases, "1-w", NOW);
    leases_reading_end(run->leases);
    if (!error) error = put_all(run);
    company_tick(run->company, NOW + 10, true);
    for (enum encoding encoding = ENCODING_MSGPACK; encoding < ENCODING_COUNT && !error; encoding++)
        error = look(run, encoding);
    return error ? error : take_away(run);
}

static void without_memory_a_replica_says_so(void **state) {
    (void)state;
    bool failed = true;
    long allowed = 0;
    for (; failed && allowed < ALLOCATIONS_MAX; allowed++) {
        struct run run = {0};
        allocations_left = allowed;
        int error = live(&run);
        failed = allocations_left < 0;
        allocations_left = -1;
        assert_true(error == 0 || (failed && error == LEDIG_ENO_MEMORY));
        filter_release(run.filter);
        company_close(run.company);
        leases_free(run.leases);
        buffer_free(&run.bytes);
        frame_free(&run.frame);
    }
    assert_in_range(allowed, 200, ALLOCATIONS_MAX - 1); /* all of them had their turn */
}

static int put_state(struct run *run, const char *queue) {
    struct log_in log_in = {.queue = queue, .since = NOW};
    return put(run, &(struct record){.kind = RECORD_STATE, .state = {.id = "kari", .log_ins = {&log_in, 1, true}}});
}

/* A commit is made from what is lent, and the store compares nothing but the revision. */
static void what_is_lent_is_of_the_revision_that_is_told(void **state) {
    (void)state;
    int error = LEDIG_ENO_MEMORY;
    for (long allowed = 0; error && allowed < ALLOCATIONS_MAX; allowed++) {
        struct run run = {.leases = leases_create()};
        const uint8_t *bytes;
        size_t length;
        run.company = company_open("acme", run.leases, &unkeyed);
        assert_int_equal(put_state(&run, "support"), 0);
        allocations_left = allowed;
        error = put_state(&run, "sales");
        allocations_left = -1;
        assert_int_equal(company_lend_record(run.company, "state:kari", &bytes, &length), 0);
        if (company_revision(run.company, "state:kari") == run.version) {
            assert_int_equal(length, run.bytes.length);
            assert_memory_equal(bytes, run.bytes.bytes, length);
        }
        company_close(run.company);
        leases_free(run.leases);
        buffer_free(&run.bytes);
    }
    assert_int_equal(error, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_memory_a_replica_says_so),
        cmocka_unit_test(what_is_lent_is_of_the_revision_that_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
