/* Buckets, ceilings and the tables of a fixed size, by a clock of the test's own. */
#include "broker/limits/limits.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct limits *open_with(enum limit_name name, const char *text, uint64_t refused[LIMIT_COUNT]) {
    struct limit settings[LIMIT_COUNT] = {0};
    assert_true(limit_parse(name, text, &settings[name]));
    struct limits *limits = limits_open(settings, "127.0.0.0/8 ::1, 2001:db8::/33", refused);
    assert_non_null(limits);
    return limits;
}

static uint64_t peer_of(const struct limits *limits, const char *text) {
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) return limits_peer(limits, (struct sockaddr *)&v4);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return limits_peer(limits, (struct sockaddr *)&v6);
}

static void a_burst_then_the_rate(void **state) {
    (void)state;
    uint64_t refused[LIMIT_COUNT] = {0};
    struct limits *limits = open_with(LIMIT_user_messages, "10:2/1", refused);
    struct limits_bucket bucket = {0};
    uint32_t retry_ms = 0;
    for (int i = 0; i < 10; i++)
        assert_true(limits_take(limits, LIMIT_user_messages, &bucket, 1, 5000, &retry_ms));
    assert_false(limits_take(limits, LIMIT_user_messages, &bucket, 1, 5000, &retry_ms));
    assert_int_equal(retry_ms, 500);
    assert_int_equal(refused[LIMIT_user_messages], 1);
    assert_false(limits_take(limits, LIMIT_user_messages, &bucket, 1, 5499, &retry_ms));
    assert_int_equal(retry_ms, 1);
    assert_true(limits_take(limits, LIMIT_user_messages, &bucket, 1, 5500, &retry_ms));
    assert_false(limits_take(limits, LIMIT_user_messages, &bucket, 3, 6000, &retry_ms));
    assert_int_equal(retry_ms, 1000); /* one is there */
    assert_true(limits_take(limits, LIMIT_user_messages, &bucket, 1, 6000, &retry_ms));
    assert_true(limits_take(limits, LIMIT_user_messages, &bucket, 10, 60000, &retry_ms)); /* never more than full */
    assert_false(limits_take(limits, LIMIT_user_messages, &bucket, 1, 60000, &retry_ms));
    limits_close(limits);
}

static void more_than_a_bucket_holds_takes_all_of_it(void **state) {
    (void)state;
    struct limits *limits = open_with(LIMIT_user_bytes, "1000:1000/1", NULL);
    struct limits_bucket bucket = {0};
    uint32_t retry_ms;
    assert_true(limits_take(limits, LIMIT_user_bytes, &bucket, 65536, 1, &retry_ms));
    assert_false(limits_take(limits, LIMIT_user_bytes, &bucket, 1, 1, &retry_ms));
    assert_true(limits_take(limits, LIMIT_user_bytes, &bucket, 65536, 1001, &retry_ms));
    limits_close(limits);
}

static void off_is_no_limit(void **state) {
    (void)state;
    struct limits *limits = open_with(LIMIT_user_messages, "off", NULL);
    struct limits_bucket bucket = {0};
    uint32_t retry_ms;
    for (int i = 0; i < 100000; i++)
        assert_true(limits_take(limits, LIMIT_user_messages, &bucket, 1000, 1, &retry_ms));
    assert_true(limits_has_room(limits, LIMIT_company_sessions, SIZE_MAX));
    assert_true(limits_take(NULL, LIMIT_user_messages, &bucket, 1000, 1, &retry_ms));
    limits_close(limits);
}

