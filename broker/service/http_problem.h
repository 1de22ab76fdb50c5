/* Answers that say what is wrong: problem documents (RFC 9457) with Ledig's own name of the error as `code`, and the
 * field that is at fault where there is one. Nothing in them is personal data. */
#ifndef LEDIG_SERVICE_HTTP_PROBLEM_H
#define LEDIG_SERVICE_HTTP_PROBLEM_H

#include "broker/service/http_exchange.h"
#include "protocol/shape.h"
#include <jansson.h>

/* Answers with the status that belongs to the error. `field` may be NULL; `detail` NULL = what the error means in
 * general. */
void http_problem(struct http_exchange *exchange, int error, const char *field, const char *detail);

/* The same for what was found at fault; 410 where the lease of the router has ended. */
void http_fault(struct http_exchange *exchange, const struct fault *fault);

/* The same with a status of one's own, and further members for the document (taken over; NULL = none). */
void http_problem_as(struct http_exchange *exchange, int status, int error, const char *field, const char *detail,
                     json_t *members);

/* 429 with the time after which it would be granted. */
void http_rate_limited(struct http_exchange *exchange, uint32_t retry_ms, const char *detail);

/* Answers 200 with a JSON document (taken over; NULL = out of memory, which is answered 503). */
void http_answer_json(struct http_exchange *exchange, int status, json_t *document);

/* "Not Found", …; "Error" for a status that is not used here. */
const char *http_reason(int status);

#endif
