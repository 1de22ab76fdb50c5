/* find: who is it that somebody is looking for? */
#ifndef LEDIG_SERVICE_FIND_H
#define LEDIG_SERVICE_FIND_H

#include "broker/service/session.h"

#define FIND_LIMIT_DEFAULT 20
#define FIND_LIMIT_MAX 50 /* nobody reads further */
/* Where a text fits more people than this, the best of so many are shown: one more key tells them apart, and the loop
 * is not held for all of a large company. */
#define FIND_FITS_MAX 5000

void find_answer(struct session *session, uint32_t id, const struct message_find *find);

#endif
