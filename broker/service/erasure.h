/* A removal outlives a history that lost it: where the store, after a failover or a restore, has a person or a queue
 * again that was removed, the worker that knows of the removal makes it once more, and keeps a person's records out of
 * the replica until then; a queue shows, since who is in it has to be found there. Known are those of the last day of
 * companies that are loaded. Owned by the tenant. */
#ifndef LEDIG_SERVICE_ERASURE_H
#define LEDIG_SERVICE_ERASURE_H

#include "broker/model/record.h"

#define ERASURES_MAX 4096 /* of one company; the oldest are forgotten */
#define ERASURE_KEPT_MS 86400000LL

struct service;
struct tenant;
struct erasure;

/* The person (RECORD_PROFILE) or queue was removed by the commit of this version. */
void erasure_note(struct tenant *tenant, enum record_kind kind, const char *id, uint64_t version);

/* A record is about to be applied: whether it is kept out, since it is of another history, and of a person who was
 * removed after it was written. */
bool erasure_hides(struct tenant *tenant, const char *entity, uint64_t revision);

/* Whether something is kept out of the replica. */
bool erasure_is_lost(const struct tenant *tenant);

/* Removes anew what is lost, and forgets what is old. */
void erasure_retry(struct tenant *tenant);

/* What was lost is out of the store, whoever took it out. */
void erasure_settled(struct service *service, const char *company, bool is_queue, const char *id);

/* Forgets all. */
void erasure_forget(struct tenant *tenant);

#endif
