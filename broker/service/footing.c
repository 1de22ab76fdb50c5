#include "broker/service/footing.h"
#include "broker/service/routers.h"
#include "broker/service/tenant.h"

#include <stdio.h>

static void fail(struct footing *footing, int error, const char *why) {
    struct fault fault = {.error = error, .why = why};
    footing->done(footing->arg, &fault);
}

static void on_company(void *arg, int error) {
    struct footing *footing = arg;
    if (error && !tenant_is_ready(footing->tenant))
        fail(footing, LEDIG_EUNAVAILABLE, NULL);
    else if (!tenant_exists(footing->tenant))
        fail(footing, LEDIG_ENOT_FOUND, "no such company");
    else
        footing->done(footing->arg, NULL);
}

static void find_company(struct footing *footing) {
    if (tenant_is_ready(footing->tenant))
        on_company(footing, 0);
    else if (tenant_when_ready(footing->tenant, false, on_company, footing) != 0)
        fail(footing, LEDIG_EUNAVAILABLE, "out of memory");
}

static void on_router(void *arg, int error, const char *lease) {
    struct footing *footing = arg;
    if (error == LEDIG_ELEASE_ENDED) {
        footing->done(footing->arg, &routers_gone);
    } else if (error) {
        fail(footing, error, NULL);
    } else {
        snprintf(footing->router, sizeof footing->router, "%s", lease);
        find_company(footing);
    }
}

int footing_take(struct footing *footing, struct service *service, const char *company) {
    *footing = (struct footing){.service = service, .tenant = tenant_hold(service, company)};
    return footing->tenant ? 0 : LEDIG_ENO_MEMORY;
}

void footing_leave(struct footing *footing) {
    if (footing->tenant) tenant_release(footing->tenant);
    footing->tenant = NULL;
}

void footing_settle(struct footing *footing, const char *subject, const char *router, footing_done done, void *arg) {
    footing->done = done;
    footing->arg = arg;
    if (router)
        routers_keep(footing->service, subject, router, on_router, footing);
    else
        find_company(footing);
}
