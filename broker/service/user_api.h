/* The people of a company by HTTP, one by one: what the employer says of them, never what they do. */
#ifndef LEDIG_SERVICE_USER_API_H
#define LEDIG_SERVICE_USER_API_H

#include "broker/service/edit.h"

#define USERS_LIMIT_MAX 1000 /* of one page */

extern const struct edit_kind user_kind;

/* GET of one, and of a page of them: `after`, `limit`. The token was checked. */
void user_api_tell(struct service *service, const char *company, const char *user, struct http_exchange *exchange);
void user_api_list(struct service *service, const char *company, struct http_exchange *exchange,
                   const struct http_request *request);

/* Takes the person out of the company wholly: profile, state, access, and the calls that they are on; for user_kind. */
void user_removal_start(struct edit *edit);

#endif
