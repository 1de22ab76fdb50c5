/* How people get in: a password (first set with an invitation) gives a short-lived access token and a refresh token for
 * one device; the refresh token gives the next pair, once. What is known of a person's log-ins stands in their access
 * record; every change of it reaches all workers by the doorbell, and ends the sessions that it concerns.
 *
 * Whatever is wrong, what is answered to somebody who may be anybody is the same, after the same time: nobody learns
 * who works here. Each function answers, at once or later. */
#ifndef LEDIG_SERVICE_LOGIN_H
#define LEDIG_SERVICE_LOGIN_H

#include "broker/service/http_exchange.h"
#include "broker/service/service.h"

#define ACCESS_TTL_MS 600000LL                  /* ten minutes: as long as a lost token is of use */
#define REFRESH_UNUSED_MS_MAX (90LL * 86400000) /* a device that has not come for so long logs in anew */
#define REFRESH_AGAIN_MS 10000LL                /* the answer may have been lost: so long the same may come again */
#define INVITATION_MS (7LL * 86400000)          /* time to set a first password */
#define LOGIN_BODY_BYTES_MAX 4096

/* POST /v1/login {company, user or number, password, device{id,kind,os?,app?}} */
void login_begin(struct service *service, struct http_exchange *exchange, const struct http_request *request);

/* POST /v1/password {company, user, invitation, password, device}, or with an access token {old, password} */
void login_set_password(struct service *service, struct http_exchange *exchange, const struct http_request *request);

/* POST /v1/token {refresh} */
void login_refresh(struct service *service, struct http_exchange *exchange, const struct http_request *request);

/* POST /v1/logout {all?}, with an access token. DELETE /v1/me/devices/{login}: another of one's devices. */
void login_end(struct service *service, struct http_exchange *exchange, const struct http_request *request);
void login_end_device(struct service *service, const char *login, struct http_exchange *exchange,
                      const struct http_request *request);

/* GET /v1/me/devices */
void login_list(struct service *service, struct http_exchange *exchange, const struct http_request *request);

/* POST /v1/companies/{c}/users/{u}/invitation: the token was checked. */
void login_invite(struct service *service, const char *company, const char *user, struct http_exchange *exchange);

#endif
