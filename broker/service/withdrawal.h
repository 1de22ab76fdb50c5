/* A withdrawal of consent outlives a history that lost it: where the store, after a failover or a restore, knows an
 * older consent again, the worker that knows of the withdrawal makes it once more, as often as it takes. Until that
 * stands, the person's state is kept out of the replica, so that nobody is shown what came back; a call history that
 * came back is destroyed again. Owned by the tenant. */
#ifndef LEDIG_SERVICE_WITHDRAWAL_H
#define LEDIG_SERVICE_WITHDRAWAL_H

#include "protocol/limits.h"
#include <stdbool.h>
#include <stdint.h>

struct tenant;

struct withdrawal {
    struct withdrawal *next;
    const char *purpose; /* a constant */
    int64_t at_ms;       /* when the person withdrew, as the replica knew it */
    bool is_lost;        /* the store knows an older consent */
    bool has_hidden;     /* a state was kept out */
    bool is_asking;      /* the commit has no answer yet */
    char user[LEDIG_ID_CHARS_MAX + 1];
};

/* A record of the person, from another history, is about to be applied. */
void withdrawal_watch(struct tenant *tenant, const char *user);

/* Whether the record that is about to be applied is to be taken as a tombstone. */
bool withdrawal_hides(struct tenant *tenant, const char *user, const char *entity);

/* A record of the person was applied. Returns whether the replica has to be compared again, since what was hidden may
 * be shown after all: the person has consented anew. */
bool withdrawal_settle(struct tenant *tenant, const char *user);

/* The comparison is over: those that were watched and not lost are forgotten. A state that was hidden, and stands
 * without a consent that is newer, is to be destroyed. */
void withdrawal_compared(struct tenant *tenant);

/* Asks again for those that are lost. */
void withdrawal_retry(struct tenant *tenant);

/* Forgets all. */
void withdrawal_forget(struct tenant *tenant);

#endif
