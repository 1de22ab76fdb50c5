/* Who may come in with which token: all that a replica keeps of how a person gets in. */
#include "broker/model/company_state.h"

#include <stdlib.h>

struct admission *admission_of(const struct access_record *access) {
    const struct device_known *devices = access->devices.at;
    size_t user = strlen(access->id) + 1, count = access->devices.count;
    struct admission *admission = malloc(sizeof *admission + count * sizeof *admission->logins + user);
    if (admission == NULL) return NULL;
    admission->not_before_ms = access->not_before;
    admission->count = (uint32_t)count;
    for (size_t i = 0; i < count; i++)
        admission->logins[i] = strtoull(devices[i].login, NULL, 16);
    memcpy(admission->logins + count, access->id, user);
    return admission;
}

const char *admission_user(const struct admission *admission) {
    return (const char *)(admission->logins + admission->count);
}

bool company_admits(const struct company *company, const char *user, const char *login, int64_t issued_at_ms) {
    const struct member *member = company_member(company, user);
    if (member != NULL && issued_at_ms + TOKEN_GRAIN_MS <= member->profile->created_at) return false;
    const struct entity *entity = entity_of(company, RECORD_ACCESS, user);
    const struct admission *admission = entity != NULL && entity->is_there ? entity->admission : NULL;
    if (admission == NULL) return login[0] == '\0';
    if (issued_at_ms + TOKEN_GRAIN_MS <= admission->not_before_ms) return false;
    if (login[0] == '\0') return true;
    uint64_t wanted = strtoull(login, NULL, 16);
    for (uint32_t i = 0; i < admission->count; i++)
        if (admission->logins[i] == wanted) return true;
    return false;
}
