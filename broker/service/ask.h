/* `ask`: rows of some colleagues and queues, once, from the replica; in parts where they are over 64 KiB. */
#ifndef LEDIG_SERVICE_ASK_H
#define LEDIG_SERVICE_ASK_H

#include "protocol/message.h"

struct session;

void ask_answer(struct session *session, uint32_t id, const struct message_ask *ask);

#endif
