#include "broker/service/erasure.h"
#include "broker/log.h"
#include "broker/service/edit.h"
#include "broker/service/tenant_state.h"
#include "broker/service/user_api.h"

#include <stdlib.h>
#include <string.h>

struct erasure { /* by the name of each entity that went; the first of them carries the rest */
    UT_hash_handle hh;
    struct erasure *first; /* its own, where it is that */
    uint64_t version;
    int64_t at_ms;
    bool is_lost; /* the store has it again */
    char id[LEDIG_ID_CHARS_MAX + 1];
    char name[];
};

static struct erasure *find(const struct tenant *tenant, const char *entity) {
    struct erasure *one = NULL;
    HASH_FIND_STR(tenant->erasures, entity, one);
    return one;
}

static struct erasure *add(struct tenant *tenant, enum record_kind kind, const char *id, struct erasure *first) {
    char name[ENTITY_NAME_BYTES_MAX];
    entity_name(tenant->service->names, kind, id, name);
    struct erasure *one = find(tenant, name);
    if (!one) {
        one = calloc(1, sizeof *one + strlen(name) + 1);
        if (!one) abort(); /* a removal cannot be forgotten for want of a few bytes; the worker starts anew */
        strcpy(one->name, name);
        HASH_ADD_STR(tenant->erasures, name, one);
    }
    one->first = first ? first : one;
    return one;
}

static void drop(struct tenant *tenant, struct erasure *one) {
    HASH_DEL(tenant->erasures, one);
    free(one);
}

void erasure_note(struct tenant *tenant, const char *id, uint64_t version) {
    struct erasure *one = add(tenant, RECORD_PROFILE, id, NULL);
    one->version = version;
    one->at_ms = service_now_ms(tenant->service);
    one->is_lost = false;
    snprintf(one->id, sizeof one->id, "%s", id);
    add(tenant, RECORD_STATE, id, one);
    add(tenant, RECORD_ACCESS, id, one);
}

bool erasure_hides(struct tenant *tenant, const char *entity, uint64_t revision) {
    const struct erasure *one = tenant->erasures ? find(tenant, entity) : NULL;
    if (!one || revision >= one->first->version) return false;
    one->first->is_lost = true;
    return true;
}

bool erasure_is_lost(const struct tenant *tenant) {
    for (const struct erasure *one = tenant->erasures; one; one = one->hh.next)
        if (one->is_lost) return true;
    return false;
}

static void remove_again(struct tenant *tenant, const struct erasure *one) {
    log_event(LOG_WARNING, "removal_kept", "company=%s", tenant->id);
    edit_remove_again(tenant->service, &user_kind, tenant->id, one->id, one->version);
}

/* Those that follow others in the table are younger. */
static void forget_old(struct tenant *tenant) {
    struct erasure *one, *next;
    int64_t before_ms = service_now_ms(tenant->service) - ERASURE_KEPT_MS;
    size_t over = HASH_COUNT(tenant->erasures) > ERASURES_MAX ? HASH_COUNT(tenant->erasures) - ERASURES_MAX : 0;
    HASH_ITER(hh, tenant->erasures, one, next) {
        if (one->first != one || one->is_lost || (over == 0 && one->at_ms > before_ms)) continue;
        char name[ENTITY_NAME_BYTES_MAX];
        for (int kind = RECORD_STATE; kind <= RECORD_ACCESS; kind++) {
            entity_name(tenant->service->names, (enum record_kind)kind, one->id, name);
            struct erasure *other = find(tenant, name);
            if (other == next && other) next = other->hh.next;
            if (other) drop(tenant, other);
        }
        drop(tenant, one);
        over -= over > 0;
    }
}

void erasure_retry(struct tenant *tenant) {
    if (!tenant->erasures) return;
    if (!edit_runs(tenant->service, tenant->id))
        for (const struct erasure *one = tenant->erasures; one; one = one->hh.next)
            if (one->is_lost) remove_again(tenant, one);
    forget_old(tenant);
}

void erasure_forget(struct tenant *tenant) {
    struct erasure *one, *next;
    HASH_ITER(hh, tenant->erasures, one, next) drop(tenant, one);
}
