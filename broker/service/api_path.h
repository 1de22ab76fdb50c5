/* What every call on the routers' port begins with: which path, which method. */
#ifndef LEDIG_SERVICE_API_PATH_H
#define LEDIG_SERVICE_API_PATH_H

#include "broker/service/http_exchange.h"
#include "broker/service/service.h"

/* "/v1/companies/{company}/{what}", or "/v1/companies/{company}/{what}/{id}" where `id` is not NULL; with `what` "" the
 * company's own. */
bool api_is_of_company(const char *path, const char *what, char company[static LEDIG_ID_CHARS_MAX + 1],
                       const char **id);

/* 405, with the methods that there are: "GET, PUT". */
void api_refuse_method(struct http_exchange *exchange, const char *allowed);

#endif
