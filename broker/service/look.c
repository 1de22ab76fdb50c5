#include "broker/service/look.h"
#include "broker/service/http_problem.h"
#include "broker/service/tenant.h"

#include <stdlib.h>

static void go_on(void *arg, int error) {
    struct look *look = arg;
    if (error && !tenant_is_ready(look->tenant))
        http_problem(look->exchange, LEDIG_EUNAVAILABLE, NULL, NULL);
    else if (!tenant_exists(look->tenant))
        http_problem(look->exchange, LEDIG_ENOT_FOUND, NULL, "no such company");
    else
        look->answer(look);
    tenant_release(look->tenant);
    free(look);
}

void look_start(const struct look *asked, const char *company) {
    struct look *look = malloc(sizeof *look);
    struct tenant *tenant = look ? tenant_hold(asked->service, company) : NULL;
    if (!tenant) {
        free(look);
        http_problem(asked->exchange, LEDIG_ENO_MEMORY, NULL, NULL);
        return;
    }
    *look = *asked;
    look->tenant = tenant;
    int error = tenant_when_ready(tenant, true, go_on, look);
    if (error) go_on(look, error);
}

const struct company *look_company(const struct look *look) {
    return tenant_company(look->tenant);
}
