/* Looking for people by their marks: after random moves nobody is missed whom a look at everybody finds, and few are
 * looked at in vain. LEDIG_SEED plays a run again. */
#include "broker/model/search.h"
#include "tests/unit/company_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
// cmocka wants the headers above first
#include <cmocka.h>

#define PEOPLE 120
#define MOVES 3000

static uint32_t draw(uint64_t *random, uint32_t below) {
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*random >> 33) % below;
}

static const char *const words[] = {"Ola",   "Åse",   "ærø",  "Kari", "o",      "Ås",       "É",     "Nordmann-Ås",
                                    "Drift", "Olsen", "salg", "Þór",  "støtte", "O'Brien",  "x-",    "Ø",
                                    "x",     "Li",    "_a",   "Zoë",  "Kær",    "Jean-Luc", "a.b.c", "Nord"};
#define WORDS (sizeof words / sizeof *words)

static const char *some_words(uint64_t *random, char text[static 128]) {
    text[0] = '\0';
    for (uint32_t i = draw(random, 4); i > 0; i--) {
        if (text[0]) strcat(text, draw(random, 2) ? " " : "-");
        strcat(text, words[draw(random, WORDS)]);
    }
    return text[0] ? text : NULL;
}

/* Comes, is renamed, or leaves. */
static void move(struct bench *bench, uint64_t *random) {
    char user[16], entity[32], name[128], department[128], number[24];
    const char *numbers[] = {number};
    uint32_t which = draw(random, PEOPLE);
    snprintf(user, sizeof user, "%c.%u", "ouåx"[draw(random, 2)], (unsigned)which);
    snprintf(entity, sizeof entity, "profile:%s", user);
    snprintf(number, sizeof number, "+47%u%03u", (unsigned)draw(random, 90000), (unsigned)which);
    if (draw(random, 4) == 0) {
        commit_tombstone(bench, entity);
        return;
    }
    struct record record = profile(user);
    record.profile.name = some_words(random, name);
    record.profile.department = some_words(random, department);
    if (draw(random, 2)) record.profile.numbers = (struct texts){.at = numbers, .count = 1, .present = true};
    commit(bench, &record);
    if (draw(random, 50) == 0) company_tick(bench->company, bench->now += DAY_MS + 1, false);
}

/* The beginning of a word or two, large or small, or a part of a number. */
static void make_question(uint64_t *random, struct search *search) {
    char text[128] = "", part[8];
    if (draw(random, 4) == 0) {
        snprintf(text, sizeof text, "%u", (unsigned)draw(random, 10000));
    } else {
        for (uint32_t i = 1 + draw(random, 2); i > 0; i--) {
            const char *word = words[draw(random, WORDS)];
            size_t length = 1 + draw(random, 5);
            while (word[length < strlen(word) ? length : 0] & 0x80 && length < strlen(word))
                length++; /* whole letters */
            snprintf(part, sizeof part, "%.*s", (int)length, word);
            strcat(text, part);
            strcat(text, " ");
        }
        if (draw(random, 5) == 0) snprintf(text, sizeof text, "o.%u", (unsigned)draw(random, PEOPLE));
    }
    search_begin(search, text, NULL);
}

struct look {
    const struct search *search;
    size_t looks, found, looks_max;
};

static void look(void *arg, const struct member *member) {
    struct look *look = arg;
    look->looks++;
    look->found += search_rank(look->search, member_profile(member)) != SEARCH_NONE;
}

static bool look_on(void *arg, const struct member *member) {
    struct look *cards = arg;
    look(cards, member);
    return cards->looks != cards->looks_max;
}

static void nobody_is_missed_after_any_moves(void **state) {
    struct bench *bench = *state;
    const char *said = getenv("LEDIG_SEED");
    uint64_t seed = said ? strtoull(said, NULL, 10) : (uint64_t)time(NULL), random = seed;
    size_t found = 0, looks = 0, everybody = 0;
    print_message("LEDIG_SEED=%llu\n", (unsigned long long)seed);
    for (uint32_t i = 0; i < MOVES; i++) {
        struct search search;
        move(bench, &random);
        make_question(&random, &search);
        struct look walk = {.search = &search}, cards = {.search = &search};
        company_each_member(bench->company, look, &walk);
        company_search(bench->company, &search, look_on, &cards);
        assert_int_equal(cards.found, walk.found);
        assert_int_equal(walk.looks, company_member_count(bench->company));
        found += cards.found;
        looks += cards.looks;
        everybody += walk.looks;
    }
    assert_true(found > MOVES);
    assert_true(looks < everybody / 2); /* or the marks are of no use */
}

static void who_has_seen_enough_is_told_no_more(void **state) {
    struct bench *bench = *state;
    struct search search;
    for (int i = 0; i < 20; i++) {
        char user[16];
        snprintf(user, sizeof user, "ola%d", i);
        commit_person(bench, user);
    }
    search_begin(&search, "ola", NULL);
    struct look few = {.search = &search, .looks_max = 7};
    company_search(bench->company, &search, look_on, &few);
    assert_int_equal(few.looks, 7);
    assert_int_equal(few.found, 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(nobody_is_missed_after_any_moves),
        CASE(who_has_seen_enough_is_told_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
