/* URLs of brokers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "clients/c/endpoint.h"
#include "protocol/errors.h"
#include <string.h>

static struct endpoint parsed(const char *url) {
    struct endpoint endpoint;
    if (endpoint_parse(url, &endpoint)) fail_msg("%s was refused", url);
    return endpoint;
}

static void parts_are_found(void **state) {
    (void)state;
    struct endpoint endpoint = parsed("wss://ledig.example.no:7700/v1?x=1");
    assert_true(endpoint.websocket && endpoint.tls);
    assert_string_equal(endpoint.host, "ledig.example.no");
    assert_string_equal(endpoint.authority, "ledig.example.no:7700");
    assert_int_equal(endpoint.port, 7700);
    assert_string_equal(endpoint.path, "/v1?x=1");
}

static void ports_default_to_those_of_the_scheme(void **state) {
    (void)state;
    assert_int_equal(parsed("ws://h").port, 80);
    assert_int_equal(parsed("WSS://h").port, 443);
    assert_int_equal(parsed("http://h/").port, 80);
    assert_int_equal(parsed("https://h").port, 443);
    assert_string_equal(parsed("https://h:443/x").authority, "h");
    assert_string_equal(parsed("ws://h").path, "");
}

static void an_ip6_address_stands_in_brackets(void **state) {
    (void)state;
    struct endpoint endpoint = parsed("ws://[::1]:7700/v1");
    assert_string_equal(endpoint.host, "::1");
    assert_string_equal(endpoint.authority, "[::1]:7700");
    assert_int_equal(parsed("ws://[fe80::1]").port, 80);
}

static void what_is_no_url_of_a_broker_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",          "h:1",          "ftp://h",     "ws://",       "ws:///v1",   "ws://h:0/",
        "ws://h:",   "ws://h:65536", "ws://h:77x",  "ws://u:p@h/", "ws://h/a b", "ws://h/\r\nX: y",
        "ws://h#x",  "ws://[::1",    "ws://[::1]x", "ws://h\r\n",  "ws://h?x",   "ws://hø/",
        "ws://h/#a", "ws://[]:1/",
    };
    struct endpoint endpoint;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (endpoint_parse(wrong[i], &endpoint) != LEDIG_EBAD_REQUEST) fail_msg("%s was taken", wrong[i]);
    assert_int_equal(endpoint_parse(NULL, &endpoint), LEDIG_EBAD_REQUEST);
}

static void lengths_are_bounded(void **state) {
    (void)state;
    char url[3000] = "ws://";
    struct endpoint endpoint;
    memset(url + 5, 'h', ENDPOINT_HOST_CHARS_MAX);
    assert_int_equal(endpoint_parse(url, &endpoint), 0);
    url[5 + ENDPOINT_HOST_CHARS_MAX] = 'h';
    assert_int_equal(endpoint_parse(url, &endpoint), LEDIG_EBAD_REQUEST);
    memset(url, 0, sizeof url);
    memcpy(url, "ws://h/", 7);
    memset(url + 7, 'p', ENDPOINT_PATH_CHARS_MAX - 1);
    assert_int_equal(endpoint_parse(url, &endpoint), 0);
    url[7 + ENDPOINT_PATH_CHARS_MAX - 1] = 'p';
    assert_int_equal(endpoint_parse(url, &endpoint), LEDIG_EBAD_REQUEST);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_found),
        cmocka_unit_test(ports_default_to_those_of_the_scheme),
        cmocka_unit_test(an_ip6_address_stands_in_brackets),
        cmocka_unit_test(what_is_no_url_of_a_broker_is_refused),
        cmocka_unit_test(lengths_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
