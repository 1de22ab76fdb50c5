/* An import file: what a line says of a person or a queue, and how each thing that can be wrong is told. */
#include "broker/service/provisioning.h"
#include "broker/service/roster_rules.h"
#include "protocol/errors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEADER "user,name,numbers,department,role,queues\n"

static struct roster *read_text(const char *text, size_t length) {
    struct roster *roster = roster_open("acme", (const uint8_t *)text, length);
    assert_non_null(roster);
    int result;
    do
        result = roster_read(roster, 3);
    while (result == 1);
    assert_int_equal(result, 0);
    return roster;
}

#define READ(text) read_text(text, sizeof(text) - 1)

/* Exactly these faults, as "line field: reason;". */
static void assert_faults(const char *text, const char *expected) {
    char told[4096] = "";
    struct roster *roster = read_text(text, strlen(text));
    for (size_t i = 0; i < roster->fault_count && i < ROSTER_FAULTS_MAX; i++)
        snprintf(told + strlen(told), sizeof told - strlen(told), "%u %s: %s;", roster->faults[i].line,
                 roster->faults[i].field, roster->faults[i].reason);
    assert_string_equal(told, expected);
    roster_close(roster);
}

static void line_makes_a_person(void **state) {
    (void)state;
    struct roster *roster =
        READ(HEADER "kari,\"Nordmann, Kari\",+4710000001 004710000002,Salg,lead,support sales support\n"
                    "ola, Ola Hansen ,,,member,\n");
    assert_int_equal(roster->fault_count, 0);
    const struct roster_entry *kari = &roster->entries[0], *ola = &roster->entries[1];
    assert_string_equal(kari->id, "kari");
    assert_string_equal(kari->name, "Nordmann, Kari");
    assert_int_equal(kari->numbers.count, 2);
    assert_string_equal(kari->numbers.at[1], "+4710000002");
    assert_string_equal(kari->department, "Salg");
    assert_string_equal(kari->role, "lead");
    assert_int_equal(kari->queues.count, 2);
    assert_false(kari->is_queue);
    assert_string_equal(ola->name, "Ola Hansen");
    assert_null(ola->department);
    assert_null(ola->role);
    assert_int_equal(ola->numbers.count, 0);
    assert_int_equal(roster->number_count, 2);
    assert_string_equal(roster->numbers[0].owner, "acme/user/kari");
    roster_close(roster);
}

static void columns_stand_in_any_order_and_may_be_missing(void **state) {
    (void)state;
    struct roster *roster = READ("name,user\nKari,kari\n");
    assert_int_equal(roster->fault_count, 0);
    assert_string_equal(roster->entries[0].id, "kari");
    assert_true(roster_fields(roster) & ROSTER_FIELD(ROSTER_NAME));
    assert_false(roster_fields(roster) & ROSTER_FIELD(ROSTER_NUMBERS));
    roster_close(roster);
}

static void queues_are_defined_by_a_line_or_by_their_members(void **state) {
    (void)state;
    struct roster *roster =
        READ(HEADER "kari,Kari,,,,sales support\nola,Ola,,,,sales\nsupport,Hjelp,+4710000101,,queue,\n");
    assert_int_equal(roster->fault_count, 0);
    assert_int_equal(roster->count, 4);
    assert_true(roster->entries[2].is_queue);
    assert_string_equal(roster->entries[2].name, "Hjelp");
    assert_string_equal(roster->numbers[0].owner, "acme/queue/support");
    assert_true(roster->entries[3].is_queue);
    assert_string_equal(roster->entries[3].id, "sales");
    assert_null(roster->entries[3].name);
    roster_close(roster);
}

static void person_and_queue_may_have_the_same_id(void **state) {
    (void)state;
    assert_faults(HEADER "sales,Salg,,,queue,\nsales,Sales Olsen,,,,\n", "");
}

static void header_is_checked_and_nothing_else_then(void **state) {
    (void)state;
    assert_faults("", "1 : the file is empty;");
    assert_faults("user\nkari\n", "1 name: the header does not name this column;");
    assert_faults("user,name,telefon\nkari\n", "1 telefon: an unknown column;");
    assert_faults("user,name,user\n", "1 user: this column is there twice;");
    /* a file without a header begins with a person */
    assert_faults("kari,Kari Nordmann,+4710000001\n",
                  "1 kari: an unknown column;1 column 2: an unknown column;1 column 3: an unknown column;"
                  "1 user: the header does not name this column;1 name: the header does not name this column;");
    assert_faults("\"user,name\n", "1 : a quote is not closed;");
}

