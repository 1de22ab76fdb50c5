/* calls and usage: a person's own history of calls, as a list or added up. Read from the store at each question, since
 * no worker keeps it; given to nobody but the person, and not without their consent as the store knows it then. */
#ifndef LEDIG_SERVICE_HISTORY_H
#define LEDIG_SERVICE_HISTORY_H

#include "broker/privacy/retention.h"
#include "broker/service/session.h"

#define HISTORY_LIMIT_DEFAULT 50
#define HISTORY_LIMIT_MAX 100 /* calls of one `calls`; a screen shows some twenty */

void history_calls(struct session *session, uint32_t id, const struct message_calls *calls);
void history_usage(struct session *session, uint32_t id, const struct message_usage *usage);

#endif
