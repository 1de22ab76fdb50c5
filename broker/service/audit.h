/* The company's log of what its administrators must be able to see afterwards: forwards to the outside, allowed or
 * refused, and what was set on behalf of another. An entry says who, for whom and when, and of a number outside only
 * its calling code. Entries of the same in the same while are one, so that nobody can fill a disk. */
#ifndef LEDIG_SERVICE_AUDIT_H
#define LEDIG_SERVICE_AUDIT_H

#include "broker/service/http_exchange.h"
#include "broker/service/request.h"

#define AUDIT_REFUSED_MS 180000 /* of one person's refused forwards, the first in so long is kept: 20 an hour */
#define AUDIT_SET_MS 60000      /* of what is set, the same by the same for the same once in so long */
#define AUDIT_PAGE_MAX STORE_LOG_PAGE_MAX

/* To be called from an update_apply that writes `set` of the request: keeps an entry beside that change where there has
 * to be one. LEDIG_ENO_MEMORY. */
int audit_set(const struct request *request, struct update_entity *entity, struct arena *arena);

/* A forward was refused: an entry, beside no change. */
void audit_refused(struct session *session, const struct message_set *set, const char *number);

/* GET /v1/companies/{c}/audit?before=MS&limit=N: the newest first. */
void audit_tell(struct service *service, const char *company, struct http_exchange *exchange,
                const struct http_request *request);

/* The same of this log of the company: AUDIT_LOG or SECURITY_LOG. */
void audit_tell_log(struct service *service, const char *log, const char *company, struct http_exchange *exchange,
                    const struct http_request *request);

#endif
