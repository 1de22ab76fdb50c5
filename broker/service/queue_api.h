/* The queues of a company by HTTP, one by one: what the employer says of them, and for routers who would be called. */
#ifndef LEDIG_SERVICE_QUEUE_API_H
#define LEDIG_SERVICE_QUEUE_API_H

#include "broker/service/edit.h"

#define WRAP_UP_MS_MAX 3600000 /* an hour: more is no wrap-up after a call */

extern const struct edit_kind queue_kind;

/* GET. The token was checked. */
void queue_api_tell(struct service *service, const char *company, const char *queue, struct http_exchange *exchange);

/* Takes the queue out of the company: first from those who are assigned to it, in steps, then itself; for queue_kind.
 */
void queue_removal_start(struct edit *edit);

#endif
