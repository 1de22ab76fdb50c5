/* Room for sessions: each has its own, a cache line begins it, and what was given back is not to be touched. */
#include "broker/service/session.h"
#include "broker/service/session_room.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// cmocka wants the headers above first
#include <cmocka.h>

#define SESSIONS 1000 /* several chunks */

static void fill(struct session_room *room, struct session **sessions) {
    static const struct session zeros;
    for (size_t i = 0; i < SESSIONS; i++) {
        sessions[i] = session_room_take(room);
        assert_non_null(sessions[i]);
        assert_int_equal((uintptr_t)sessions[i] % SESSION_CACHE_LINE, 0);
        assert_memory_equal(sessions[i], &zeros, sizeof zeros);
        memset(sessions[i], 0xff, sizeof *sessions[i]);
        sessions[i]->cursor = i;
    }
}

static void each_has_room_of_its_own(void **state) {
    (void)state;
    struct session_room room = {0};
    struct session *sessions[SESSIONS];
    fill(&room, sessions);
    for (size_t i = 0; i < SESSIONS; i++)
        assert_int_equal(sessions[i]->cursor, i);
    for (size_t i = 0; i < SESSIONS; i++)
        session_room_give(&room, sessions[i]);
    assert_null(room.open); /* all memory is given back */
}

/* Holes in full chunks are taken before new chunks, whatever the order in which they came about. */
static void what_is_given_back_is_taken_again(void **state) {
    (void)state;
    struct session_room room = {0};
    struct session *sessions[SESSIONS];
    fill(&room, sessions);
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = round; i < SESSIONS; i += 3)
            session_room_give(&room, sessions[i]);
        for (size_t i = round; i < SESSIONS; i += 3) {
            sessions[i] = session_room_take(&room);
            assert_non_null(sessions[i]);
            sessions[i]->cursor = i;
        }
    }
    for (size_t i = 0; i < SESSIONS; i++)
        assert_int_equal(sessions[i]->cursor, i);
    for (size_t i = SESSIONS; i-- > 0;)
        session_room_give(&room, sessions[i]);
    assert_null(room.open);
}

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>

static void the_sanitizer_sees_one_that_is_used_after_its_end(void **state) {
    (void)state;
    struct session_room room = {0};
    struct session *kept = session_room_take(&room), *given = session_room_take(&room);
    assert_false(__asan_address_is_poisoned(&given->service));
    session_room_give(&room, given);
    assert_true(__asan_address_is_poisoned(given) && __asan_address_is_poisoned(&given->service));
    session_room_give(&room, kept);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_has_room_of_its_own),
        cmocka_unit_test(what_is_given_back_is_taken_again),
#ifdef __SANITIZE_ADDRESS__
        cmocka_unit_test(the_sanitizer_sees_one_that_is_used_after_its_end),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
