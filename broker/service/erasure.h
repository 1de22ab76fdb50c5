/* A removal outlives a history that lost it: where the store, after a failover or a restore, has a person again
 * who was removed, the worker that knows of the removal makes it once more, and keeps the record out of the
 * replica until then. Known are those of the last day of companies that are loaded. Owned by the tenant. */
#ifndef LEDIG_SERVICE_ERASURE_H
#define LEDIG_SERVICE_ERASURE_H

#include "broker/model/record.h"

#define ERASURES_MAX 4096 /* of one company; the oldest are forgotten */
#define ERASURE_KEPT_MS 86400000LL

struct tenant;
struct erasure;

/* The person was removed by the commit of this version. */
void erasure_note(struct tenant *tenant, const char *user, uint64_t version);

/* Whether this record of another history, about to be applied, is of one that was removed after it was written. */
bool erasure_hides(struct tenant *tenant, const char *entity, uint64_t revision);

/* Whether something is kept out of the replica. */
bool erasure_is_lost(const struct tenant *tenant);

/* Removes anew what is lost, and forgets what is old. */
void erasure_retry(struct tenant *tenant);

/* Forgets all. */
void erasure_forget(struct tenant *tenant);

#endif
