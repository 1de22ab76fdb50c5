/* find: who is it that somebody is looking for? */
#ifndef LEDIG_SERVICE_FIND_H
#define LEDIG_SERVICE_FIND_H

#include "broker/service/session.h"

#define FIND_LIMIT_DEFAULT 20
#define FIND_LIMIT_MAX 50 /* nobody reads further */
/* Looked at for one question, some 0.5 ms: where a text fits more of a company, the best of so many are shown, and one
 * more key tells them apart. */
#define FIND_LOOKS_MAX 5000

void find_answer(struct session *session, uint32_t id, const struct message_find *find);

#endif
