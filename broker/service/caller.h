/* Who sends an HTTP request: found out before it is answered. A token that the operator minted speaks for itself; one
 * of a log-in, or of a company's identity provider, is asked of the company as it stands in the store now, so that
 * whoever was logged out, was demoted or has left is so at once. The request is copied and kept until then. */
#ifndef LEDIG_SERVICE_CALLER_H
#define LEDIG_SERVICE_CALLER_H

#include "broker/identity/permissions.h"
#include "broker/service/http_exchange.h"
#include "broker/service/service.h"

/* Hands the request to `answer`, at once or later, with its `claims`: NULL where there is no token, or no good one. */
void caller_identify(struct service *service, struct http_exchange *exchange, const struct http_request *request,
                     http_handler answer);

/* Whether the role may do this, in this company (NULL: it is of none); answers if not: 401, 403, or 404 for a company
 * that the token does not cover, which looks like one that does not exist. */
bool caller_may(struct http_exchange *exchange, const struct http_request *request, enum permission permission,
                const char *company);

#endif
