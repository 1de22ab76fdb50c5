#include "broker/service/dial_plan.h"
#include "broker/service/tenant.h"

#include <stdlib.h>

struct reading {
    dial_plan_done done;
    void *arg;
};

/* A country that only a later version knows has no national numbers here. */
static const struct numbering_plan *plan_in(const struct company_record *settings) {
    return numbering_plan_of(settings ? settings->country : NULL);
}

const struct numbering_plan *dial_plan_of(const struct company *company) {
    return plan_in(company_settings(company));
}

const struct numbering_plan *dial_plan(const struct service *service, const char *company) {
    const struct tenant *tenant = tenant_find(service, company);
    return tenant && tenant_is_ready(tenant) ? dial_plan_of(tenant_company(tenant)) : NULL;
}

static int open_settings(const struct store_record *stored, const struct numbering_plan **plan) {
    struct arena *arena = arena_create();
    struct record *record = arena ? arena_take(arena, sizeof *record) : NULL;
    int error = record ? 0 : LEDIG_ENO_MEMORY;
    if (!error && stored->bytes) error = record_decode(stored->bytes, stored->length, arena, record);
    if (!error && stored->bytes && record->kind != RECORD_COMPANY) error = LEDIG_EDAMAGED;
    if (!error) *plan = plan_in(stored->bytes ? &record->company : NULL);
    arena_free(arena);
    return error;
}

static void on_read(void *arg, int error, const struct store_head *head, const struct store_record *records,
                    size_t count) {
    struct reading *reading = arg;
    const struct numbering_plan *plan = NULL;
    (void)head;
    (void)count;
    if (!error) error = open_settings(&records[0], &plan);
    reading->done(reading->arg, error, plan);
    free(reading);
}

int dial_plan_read(struct service *service, const char *company, dial_plan_done done, void *arg) {
    char name[ENTITY_NAME_BYTES_MAX];
    const char *entity = name;
    struct reading *reading = malloc(sizeof *reading);
    if (!reading) return LEDIG_ENO_MEMORY;
    *reading = (struct reading){done, arg};
    entity_name(service->names, RECORD_COMPANY, company, name);
    store_read(service->store, company, &entity, 1, on_read, reading);
    return 0;
}