static void settings_read_back(void **state) {
    (void)state;
    static const char *const good[] = {"10:1/30", "1:1/1", "999999999:500000000/1", "off"};
    static const char *const bad[] = {"",        "10",      "0:1/1",    "1:0/1",          "1:1/0", "10:1/30s",
                                      "-1:1/1",  "1:1/1/1", " 1:1/1",   "999999999:1/30", "offf",  "1:+1/1",
                                      "1e3:1/1", "10:1",    "10:1/1 x", "9999999999:1/1"};
    char text[LIMIT_TEXT_BYTES];
    struct limit limit;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(limit_parse(LIMIT_user_logins, good[i], &limit));
        limit_print(LIMIT_user_logins, &limit, text, sizeof text);
        assert_string_equal(text, good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (limit_parse(LIMIT_user_logins, bad[i], &limit)) fail_msg("'%s' was taken", bad[i]);
    assert_true(limit_parse(LIMIT_company_sessions, "250", &limit));
    assert_false(limit_parse(LIMIT_company_sessions, "0", &limit));
    assert_false(limit_parse(LIMIT_company_sessions, "10:1/30", &limit));
}

static void the_defaults_are_settings(void **state) {
    (void)state;
    struct limit limit;
#define RATE(name, flag, standard, meaning) assert_true(limit_parse(LIMIT_##name, standard, &limit));
#define CEILING(name, flag, standard, meaning) assert_true(limit_parse(LIMIT_##name, standard, &limit));
#include "broker/limits/limits.def"
#undef RATE
#undef CEILING
}

static void addresses_are_counted_by_their_network(void **state) {
    (void)state;
    struct limits *limits = open_with(LIMIT_address_messages, "10:1/1", NULL);
    assert_int_equal(peer_of(limits, "127.0.0.1"), 0);
    assert_int_equal(peer_of(limits, "127.255.0.9"), 0);
    assert_int_equal(peer_of(limits, "::1"), 0);
    assert_int_equal(peer_of(limits, "2001:db8:7fff::1"), 0);
    assert_int_not_equal(peer_of(limits, "2001:db8:8000::1"), 0);
    assert_int_not_equal(peer_of(limits, "192.0.2.1"), peer_of(limits, "192.0.2.2"));
    assert_int_equal(peer_of(limits, "192.0.2.1"), peer_of(limits, "192.0.2.1"));
    assert_int_equal(peer_of(limits, "2001:db8:8000:1::1"), peer_of(limits, "2001:db8:8000:1:ffff::2"));
    assert_int_not_equal(peer_of(limits, "2001:db8:8000:1::1"), peer_of(limits, "2001:db8:8000:2::1"));
    assert_int_equal(peer_of(limits, "192.0.2.1"), peer_of(limits, "::ffff:192.0.2.1"));
    assert_int_not_equal(peer_of(limits, "192.0.2.1"), peer_of(limits, "::ffff:192.0.2.2"));
    assert_true(limits_are_addresses(""));
    assert_true(limits_are_addresses("10.0.0.0/8,192.0.2.1 ::1"));
    assert_false(limits_are_addresses("10.0.0.0/33"));
    assert_false(limits_are_addresses("::1/129"));
    assert_false(limits_are_addresses("example.com"));
    assert_false(limits_are_addresses("10.0.0.0/"));
    limits_close(limits);
}

static void connections_come_and_go(void **state) {
    (void)state;
    uint64_t refused[LIMIT_COUNT] = {0};
    struct limits *limits = open_with(LIMIT_address_connections, "2", refused);
    uint64_t one = peer_of(limits, "192.0.2.1"), other = peer_of(limits, "192.0.2.2");
    uint32_t retry_ms = 0;
    assert_true(limits_connect(limits, one, 1, &retry_ms));
    assert_true(limits_connect(limits, one, 1, &retry_ms));
    assert_false(limits_connect(limits, one, 1, &retry_ms));
    assert_true(retry_ms > 0);
    assert_true(limits_connect(limits, other, 1, &retry_ms));
    for (int i = 0; i < 10; i++)
        assert_true(limits_connect(limits, 0, 1, &retry_ms)); /* a trusted one */
    limits_hang_up(limits, one);
    assert_true(limits_connect(limits, one, 1, &retry_ms));
    assert_int_equal(refused[LIMIT_address_connections], 1);
    limits_close(limits);
}

/* A million addresses: the table takes no more memory for them, and does not lose one that comes all the time. */
static void strangers_do_not_push_out_who_is_here(void **state) {
    (void)state;
    struct limits *limits = open_with(LIMIT_address_connections, "1", NULL);
    struct sockaddr_in address = {.sin_family = AF_INET};
    uint64_t here = peer_of(limits, "192.0.2.1");
    uint32_t retry_ms;
    assert_true(limits_connect(limits, here, 1, &retry_ms));
    for (uint32_t i = 0; i < 1000000; i++) {
        address.sin_addr.s_addr = htonl(0x0a000000u + i);
        uint64_t peer = limits_peer(limits, (struct sockaddr *)&address);
        assert_true(limits_connect(limits, peer, 2 + i / 1000, &retry_ms));
        limits_hang_up(limits, peer);
    }
    assert_false(limits_connect(limits, here, 5000, &retry_ms));
    limits_close(limits);
}

static void guesses_wait_ever_longer(void **state) {
    (void)state;
    struct limits *limits = open_with(LIMIT_user_logins, "10:1/30", NULL);
    uint64_t kari = limits_person(limits, "acme", "kari"), now_ms = 1000000, waits[7];
    uint32_t retry_ms = 0;
    for (int i = 0; i < 10; i++)
        assert_true(limits_try(limits, kari, now_ms, &retry_ms));
    for (int i = 0; i < 7; i++) {
        assert_false(limits_try(limits, kari, now_ms, &retry_ms));
        assert_false(limits_try(limits, kari, now_ms + retry_ms - 1, &(uint32_t){0})); /* refusals put nothing off */
        waits[i] = retry_ms;
        now_ms += retry_ms;
        assert_true(limits_try(limits, kari, now_ms, &retry_ms));
    }
    const uint64_t wanted[7] = {30000, 60000, 120000, 240000, 480000, 480000, 480000};
    assert_memory_equal(waits, wanted, sizeof waits);
    assert_true(limits_try(limits, limits_person(limits, "acme", "ola"), now_ms, &retry_ms));
    assert_true(limits_try(limits, limits_person(limits, "other", "kari"), now_ms, &retry_ms));
    now_ms += 480000 + 270000; /* rest */
    for (int i = 0; i < 10; i++)
        assert_true(limits_try(limits, kari, now_ms, &retry_ms));
    assert_false(limits_try(limits, kari, now_ms, &retry_ms));
    assert_int_equal(retry_ms, 30000);
    limits_succeed(limits, kari);
    for (int i = 0; i < 10; i++)
        assert_true(limits_try(limits, kari, now_ms, &retry_ms));
    limits_close(limits);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_then_the_rate),     cmocka_unit_test(more_than_a_bucket_holds_takes_all_of_it),
        cmocka_unit_test(off_is_no_limit),           cmocka_unit_test(settings_read_back),
        cmocka_unit_test(the_defaults_are_settings), cmocka_unit_test(addresses_are_counted_by_their_network),
        cmocka_unit_test(connections_come_and_go),   cmocka_unit_test(strangers_do_not_push_out_who_is_here),
        cmocka_unit_test(guesses_wait_ever_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
