#include "broker/service/security.h"
#include "broker/log.h"
#include "broker/privacy/vault.h"
#include "broker/service/audit.h"
#include "broker/service/service.h"

#include <stdlib.h>
#include <string.h>

struct event {
    struct service *service;
    const char *what;
    int64_t at_ms;
    size_t known; /* its place among those that are known */
    bool is_kept;
    char company[LEDIG_ID_CHARS_MAX + 1], actor[LEDIG_ID_CHARS_MAX + 1], user[LEDIG_ID_CHARS_MAX + 1];
};

static int keep_key(struct update_entity *company, struct arena *arena) {
    char key[VAULT_LOG_KEY_CHARS + 1];
    if (company->next.company.log_key) return 0;
    vault_log_key_make(key);
    company->next.company.log_key = arena_text(arena, key, VAULT_LOG_KEY_CHARS);
    company->action = STORE_WRITE;
    return company->next.company.log_key ? 0 : LEDIG_ENO_MEMORY;
}

static int apply(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct event *event = arg;
    char once[2 * LEDIG_ID_CHARS_MAX + LEDIG_WORD_CHARS_MAX + 32];
    (void)count;
    if (!entities[0].current) return UPDATE_NOTHING; /* no company, no log */
    snprintf(once, sizeof once, "%lld:%s:%s:%s", (long long)(event->at_ms / SECURITY_SAME_MS), event->what,
             event->actor, event->user);
    struct record *record = arena_take(arena, sizeof *record);
    entities[0].security = record;
    entities[0].security_id = arena_text(arena, once, strlen(once));
    if (!record || !entities[0].security_id) return LEDIG_ENO_MEMORY;
    event->is_kept = true;
    record->kind = RECORD_SECURITY;
    record->security = (struct security_record){.what = event->what,
                                                .at = event->at_ms,
                                                .actor = event->actor[0] ? event->actor : NULL,
                                                .user = event->user[0] ? event->user : NULL};
    return keep_key(&entities[0], arena);
}

static void on_kept(void *arg, int error, uint64_t version) {
    struct event *event = arg;
    (void)version;
    if (error) log_event(LOG_WARNING, "security_event_lost", "company=%s what=%s", event->company, event->what);
    if (error || !event->is_kept) event->service->security_known[event->known][0] = '\0'; /* the next may be */
    free(event);
}

/* Whether this worker has noted the same in the same while: a flood of them costs no commits. */
static bool is_known(struct service *service, struct event *event) {
    char text[3 * LEDIG_ID_CHARS_MAX + LEDIG_WORD_CHARS_MAX + 32], hash[ENTITY_HASH_CHARS + 1];
    snprintf(text, sizeof text, "%lld:%s:%s:%s:%s", (long long)(event->at_ms / SECURITY_SAME_MS), event->company,
             event->what, event->actor, event->user);
    entity_hash(service->names, text, hash);
    for (size_t i = 0; i < SECURITY_KNOWN_MAX; i++)
        if (strcmp(service->security_known[i], hash) == 0) return true;
    event->known = service->security_next++ % SECURITY_KNOWN_MAX;
    strcpy(service->security_known[event->known], hash);
    return false;
}

void security_note(struct service *service, const char *company, const char *what, const char *actor,
                   const char *user) {
    struct event *event = shape_is_id(company) && !service->closing ? calloc(1, sizeof *event) : NULL;
    if (!event) return;
    event->service = service;
    event->what = what;
    event->at_ms = service_now_ms(service);
    snprintf(event->company, sizeof event->company, "%s", company);
    snprintf(event->actor, sizeof event->actor, "%s", actor ? actor : "");
    snprintf(event->user, sizeof event->user, "%s", user ? user : "");
    service->metrics->security_events++;
    if (is_known(service, event)) {
        free(event);
        return;
    }
    log_event(LOG_WARNING, "security_event", "company=%s what=%s", event->company, what);
    struct update_target target = {RECORD_COMPANY, event->company};
    if (update_start(service, event->company, &target, 1, apply, on_kept, event) != 0) free(event);
}

void security_tell(struct service *service, const char *company, struct http_exchange *exchange,
                   const struct http_request *request) {
    audit_tell_log(service, SECURITY_LOG, company, exchange, request);
}
