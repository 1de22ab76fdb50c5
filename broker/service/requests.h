/* What a live session may ask: one function for each type of request. Those that change something answer when the store
 * has said that it is kept. */
#ifndef LEDIG_SERVICE_REQUESTS_H
#define LEDIG_SERVICE_REQUESTS_H

#include "protocol/message.h"

struct session;

#define RETRY_UNAVAILABLE_MS 2000 /* the store is away: as long as one of its time-outs */
#define RETRY_RATE_LIMITED_MS 1000

/* Answers the message at once or later. It is lent for the call, and may be changed. */
void requests_handle(struct session *session, uint32_t id, struct message *message);

/* The session takes no more answers; its open requests go on without it. */
void requests_orphan(struct session *session);

#endif
