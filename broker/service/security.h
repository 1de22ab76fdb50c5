/* What looks like an attack or misuse, for the administrators of the company that it concerns: kept in its log
 * `security`, counted, and said in the broker's own log (without saying who). Of the same by the same, one entry in a
 * while, so that nobody can fill a disk; nothing is written for a company that does not exist. */
#ifndef LEDIG_SERVICE_SECURITY_H
#define LEDIG_SERVICE_SECURITY_H

#include "broker/service/http_exchange.h"
#include "broker/service/update.h"

#define SECURITY_SAME_MS 600000 /* so long the same by the same is one entry */

/* What has happened. */
#define SECURITY_LOGIN_REFUSED "login_refused"   /* wrong passwords in a row; `user` is who they were tried for */
#define SECURITY_TOKEN_REUSED "token_reused"     /* a refresh token came a second time: one of two was stolen */
#define SECURITY_ACCESS_REFUSED "access_refused" /* somebody asked for what their role may not */
#define SECURITY_EXPORT "export"                 /* of the company; or of a person, who is `user` */
#define SECURITY_IMPORT "import"

/* Keeps it, later; nothing comes of it that a caller could wait for. `what` is a constant; `actor` and `user` may be
 * NULL, and are copied. */
void security_note(struct service *service, const char *company, const char *what, const char *actor, const char *user);

/* GET /v1/companies/{c}/security?before=MS&limit=N: the newest first. */
void security_tell(struct service *service, const char *company, struct http_exchange *exchange,
                   const struct http_request *request);

#endif
