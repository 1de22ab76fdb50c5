#include "broker/service/withdrawal.h"
#include "broker/log.h"
#include "broker/service/member_change.h"
#include "broker/service/request.h"
#include "broker/service/tenant_state.h"

#include <string.h>

static const struct consent *find_consent(const struct tenant *tenant, const char *user) {
    const struct member *member = company_member(tenant->company, user);
    const struct profile_record *profile = member ? member_profile(member) : NULL;
    const struct consent *consents = profile ? profile->consents.at : NULL;
    for (uint32_t i = 0; consents && i < profile->consents.count; i++)
        if (strcmp(consents[i].purpose, "presence") == 0) return &consents[i];
    return NULL;
}

int64_t withdrawal_at(const struct tenant *tenant, const char *user) {
    const struct consent *consent = find_consent(tenant, user);
    return consent && !consent->granted ? consent->at : 0;
}

void withdrawal_keep(struct tenant *tenant, const char *user, int64_t withdrawn_at_ms) {
    const struct consent *consent = find_consent(tenant, user);
    if (!consent || !consent->granted || consent->at >= withdrawn_at_ms) return;
    struct request *request = request_begin_own(tenant->service, tenant->id, user);
    if (!request) return;
    request->consent.granted = false;
    request->consent.text = request_text(request, consent->text);
    struct update_target targets[] = {{RECORD_PROFILE, request->user}, {RECORD_STATE, request->user}};
    log_event(LOG_WARNING, "withdrawal_kept", "company=%s", tenant->id);
    if (update_start(request->service, request->company, targets, 2, member_change_consent, request_finish, request) !=
        0)
        request_finish(request, LEDIG_EUNAVAILABLE, 0);
}
