/* The row of a queue, made of its members' views and of the calls that wait. */
#include "tests/unit/company_fixture.h"
#include "tests/unit/lease_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first
#include <cmocka.h>

/* A person to whom the employer has assigned the queue. */
static void commit_agent(struct bench *bench, const char *user) {
    static const char *const queues[] = {"support"};
    commit_person(bench, user);
    struct record record = profile(user);
    record.profile.queues = (struct texts){.at = queues, .count = 1, .present = true};
    commit(bench, &record);
}

static void log_in(struct bench *bench, const char *user, const char *pause, const char *status,
                   int64_t wrap_up_until) {
    struct log_in log_in = {.queue = "support", .since = NOW, .pause = pause};
    struct record record = {
        .kind = RECORD_STATE,
        .state = {.id = user, .status = status, .wrap_up_until = wrap_up_until, .log_ins = {&log_in, 1, true}}};
    commit(bench, &record);
}

static void a_queue_row_follows_those_who_are_logged_in(void **state) {
    struct bench *bench = *state;
    struct filter *filter = follow_queue(bench, "support");
    uint64_t cursor = 0;
    commit_agent(bench, "kari");
    commit_agent(bench, "ola");
    commit_agent(bench, "nina");
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
    filter_release(filter);
}

static void who_is_no_longer_assigned_counts_no_more(void **state) {
    struct bench *bench = *state;
    struct filter *filter = follow_queue(bench, "support");
    uint64_t cursor = 0;
    commit_agent(bench, "kari");
    commit(bench, &(struct record){.kind = RECORD_QUEUE, .queue = {.id = "support"}});
    log_in(bench, "kari", NULL, NULL, 0);
    expect_queue(walk_with(bench, filter, &cursor), 1, 0, 0, 0, 0);
    struct record record = profile("kari");
    commit(bench, &record);
    expect_queue(walk_with(bench, filter, &cursor), 0, 0, 0, 0, 0);
    commit_agent(bench, "kari"); /* her state was written anew, without the log-in */
    log_in(bench, "kari", NULL, NULL, 0);
    expect_queue(walk_with(bench, filter, &cursor), 1, 0, 0, 0, 0);
    filter_release(filter);
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
    struct filter *filter = follow_queue(bench, "support");
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
    filter_release(filter);
}

static void a_waiting_call_goes_with_its_worker(void **state) {
    struct bench *bench = *state;
    struct filter *filter = follow_queue(bench, "support");
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
    filter_release(filter);
}

static void an_ended_call_is_forgotten_after_a_while(void **state) {
    struct bench *bench = *state;
    commit(bench, &(struct record){.kind = RECORD_CALL, .call = {.id = "c1", .seq = 7, .ended_at = NOW}});
    assert_int_equal(company_revision(bench->company, named("call:c1")), 101);
    commit_tombstone(bench, "call:c2");
    assert_int_equal(company_next_due(bench->company), NOW + 600000);
    company_tick(bench->company, NOW + 600000, false);
    assert_int_equal(company_revision(bench->company, named("call:c1")), 0);
    assert_int_equal(company_revision(bench->company, named("call:c2")), 0);
    assert_int_equal(company_next_due(bench->company), NEVER);
}

static void a_queue_that_is_gone_shows_zeros(void **state) {
    struct bench *bench = *state;
    struct filter *filter = follow_queue(bench, "support");
    uint64_t cursor = 0;
    commit(bench, &(struct record){.kind = RECORD_QUEUE, .queue = {.id = "support"}});
    commit_agent(bench, "kari");
    log_in(bench, "kari", NULL, NULL, 0);
    expect_queue(walk_with(bench, filter, &cursor), 1, 0, 0, 0, 0);
    commit_tombstone(bench, "queue:support");
    expect_queue(walk_with(bench, filter, &cursor), 0, 0, 0, 0, 0);
    assert_false(company_has_queue(bench->company, "support"));
    filter_release(filter);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_queue_row_follows_those_who_are_logged_in), CASE(who_is_no_longer_assigned_counts_no_more),
        CASE(a_queue_row_counts_the_calls_that_wait),      CASE(a_waiting_call_goes_with_its_worker),
        CASE(an_ended_call_is_forgotten_after_a_while),    CASE(a_queue_that_is_gone_shows_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
