/* What a router says of a call: who is on it now. Only reads and checks the form; who the numbers belong to is the
 * caller's to find. Its texts are lent by what it was read from. */
#ifndef LEDIG_SERVICE_CALL_EVENT_H
#define LEDIG_SERVICE_CALL_EVENT_H

#include "broker/service/e164.h"
#include "protocol/limits.h"
#include "protocol/message.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define CALL_LEGS_MAX LEDIG_LEGS_COUNT_MAX
#define CALL_BODY_BYTES_MAX 16384  /* twenty legs with long names are some 3 KiB */
#define CALL_AHEAD_MS_MAX 300000LL /* a router's clock may be ahead of the store's by so much */

#define CALL_EVENT_NO_NUMBER "must be a number such as +4722334455, or as it is dialled in the company's country"

struct call_event_leg {
    const char *user;                       /* NULL where it came as a number that nobody here has */
    char number[NUMBERING_DIALLED_MAX + 1]; /* as it was dialled, until call_event_complete */
    const char *state;                      /* ringing, active, held: a constant */
    bool caller;                            /* placed the call; one leg at most */
};

struct call_event {
    struct call_event_leg legs[CALL_LEGS_MAX];
    size_t leg_count;
    bool ended;                           /* for all */
    const char *direction, *peer, *queue; /* NULL = not said */
    char peer_number[E164_BYTES];         /* `peer`, where it is one */
    const char *router;                   /* the router's own id; NULL = none */
    int64_t at_ms;                        /* 0 = not said */
    int64_t seq;
};

/* The body of PUT /v1/companies/{c}/calls/{call}. 0, or LEDIG_E… as in the fault. */
int call_event_read(const json_t *document, int64_t now_ms, struct call_event *event, struct fault *fault);

/* The same from a message, of the router with this id. */
int call_event_take(const struct message_call *message, const char *router, int64_t now_ms, struct call_event *event,
                    struct fault *fault);

/* Brings the numbers of legs and peer to E.164. A peer that is none, such as a SIP address, stays. False where a leg's
 * is none. */
bool call_event_complete(struct call_event *event, const struct numbering_plan *plan);

#endif
