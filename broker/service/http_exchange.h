/* One HTTP request and the place for its answer. A front reads the whole request, then hands it over; the handler
 * answers at once or later, exactly once. Knows nothing of what carries it. All calls come from the loop. */
#ifndef LEDIG_SERVICE_HTTP_EXCHANGE_H
#define LEDIG_SERVICE_HTTP_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct token_claims;

enum http_method { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_OTHER };

/* Lent for the time of the call that hands it over. Texts are NUL-terminated, never NULL, and decoded (%2B is +) where
 * they came from the URL. */
struct http_request {
    enum http_method method;
    const char *path;         /* "/v1/route", decoded once; a %2F in it is a slash like others */
    const char *query;        /* raw, without the question mark; see http_query */
    const char *bearer;       /* the token of `Authorization: Bearer`; "" = none */
    const char *content_type; /* "" = none */
    const uint8_t *body;
    size_t length;
    const struct token_claims
        *claims; /* set by the service (caller.h), not by a front: who asks; NULL = nobody knows */
};

struct http_exchange; /* the front's; gone once answered or abandoned */

/* Answers. Bytes are copied. Every answer but 2xx should be a problem document (http_problem). An exchange whose client
 * went away takes the answer and drops it. */
void http_answer(struct http_exchange *exchange, int status, const char *content_type, const void *body, size_t length);

/* Whether the client has hung up, so that what is still to be found out for it is of no use to anybody. */
bool http_is_abandoned(const struct http_exchange *exchange);

/* Takes the decoded value of a query parameter ("to" of "to=%2B47…&x=1"). 0, LEDIG_ENOT_FOUND, LEDIG_EBAD_REQUEST (bad
 * escapes, a NUL, invalid UTF-8) or LEDIG_ETOO_LARGE. */
int http_query(const struct http_request *request, const char *name, char *value, size_t size);

/* Who answers the requests of a port. */
typedef void (*http_handler)(void *arg, struct http_exchange *exchange, const struct http_request *request);

#endif
