#include "broker/service/entitlement.h"
#include "broker/service/http_problem.h"
#include "broker/service/look.h"
#include "broker/service/tenant.h"

#include <jansson.h>

bool entitlement_has_room(const struct service *service, const char *company, const struct company_record *settings,
                          size_t more) {
    const struct tenant *tenant = tenant_find(service, company);
    if (settings->people_max <= 0) return true;
    size_t count = tenant ? company_member_count(tenant_company(tenant)) : 0;
    return count + more <= (size_t)settings->people_max;
}

struct usage {
    json_int_t consenting, connected, logged_in, in_calls;
};

/* Sums alone: who it is, is nobody's business here. */
static void add(void *arg, const struct member *member) {
    struct usage *usage = arg;
    const struct state_record *state = member_state(member);
    const struct view *view = member_view(member);
    if (!state) return;
    usage->consenting++;
    usage->connected += view->presence != PRESENCE_NONE;
    usage->logged_in += state->log_ins.count > 0;
    usage->in_calls += state->calls.count > 0;
}

static void answer(const struct look *look) {
    const struct company *company = look_company(look);
    const struct company_record *settings = company_settings(company);
    struct usage usage = {0};
    company_each_member(company, add, &usage);
    json_t *document = json_pack("{s:s,s:I,s:I,s:I,s:I,s:I}", "company", settings->id, "people",
                                 (json_int_t)company_member_count(company), "consenting", usage.consenting, "connected",
                                 usage.connected, "logged_in_to_queues", usage.logged_in, "in_calls", usage.in_calls);
    if (document && settings->people_max)
        json_object_set_new(document, "people_max", json_integer((json_int_t)settings->people_max));
    http_answer_json(look->exchange, 200, document);
}

void entitlement_tell(struct service *service, const char *company, struct http_exchange *exchange) {
    look_start(&(struct look){.service = service, .exchange = exchange, .answer = answer}, company);
}
