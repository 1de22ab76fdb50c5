/* From `hello` to `welcome`: who is it, is the company loaded, is the replica as new as what the app knows already? */
#ifndef LEDIG_SERVICE_JOIN_H
#define LEDIG_SERVICE_JOIN_H

#include "protocol/message.h"

struct session;

/* Takes the session from SESSION_NEW to SESSION_LIVE, or ends it. */
void join_begin(struct session *session, const struct message_hello *hello);

/* Frees what was kept of the hello. */
void join_forget(struct session *session);

#endif
