#include "broker/model/search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *const numbers[] = {"+4722334455", "+4790123456"};

static enum search_rank rank_of(const char *text, const char *name, const char *department) {
    struct search search;
    struct profile_record profile = {
        .id = "ols07", .name = name, .department = department, .numbers = {numbers, 2, true, false}};
    search_begin(&search, text, numbering_plan_of("SE"));
    return search_rank(&search, &profile);
}

static void a_name_is_found_by_how_its_words_begin(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum search_rank rank;
    } cases[] = {{"ola", SEARCH_NAME},          {"OLA", SEARCH_NAME},       {"ola n", SEARCH_NAME},
                 {"nord", SEARCH_WORD},         {"ås", SEARCH_WORD},        {"ÅS", SEARCH_WORD},
                 {"n ola", SEARCH_WORD},        {"salg", SEARCH_ELSEWHERE}, {"ola salg", SEARCH_ELSEWHERE},
                 {"ols07", SEARCH_ELSEWHERE},   {"2233", SEARCH_ELSEWHERE}, {"22 33 44", SEARCH_ELSEWHERE},
                 {"+47 901", SEARCH_ELSEWHERE}, {"kari", SEARCH_NONE},      {"la", SEARCH_NONE},
                 {"ola kari", SEARCH_NONE},     {"", SEARCH_NONE},          {"  - ", SEARCH_NONE},
                 {"99", SEARCH_NONE},           {"2", SEARCH_NONE},         {"00 47 223", SEARCH_ELSEWHERE},
                 {"00472234", SEARCH_NONE},     {"0047", SEARCH_ELSEWHERE}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (rank_of(cases[i].text, "Ola Nordmann-Ås", "Salg og støtte") != cases[i].rank)
            fail_msg("“%s” has rank %d, not %d", cases[i].text,
                     rank_of(cases[i].text, "Ola Nordmann-Ås", "Salg og støtte"), cases[i].rank);
}

static void large_and_small_letters_count_alike(void **state) {
    (void)state;
    assert_int_equal(rank_of("ærø", "ÆRØ Þór", NULL), SEARCH_NAME);
    assert_int_equal(rank_of("ÞÓR", "ærø þór", NULL), SEARCH_WORD);
    assert_int_equal(rank_of("×", "÷", NULL), SEARCH_NONE); /* no letters, though they stand among them */
}

static void nobody_without_a_name_is_in_the_way(void **state) {
    (void)state;
    assert_int_equal(rank_of("ola", NULL, NULL), SEARCH_NONE);
    assert_int_equal(rank_of("ols", NULL, NULL), SEARCH_ELSEWHERE);
}

static void more_words_than_are_looked_at_do_no_harm(void **state) {
    (void)state;
    assert_int_equal(rank_of("o o o o o o o o kari", "Ola", NULL), SEARCH_NAME);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_found_by_how_its_words_begin),
        cmocka_unit_test(large_and_small_letters_count_alike),
        cmocka_unit_test(nobody_without_a_name_is_in_the_way),
        cmocka_unit_test(more_words_than_are_looked_at_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
