/* /v1/companies/{company}/identity: the company's own identity provider, whose tokens its people come in with. Kept in
 * the company's settings; every worker goes by a change as soon as it hears of it. Keys are shown by their kid alone.
 */
#ifndef LEDIG_SERVICE_IDENTITY_API_H
#define LEDIG_SERVICE_IDENTITY_API_H

#include "broker/service/edit.h"

#define IDENTITY_TEXT_CHARS_MAX 255 /* an issuer is a URL */

extern const struct edit_kind identity_kind; /* the id is the company's */

/* GET: the token was checked. */
void identity_api_tell(struct service *service, const char *company, struct http_exchange *exchange);

#endif
