/* A fresh token in the middle of a session, before the old one ends. It has to be the same person's; whether the
 * device is still logged in is asked of the replica, and where that does not know the log-in, of the store. */
#ifndef LEDIG_SERVICE_RENEWAL_H
#define LEDIG_SERVICE_RENEWAL_H

#include "protocol/message.h"

struct session;

/* Answers, at once or later. A token that is refused leaves the session as it is. */
void renewal_begin(struct session *session, uint32_t id, const struct message_token *token);

#endif