static void each_wrong_field_is_told_with_its_line(void **state) {
    (void)state;
    assert_faults(HEADER "kari,Kari,,,\n", "2 : another number of columns than in the header;");
    assert_faults(HEADER ",Kari,,,,\n", "2 user: is missing;");
    assert_faults(HEADER "Kari,Kari,,,,\n", "2 user: no id: up to 64 of a-z, 0-9, dot, dash, underscore;");
    assert_faults(HEADER "kari,,,,,\n", "2 name: is missing;");
    assert_faults(HEADER "kari,\"a\nb\",,,,\n", "2 name: a control character;");
    assert_faults(HEADER "kari,Kari,123,,,\n",
                  "2 numbers: no number: a plus and 5 to 15 digits, or as it is dialled in the company's country;");
    assert_faults(HEADER "kari,Kari,,,boss,\n", "2 role: none of member, switchboard, lead, admin, queue;");
    assert_faults(HEADER "kari,Kari,,,,Salg\n",
                  "2 queues: no id of a queue: up to 64 of a-z, 0-9, dot, dash, underscore;");
    assert_faults(HEADER "sales,Salg,,,queue,support\n", "2 queues: a queue is in no queue;");
    assert_faults(HEADER "k,\xFF,,,,\nola,,,,,\n", "2 : not valid UTF-8;3 name: is missing;");
}

static void whatever_is_there_twice_is_told(void **state) {
    (void)state;
    assert_faults(HEADER "kari,Kari,,,,\n\nkari,Kari,,,,\n", "4 user: stands on an earlier line too;");
    assert_faults(HEADER "kari,Kari,+4710000001,,,\nola,Ola,0047 ,,,\nper,Per,004710000001,,,\n",
                  "3 numbers: no number: a plus and 5 to 15 digits, or as it is dialled in the company's country;4 "
                  "numbers: a number stands in the file twice;");
    assert_faults(HEADER "kari,Kari,+4710000001 +4710000001,,,\n", "2 numbers: a number stands in the file twice;");
}

static void lists_and_texts_have_limits(void **state) {
    (void)state;
    char text[8192], list[4096] = "";
    for (int i = 0; i < 17; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "+47100000%02d ", i);
    snprintf(text, sizeof text, HEADER "kari,Kari,%s,,,\n", list);
    assert_faults(text, "2 numbers: more than 16 numbers;");
    list[0] = '\0';
    for (int i = 0; i < 65; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "q%d ", i);
    snprintf(text, sizeof text, HEADER "kari,Kari,,,,%s\n", list);
    assert_faults(text, "2 queues: more than 64 queues;");
    memset(list, 'x', 121);
    list[121] = '\0';
    snprintf(text, sizeof text, HEADER "kari,%s,,,,\n", list);
    assert_faults(text, "2 name: longer than 120 characters;");
    snprintf(text, sizeof text, HEADER "kari,%s,,,,\n", list + 1);
    assert_faults(text, "");
}

static void first_hundred_faults_are_told_and_all_are_counted(void **state) {
    (void)state;
    char text[16384] = HEADER;
    for (int i = 0; i < 250; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "u%d,,,,,\n", i);
    struct roster *roster = read_text(text, strlen(text));
    assert_int_equal(roster->fault_count, 250);
    assert_int_equal(roster->faults[ROSTER_FAULTS_MAX - 1].line, ROSTER_FAULTS_MAX + 1);
    roster_close(roster);
}

static void file_with_too_many_lines_is_too_large(void **state) {
    (void)state;
    const size_t lines = IMPORT_LINES_MAX + 1;
    char *text = malloc(lines * 2 + sizeof HEADER), *end = text + sprintf(text, HEADER);
    for (size_t i = 1; i < lines; i++)
        end += sprintf(end, "x\n");
    struct roster *roster = roster_open("acme", (const uint8_t *)text, (size_t)(end - text));
    int result;
    do
        result = roster_read(roster, 10000);
    while (result == 1);
    assert_int_equal(result, LEDIG_ETOO_LARGE);
    roster_close(roster);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_makes_a_person),
        cmocka_unit_test(columns_stand_in_any_order_and_may_be_missing),
        cmocka_unit_test(queues_are_defined_by_a_line_or_by_their_members),
        cmocka_unit_test(person_and_queue_may_have_the_same_id),
        cmocka_unit_test(header_is_checked_and_nothing_else_then),
        cmocka_unit_test(each_wrong_field_is_told_with_its_line),
        cmocka_unit_test(whatever_is_there_twice_is_told),
        cmocka_unit_test(lists_and_texts_have_limits),
        cmocka_unit_test(first_hundred_faults_are_told_and_all_are_counted),
        cmocka_unit_test(file_with_too_many_lines_is_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
