/* The order of the last change: what a cursor finds, whatever moved meanwhile. */
#include "broker/model/change_list.h"
#include "protocol/errors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first
#include <cmocka.h>

#define ENTRIES 50

/* The first entry behind the cursor, or NULL. */
static struct change_list_entry *first_after(const struct change_list *list, uint64_t cursor) {
    for (size_t i = change_list_index_after(list, cursor); i < list->length; i++)
        if (list->slots[i].entry != NULL) return list->slots[i].entry;
    return NULL;
}

static void an_empty_list_has_nothing_behind_any_cursor(void **state) {
    (void)state;
    struct change_list list = {0};
    assert_null(first_after(&list, 0));
    assert_null(first_after(&list, 7));
    assert_int_equal(list.last, 0);
    change_list_close(&list);
}

static void an_entry_that_changes_stands_behind_every_cursor(void **state) {
    (void)state;
    struct change_list list = {0};
    struct change_list_entry a = {0}, b = {0};
    assert_int_equal(change_list_move(&list, &a), 0);
    assert_int_equal(change_list_move(&list, &b), 0);
    assert_ptr_equal(first_after(&list, 0), &a);
    assert_ptr_equal(first_after(&list, a.place), &b);
    uint64_t seen_all = list.last;
    assert_null(first_after(&list, seen_all));
    assert_int_equal(change_list_move(&list, &a), 0);
    assert_ptr_equal(first_after(&list, 0), &b);
    assert_ptr_equal(first_after(&list, seen_all), &a);
    assert_int_equal(list.listed, 2);
    change_list_close(&list);
}

static void a_removed_entry_is_never_met_again(void **state) {
    (void)state;
    struct change_list list = {0};
    struct change_list_entry a = {0}, b = {0};
    assert_int_equal(change_list_move(&list, &a), 0);
    assert_int_equal(change_list_move(&list, &b), 0);
    assert_int_equal(change_list_move(&list, &a), 0);
    change_list_remove(&list, &a);
    assert_int_equal(a.place, 0);
    assert_ptr_equal(first_after(&list, 0), &b);
    assert_null(first_after(&list, b.place));
    change_list_remove(&list, &a); /* not listed: nothing happens */
    assert_int_equal(list.listed, 1);
    change_list_close(&list);
}

static void many_moves_of_few_entries_take_no_more_room(void **state) {
    (void)state;
    struct change_list list = {0};
    struct change_list_entry entries[3] = {{0}, {0}, {0}};
    for (int i = 0; i < 100000; i++)
        assert_int_equal(change_list_move(&list, &entries[i % 3]), 0);
    assert_int_equal(list.listed, 3);
    assert_in_range(list.capacity, 3, 64);
    assert_int_equal(list.last, 100000);
    change_list_close(&list);
}

static void what_was_reserved_is_moved_without_growing(void **state) {
    (void)state;
    struct change_list list = {0};
    struct change_list_entry entries[ENTRIES];
    memset(entries, 0, sizeof entries);
    assert_int_equal(change_list_reserve(&list, ENTRIES), 0);
    const struct change_list_slot *slots = list.slots;
    for (int i = 0; i < 100 * ENTRIES; i++)
        assert_int_equal(change_list_move(&list, &entries[(i * 7) % ENTRIES]), 0);
    assert_ptr_equal(list.slots, slots);
    change_list_close(&list);
}

/* The same as a plain array that is searched from end to end. */
static void random_moves_agree_with_a_plain_order(void **state) {
    (void)state;
    const char *given = getenv("LEDIG_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : 4711;
    print_message("LEDIG_SEED=%u\n", seed);
    srand(seed);
    struct change_list list = {0};
    struct change_list_entry entries[ENTRIES];
    memset(entries, 0, sizeof entries);
    for (int step = 0; step < 20000; step++) {
        struct change_list_entry *entry = &entries[rand() % ENTRIES];
        if (rand() % 5 == 0)
            change_list_remove(&list, entry);
        else
            assert_int_equal(change_list_move(&list, entry), 0);
        uint64_t cursor = list.last > 80 ? list.last - (uint64_t)(rand() % 80) : 0;
        struct change_list_entry *first = NULL;
        size_t listed = 0;
        for (int i = 0; i < ENTRIES; i++) {
            listed += entries[i].place != 0;
            if (entries[i].place > cursor && (first == NULL || entries[i].place < first->place)) first = &entries[i];
        }
        assert_ptr_equal(first_after(&list, cursor), first);
        assert_int_equal(list.listed, listed);
    }
    change_list_close(&list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_list_has_nothing_behind_any_cursor),
        cmocka_unit_test(an_entry_that_changes_stands_behind_every_cursor),
        cmocka_unit_test(a_removed_entry_is_never_met_again),
        cmocka_unit_test(many_moves_of_few_entries_take_no_more_room),
        cmocka_unit_test(what_was_reserved_is_moved_without_growing),
        cmocka_unit_test(random_moves_agree_with_a_plain_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
