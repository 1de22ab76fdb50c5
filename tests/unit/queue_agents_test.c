/* Who is logged in to a queue, as the queue itself knows it: after random moves, the same as a walk over everybody
 * finds. LEDIG_SEED plays a run again. */
#include "tests/unit/company_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
// cmocka wants the headers above first
#include <cmocka.h>

#define PEOPLE 40
#define QUEUES 6
#define MOVES 4000
#define LOG_INS_MAX 4

static uint32_t draw(uint64_t *random, uint32_t below) {
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*random >> 33) % below;
}

static const char *name(char text[static 16], const char *kind, uint32_t number) {
    snprintf(text, 16, "%s%u", kind, (unsigned)number);
    return text;
}

/* ---- Moves ---- */

static void log_in_to_some(struct bench *bench, uint64_t *random, const char *user) {
    struct log_in log_ins[LOG_INS_MAX];
    char queues[LOG_INS_MAX][16];
    uint32_t count = draw(random, LOG_INS_MAX + 1), first = draw(random, QUEUES);
    for (uint32_t i = 0; i < count; i++)
        log_ins[i] = (struct log_in){.queue = name(queues[i], "queue", (first + i) % QUEUES), .since = NOW};
    struct record record = free_state(user);
    record.state.log_ins = (struct list){log_ins, count, count > 0};
    record.state.status = draw(random, 2) ? "busy" : NULL;
    record.state.until = draw(random, 2) ? bench->now + draw(random, 50) : 0;
    commit(bench, &record);
}

static void move(struct bench *bench, uint64_t *random) {
    char user[16], entity[32], queue[16];
    name(user, "user", draw(random, PEOPLE));
    struct record record = profile(user);
    switch (draw(random, 10)) {
    case 0:
        commit(bench, &record);
        break;
    case 1:
        snprintf(entity, sizeof entity, "profile:%s", user);
        commit_tombstone(bench, entity);
        break;
    case 2:
        snprintf(entity, sizeof entity, "state:%s", user);
        commit_tombstone(bench, entity);
        break;
    case 3:
        name(queue, "queue", draw(random, QUEUES));
        commit(bench, &(struct record){.kind = RECORD_QUEUE, .queue = {.id = queue}});
        break;
    case 4:
        snprintf(entity, sizeof entity, "queue:queue%u", (unsigned)draw(random, QUEUES));
        commit_tombstone(bench, entity);
        break;
    case 5:
        bench->now += draw(random, 40) ? draw(random, 30) : DAY_MS + 1; /* long enough to forget who left */
        company_tick(bench->company, bench->now, draw(random, 2));
        break;
    default:
        log_in_to_some(bench, random, user);
    }
}

/* ---- Two ways to look ---- */

struct look {
    const char *queue;
    bool seen[PEOPLE];
    uint32_t times;
};

static void note(struct look *look, const struct member *member) {
    look->seen[atoi(member_user(member) + strlen("user"))] = true;
    look->times++;
}

static void look_at_agent(void *arg, const struct member *member) {
    note(arg, member);
}

static void look_at_anybody(void *arg, const struct member *member) {
    struct look *look = arg;
    const struct state_record *state = member_state(member);
    const struct log_in *log_ins = state ? state->log_ins.at : NULL;
    for (uint32_t i = 0; log_ins && i < state->log_ins.count; i++)
        if (strcmp(log_ins[i].queue, look->queue) == 0) note(look, member);
}

static uint32_t compare(const struct bench *bench) {
    uint32_t found = 0;
    for (uint32_t q = 0; q < QUEUES; q++) {
        char queue[16];
        struct look index = {.queue = name(queue, "queue", q)}, walk = {.queue = queue};
        company_each_agent(bench->company, queue, look_at_agent, &index);
        company_each_member(bench->company, look_at_anybody, &walk);
        assert_int_equal(index.times, walk.times);
        assert_memory_equal(index.seen, walk.seen, sizeof index.seen);
        found += index.times;
    }
    return found;
}

static void a_queue_knows_who_is_logged_in_after_any_moves(void **state) {
    struct bench *bench = *state;
    const char *said = getenv("LEDIG_SEED");
    uint64_t seed = said ? strtoull(said, NULL, 10) : (uint64_t)time(NULL), random = seed;
    print_message("LEDIG_SEED=%llu\n", (unsigned long long)seed);
    uint64_t found = 0;
    for (uint32_t i = 0; i < MOVES; i++) {
        move(bench, &random);
        found += compare(bench);
    }
    assert_true(found > MOVES); /* there was something to look at */
}

static void a_queue_that_nobody_spoke_of_has_no_agents(void **state) {
    struct bench *bench = *state;
    struct look look = {.queue = "nowhere"};
    company_each_agent(bench->company, "nowhere", look_at_agent, &look);
    assert_int_equal(look.times, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_queue_knows_who_is_logged_in_after_any_moves),
        CASE(a_queue_that_nobody_spoke_of_has_no_agents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
