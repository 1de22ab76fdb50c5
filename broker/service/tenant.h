/* One company as loaded by this worker: its replica, kept up to date with the store, and who is connected.
 *
 * Loaded on demand and kept while somebody holds it, and for idle_ms after. It hears of changes by the doorbell,
 * repairs gaps by reading the index, compares the whole where the store's history has changed. Owns the replica. */
#ifndef LEDIG_SERVICE_TENANT_H
#define LEDIG_SERVICE_TENANT_H

#include "broker/service/service.h"

struct tenant;

/* The company, if it is loaded or being loaded; NULL otherwise. */
struct tenant *tenant_find(const struct service *service, const char *company);

/* Takes a hold, and begins to load the company where it is not loaded. NULL when out of memory. */
struct tenant *tenant_hold(struct service *service, const char *company);
void tenant_release(struct tenant *tenant);

/* Calls back when the replica stands as new as the store was at the time of this call: 0, or LEDIG_EUNAVAILABLE when
 * the store gave no answer (the next call tries again). With `fresh` false the load that is under way will do. Costs a
 * read: for a replica that stands already (tenant_is_ready) call it only for what is fresh. Never calls back at once.
 * Needs a hold until then. */
typedef void (*tenant_done)(void *arg, int error);
int tenant_when_ready(struct tenant *tenant, bool fresh, tenant_done done, void *arg);

/* Whether the replica stands: it can be asked, even while the store is away. */
bool tenant_is_ready(const struct tenant *tenant);

/* Whether the company exists at all: somebody has provisioned it. */
bool tenant_exists(const struct tenant *tenant);

struct company *tenant_company(const struct tenant *tenant);
const char *tenant_id(const struct tenant *tenant);

#endif
