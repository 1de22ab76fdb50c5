/* What routers report of calls. One commit brings the call and everybody who was on it or is up to date; the same event
 * again, a late one, or one after the end changes nothing. Knows nothing of what carries a report. */
#ifndef LEDIG_SERVICE_CALLS_H
#define LEDIG_SERVICE_CALLS_H

#include "broker/service/call_event.h"
#include "broker/service/service.h"

/* `fault` NULL: it is kept, in this version of the company. Lent for the call; it may come at once. */
typedef void (*calls_done)(void *arg, const struct fault *fault, uint64_t version);

/* `call` is the router's own id of the call; all is lent for the call. The token was checked, and is `subject`'s. */
void calls_report(struct service *service, const char *subject, const char *company, const char *call,
                  const struct call_event *event, calls_done done, void *arg);

/* Ends a call of which its router knows nothing any more. */
void calls_end(struct service *service, const char *company, const char *call);

#endif
