/* What every call on the routers' port begins with: which path, which token, which method. Answers where one of them is
 * wrong. */
#ifndef LEDIG_SERVICE_API_PATH_H
#define LEDIG_SERVICE_API_PATH_H

#include "broker/service/http_exchange.h"
#include "broker/service/service.h"

/* "/v1/companies/{company}/{what}", or "/v1/companies/{company}/{what}/{id}" where `id` is not NULL; with `what` "" the
 * company's own. */
bool api_is_of_company(const char *path, const char *what, char company[static LEDIG_ID_CHARS_MAX + 1],
                       const char **id);

/* Whether there is a good token; answers if not. */
bool api_take_claims(const struct service *service, struct http_exchange *exchange, const struct http_request *request,
                     struct token_claims *claims);

/* 405, with the methods that there are: "GET, PUT". */
void api_refuse_method(struct http_exchange *exchange, const char *allowed);

#endif
