/* Requests that are read without libwebsockets: only what is whole and certain. All else is left to it. */
#include "broker/front/direct_head.h"
#include "broker/front/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first
#include <cmocka.h>

/* In memory of exactly its size, so that a sanitizer sees each step beyond. */
static bool read_text(const char *text, size_t length, char **bytes, struct http_request *request, size_t *used) {
    *bytes = malloc(length ? length : 1);
    assert_non_null(*bytes);
    memcpy(*bytes, text, length);
    return direct_head_read(*bytes, length, request, used);
}

static bool is_read(const char *text) {
    struct http_request request;
    size_t used;
    char *bytes;
    bool whole = read_text(text, strlen(text), &bytes, &request, &used);
    free(bytes);
    return whole;
}

static const char claim[] = "POST /v1/companies/acme/queues/support/claims HTTP/1.1\r\nHost: x\r\n"
                            "authorization:  bEARER   a.b.c \r\nContent-Type: application/json\r\nX-Other: \xc3\xa5\r\n"
                            "Connection: Keep-Alive\r\nContent-Length: 12\r\n\r\n{\"call\":\"1\"}";

static void a_usual_request_is_read_as_it_is(void **state) {
    (void)state;
    struct http_request request;
    size_t used;
    char *bytes;
    assert_true(read_text(claim, strlen(claim), &bytes, &request, &used));
    assert_int_equal(request.method, HTTP_POST);
    assert_string_equal(request.path, "/v1/companies/acme/queues/support/claims");
    assert_string_equal(request.query, "");
    assert_string_equal(request.bearer, "a.b.c");
    assert_string_equal(request.content_type, "application/json");
    assert_int_equal(request.length, 12);
    assert_memory_equal(request.body, "{\"call\":\"1\"}", 12);
    assert_int_equal(used, strlen(claim));
    free(bytes);
}

static void what_was_sent_ahead_is_left_where_it_is(void **state) {
    (void)state;
    static const char two[] = "GET /v1/route?to=%2B4710000001&x=1 HTTP/1.1\r\nHost: x\r\n\r\nGET /next HTTP/1.1\r\n";
    struct http_request request;
    size_t used;
    char *bytes;
    assert_true(read_text(two, strlen(two), &bytes, &request, &used));
    assert_string_equal(request.path, "/v1/route");
    assert_string_equal(request.query, "to=%2B4710000001&x=1");
    assert_int_equal(request.length, 0);
    assert_string_equal(request.bearer, "");
    assert_int_equal(used, strlen(two) - strlen("GET /next HTTP/1.1\r\n"));
    free(bytes);
}

static void a_part_of_a_request_is_none(void **state) {
    (void)state;
    struct http_request request;
    size_t used;
    char *bytes;
    for (size_t length = 0; length < strlen(claim); length++) {
        if (read_text(claim, length, &bytes, &request, &used)) fail_msg("read from the first %zu bytes", length);
        free(bytes);
    }
}

static void what_is_unusual_is_left_alone(void **state) {
    (void)state;
    static const char *const texts[] = {
        "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        "get / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\nHost: x\n\n",
        "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET x HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET //a HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a/../b HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /.a HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a%2Fb HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a?b#c HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a?to=+47 HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a?b=%zz HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a?b=%00 HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nno field\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n: none\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\ry: z\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\na",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999999999999\r\n\r\na",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\na",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (is_read(texts[i])) fail_msg("read: %s", texts[i]);
    assert_true(is_read("GET / HTTP/1.1\r\nHost: x\r\n\r\n")); /* what they all are but for one thing */
    assert_true(is_read("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na"));
}

static void what_is_too_long_is_left_alone(void **state) {
    (void)state;
    static const struct {
        const char *format;
        int longest;
    } cases[] = {{"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_PATH_BYTES_MAX - 1},
                 {"GET /?%s HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_QUERY_BYTES_MAX - 1},
                 {"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n\r\n", LEDIG_TOKEN_CHARS_MAX},
                 {"GET / HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\n\r\n", HTTP_TYPE_BYTES_MAX}};
    char value[DIRECT_BYTES_MAX], text[2 * DIRECT_BYTES_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int more = 0; more < 2; more++) {
            int length = cases[i].longest + more;
            memset(value, 'a', sizeof value);
            value[length] = '\0';
            const char *at = strstr(cases[i].format, "%s");
            snprintf(text, sizeof text, "%.*s%s%s", (int)(at - cases[i].format), cases[i].format, value, at + 2);
            assert_int_equal(is_read(text), !more);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_usual_request_is_read_as_it_is), cmocka_unit_test(what_was_sent_ahead_is_left_where_it_is),
        cmocka_unit_test(a_part_of_a_request_is_none),      cmocka_unit_test(what_is_unusual_is_left_alone),
        cmocka_unit_test(what_is_too_long_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
