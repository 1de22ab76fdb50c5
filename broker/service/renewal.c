#include "broker/service/renewal.h"
#include "broker/identity/permissions.h"
#include "broker/identity/provider.h"
#include "broker/service/request.h"
#include "broker/service/tenant_state.h"

#include <string.h>

static int check(const struct request *request) {
    struct renewal *renewal = request->renewal;
    struct token_claims *claims = &renewal->claims;
    const struct company *company = tenant_company(renewal->tenant);
    if (renewal->token &&
        provider_check(company_settings(company), renewal->token, service_now_ms(request->service), claims) != 0)
        return LEDIG_EUNAUTHORIZED;
    if (strcmp(claims->user, request->user) != 0 || strcmp(claims->companies, request->company) != 0 ||
        !permission_allows(PERMISSION_app_token, claims->role))
        return LEDIG_EFORBIDDEN;
    return company_admits(company, claims->user, claims->login, claims->issued_at_ms) ? 0 : LEDIG_EUNAUTHORIZED;
}

static void finish(struct request *request, int error) {
    struct session *session = request->session;
    tenant_release(request->renewal->tenant);
    if (session && session->stage == SESSION_LIVE && !error) {
        struct message message = {.type = MESSAGE_ok, .ok = {.id = request->id}};
        session_take_claims(session, &request->renewal->claims);
        session_send(session, &message);
    } else if (session && error) {
        session_error(session, request->id, error, "token", error == LEDIG_EFORBIDDEN ? "is not yours" : NULL, 0);
    }
    request_close(request);
}

static void on_caught_up(void *arg, int error) {
    struct request *request = arg;
    (void)error; /* then by what is known */
    finish(request, check(request));
}

void renewal_begin(struct session *session, uint32_t id, const struct message_token *token) {
    struct service *service = session->service;
    struct request *request = request_begin(session, id, session->attendee->user);
    if (!request) return;
    struct renewal *renewal = request->renewal = arena_take(request->arena, sizeof *renewal);
    if (renewal) renewal->tenant = tenant_hold(service, request->company);
    if (!renewal || !renewal->tenant) {
        request_finish(request, LEDIG_ENO_MEMORY, 0);
        return;
    }
    int error = token_check(service->key, token->token, service_now_ms(service), &renewal->claims);
    bool by_provider = error && provider_may_have_made(token->token);
    if (by_provider) renewal->token = request_text(request, token->token);
    if (!error || renewal->token) error = check(request);
    /* the log-in may have been made on another worker a moment ago, and so may a key of the provider */
    bool may_be_new = error == LEDIG_EUNAUTHORIZED && (renewal->claims.login[0] || renewal->token);
    if (!may_be_new || tenant_when_ready(renewal->tenant, true, on_caught_up, request) != 0) finish(request, error);
}
