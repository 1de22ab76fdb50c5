/* What generator processes tell each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bench/board.h"
#include "bench/digest.h"
#include <sys/wait.h>
#include <unistd.h>

static void an_empty_board_knows_of_no_change(void **state) {
    (void)state;
    struct board board;
    assert_int_equal(board_open(&board, 3), 0);
    for (uint32_t p = 0; p < 3; p++) {
        assert_int_equal(board_asked(&board, p), SEQUENCE_NONE);
        assert_int_equal(board_acknowledged(&board, p), SEQUENCE_NONE);
    }
    board_close(&board);
    assert_int_equal(board_open(&board, 0), 0);
    board_close(&board);
}

static void another_process_reads_what_one_has_asked_for(void **state) {
    (void)state;
    struct board board;
    assert_int_equal(board_open(&board, 2), 0);
    pid_t pid = fork();
    if (pid == 0) {
        board_ask(&board, 1, 0, 1000);
        board_ask(&board, 1, 1, 2000);
        board_acknowledge(&board, 1, 0);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(board_asked(&board, 1), 1);
    assert_int_equal(board_acknowledged(&board, 1), 0);
    assert_int_equal(board_due_ns(&board, 1, 0), 1000);
    assert_int_equal(board_due_ns(&board, 1, 1), 2000);
    assert_int_equal(board_asked(&board, 0), SEQUENCE_NONE);
    board_close(&board);
}

static void a_change_that_is_too_old_counts_from_the_oldest_that_is_known(void **state) {
    (void)state;
    struct board board;
    assert_int_equal(board_open(&board, 2), 0);
    for (int32_t sequence = 0; sequence < BOARD_DUE_COUNT + 10; sequence++)
        board_ask(&board, 0, sequence, sequence * 100);
    assert_int_equal(board_due_ns(&board, 0, BOARD_DUE_COUNT + 9), (BOARD_DUE_COUNT + 9) * 100);
    assert_int_equal(board_due_ns(&board, 0, 10), 1000);
    assert_int_equal(board_due_ns(&board, 0, 3), 1000);
    board_close(&board);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_board_knows_of_no_change),
        cmocka_unit_test(another_process_reads_what_one_has_asked_for),
        cmocka_unit_test(a_change_that_is_too_old_counts_from_the_oldest_that_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
