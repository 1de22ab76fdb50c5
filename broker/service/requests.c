#include "broker/service/requests.h"
#include "broker/identity/permissions.h"
#include "broker/model/forward_rule.h"
#include "broker/service/activity.h"
#include "broker/service/ask.h"
#include "broker/service/attendance.h"
#include "broker/service/audit.h"
#include "broker/service/dial_plan.h"
#include "broker/service/e164.h"
#include "broker/service/find.h"
#include "broker/service/history.h"
#include "broker/service/member_change.h"
#include "broker/service/renewal.h"
#include "broker/service/request.h"
#include "broker/service/security.h"
#include "broker/service/standing.h"
#include "broker/service/tenant_state.h"

#include <string.h>

#define UNTIL_AHEAD_MS_MAX                                                                                             \
    (3653LL * 86400000) /* a slip of the finger; and far below what a JavaScript number holds                          \
                         */

static void refuse(struct session *session, uint32_t id, int error, const char *field, const char *why) {
    if (error == LEDIG_EFORBIDDEN)
        security_note(session->service, session->tenant->id, SECURITY_ACCESS_REFUSED, session->attendee->user, NULL);
    session_error(session, id, error, field, why, 0);
}

static void answer_ok(struct session *session, uint32_t id) {
    struct message message = {.type = MESSAGE_ok, .ok = {.id = id}};
    session_send(session, &message);
}

/* As it is now: a log-in's is what the profile says. */
static enum role role_of(const struct session *session) {
    if (!session->device->follows_profile) return (enum role)session->role;
    return standing_role(tenant_company(session->tenant), session->attendee->user);
}

/* ---- set ---- */

/* A number, a colleague or a queue. Puts a number into its one form. */
static bool find_forward(const struct session *session, const char **target) {
    const struct company *company = tenant_company(session->tenant);
    char number[E164_BYTES];
    if (company_member(company, *target) || company_has_queue(company, *target)) return true;
    if (e164_parse_in(dial_plan_of(company), *target, strlen(*target), number) != 0) return false;
    *target = arena_text(session->service->arena, number, strlen(number));
    return *target != NULL;
}

/* A number that nobody in the company has. */
static bool is_outside(const struct company *company, const char *target) {
    return *target == '+' && !company_member_by_number(company, target) && !company_queue_by_number(company, target);
}

/* A stolen telephone must not become a toll machine. */
static bool may_forward(struct session *session, const struct message_set *set) {
    const struct company *company = tenant_company(session->tenant);
    if (!set->forward || !is_outside(company, set->forward)) return true;
    if (forward_rule_allows(company_settings(company), set->forward)) return true;
    audit_refused(session, set, set->forward);
    return false;
}

static bool check_set(struct session *session, uint32_t id, struct message_set *set) {
    const struct company *company = tenant_company(session->tenant);
    const char *self = session->attendee->user;
    int64_t now_ms = service_now_ms(session->service);
    if (set->user && strcmp(set->user, self) != 0) {
        if (permission_reach(PERMISSION_app_set, role_of(session)) != REACH_ALL) {
            refuse(session, id, LEDIG_EFORBIDDEN, "user", "your role may only set your own");
            return false;
        }
        if (!company_member(company, set->user)) {
            refuse(session, id, LEDIG_ENOT_FOUND, "user", "no such colleague");
            return false;
        }
    }
    if (set->open && set->user && strcmp(set->user, self) != 0)
        refuse(session, id, LEDIG_EFORBIDDEN, "open", "this is for the person alone to say");
    else if (!availability_can_set_status(set->status))
        refuse(session, id, LEDIG_EBAD_REQUEST, "status", "must be available, busy, dnd or away");
    else if (set->activity && !availability_can_set_activity(set->activity))
        refuse(session, id, LEDIG_EBAD_REQUEST, "activity",
               "must be a word of a-z, 0-9, . _ - and none that is derived");
    else if (set->until && set->until <= now_ms)
        refuse(session, id, LEDIG_EBAD_REQUEST, "until", "must lie ahead");
    else if (set->until > now_ms + UNTIL_AHEAD_MS_MAX)
        refuse(session, id, LEDIG_EBAD_REQUEST, "until", "must lie within ten years");
    else if (set->forward && strcmp(set->forward, set->user ? set->user : self) == 0)
        refuse(session, id, LEDIG_EBAD_REQUEST, "forward", "must be another than oneself");
    else if (set->forward && !find_forward(session, &set->forward))
        refuse(session, id, LEDIG_ENOT_FOUND, "forward",
               "must be a number such as +4722334455, a colleague or a queue");
    else if (!may_forward(session, set))
        refuse(session, id, LEDIG_EFORBIDDEN, "forward",
               "the company allows no forwards to such numbers: take a colleague, a queue, or ask its administrator");
    else
        return true;
    return false;
}

static void handle_set(struct session *session, uint32_t id, struct message_set *set) {
    if (!check_set(session, id, set)) return;
    struct request *request = request_begin(session, id, set->user ? set->user : session->attendee->user);
    if (!request) return;
    request->set = *set;
    request->set.status = request_text(request, set->status);
    request->set.activity = request_text(request, set->activity);
    request->set.note = request_text(request, set->note);
    request->set.forward = request_text(request, set->forward);
    if (set->forward && is_outside(tenant_company(session->tenant), set->forward))
        numbering_code(set->forward, request->outside);
    struct update_target targets[] = {{RECORD_STATE, request->user}, {RECORD_PROFILE, request->user}};
    size_t count = strcmp(request->actor, request->user) != 0 ? 2 : 1; /* they shall know */
    int error =
        update_start(request->service, request->company, targets, count, member_change_set, request_finish, request);
    if (error) request_finish(request, LEDIG_EUNAVAILABLE, 0);
}

/* ---- device ---- */

static void handle_device(struct session *session, uint32_t id, const struct message_device *device) {
    enum presence state;
    if (!presence_parse(device->state, &state)) {
        refuse(session, id, LEDIG_EBAD_REQUEST, "state", "must be active, idle or background");
        return;
    }
    if (!session_set_state(session, state)) {
        answer_ok(session, id);
        return;
    }
    fanout_owe(session); /* what waited for a background app is due now */
    struct request *request = request_begin(session, id, session->attendee->user);
    if (!request) return;
    int error = attendance_commit(session->attendee, request_finish, request);
    if (error) request_finish(request, LEDIG_EUNAVAILABLE, 0);
}

/* ---- follow ---- */

static void handle_follow(struct session *session, uint32_t id, const struct message_follow *follow) {
    struct filter *favourites = NULL;
    if (!follow->users.present) {
        refuse(session, id, LEDIG_EBAD_REQUEST, "users", "is missing");
        return;
    }
    struct audience *audience =
        audience_hold(session->tenant, &follow->users, &follow->queues, session->attendee->user);
    if (audience && follow->favourites.count > 0)
        favourites = filter_create(tenant_company(session->tenant), &follow->favourites, NULL, NULL);
    if (!audience || (follow->favourites.count > 0 && !favourites)) {
        audience_release(audience);
        session_error(session, id, LEDIG_EUNAVAILABLE, NULL, "out of memory", RETRY_UNAVAILABLE_MS);
        return;
    }
    session_set_audience(session, audience, favourites);
    session->cursor = 0;
    session->wants_frame = true;
    answer_ok(session, id);
    fanout_owe(session);
}

/* ---- queue ---- */

static void handle_queue(struct session *session, uint32_t id, const struct message_queue *queue) {
    const struct company *company = tenant_company(session->tenant);
    if (queue->member && !company_has_queue(company, queue->queue)) {
        refuse(session, id, LEDIG_ENOT_FOUND, "queue", "no such queue");
        return;
    }
    const struct member *self = company_member(company, session->attendee->user);
    if (queue->member && self && !profile_has_queue(member_profile(self), queue->queue)) {
        refuse(session, id, LEDIG_EFORBIDDEN, "queue", "the employer has not assigned this queue to you");
        return;
    }
    struct request *request = request_begin(session, id, session->attendee->user);
    if (!request) return;
    request->queue = *queue;
    request->queue.queue = request_text(request, queue->queue);
    request->queue.pause = queue->pause && queue->pause[0] ? request_text(request, queue->pause) : NULL;
    struct update_target targets[] = {{RECORD_PROFILE, request->user}, {RECORD_STATE, request->user}};
    int error =
        update_start(request->service, request->company, targets, 2, member_change_queue, request_finish, request);
    if (error) request_finish(request, LEDIG_EUNAVAILABLE, 0);
}

/* ---- consent ---- */

static void handle_consent(struct session *session, uint32_t id, const struct message_consent *consent) {
    const char *purpose = consent_purpose(consent->purpose);
    if (!purpose) {
        refuse(session, id, LEDIG_EBAD_REQUEST, "purpose", "must be presence, call_history, analytics or marketing");
        return;
    }
    struct request *request = request_begin(session, id, session->attendee->user);
    if (!request) return;
    request->consent.purpose = purpose;
    request->consent.granted = consent->granted;
    request->consent.text = request_text(request, consent->text);
    request->consent.language = request_text(request, consent->language);
    request->consent.device = request_text(request, session->device->id);
    struct update_target targets[] = {{RECORD_PROFILE, request->user}, {RECORD_STATE, request->user}};
    int error =
        update_start(request->service, request->company, targets, 2, member_change_consent, request_finish, request);
    if (error) request_finish(request, LEDIG_EUNAVAILABLE, 0);
}

static bool may(struct session *session, uint32_t id, enum message_type type) {
    enum permission permission = permission_of_app(type);
    if (permission_allows(permission, role_of(session))) return true;
    refuse(session, id, permission == PERMISSION_none ? LEDIG_EUNSUPPORTED : LEDIG_EFORBIDDEN, NULL, NULL);
    return false;
}

void requests_handle(struct session *session, uint32_t id, struct message *message) {
    if (!may(session, id, message->type)) return;
    switch (message->type) {
    case MESSAGE_set:
        handle_set(session, id, &message->set);
        break;
    case MESSAGE_device:
        handle_device(session, id, &message->device);
        break;
    case MESSAGE_follow:
        handle_follow(session, id, &message->follow);
        break;
    case MESSAGE_queue:
        handle_queue(session, id, &message->queue);
        break;
    case MESSAGE_ask:
        ask_answer(session, id, &message->ask);
        break;
    case MESSAGE_find:
        find_answer(session, id, &message->find);
        break;
    case MESSAGE_consent:
        handle_consent(session, id, &message->consent);
        break;
    case MESSAGE_calls:
        history_calls(session, id, &message->calls);
        break;
    case MESSAGE_usage:
        history_usage(session, id, &message->usage);
        break;
    case MESSAGE_activity:
        activity_answer(session, id, &message->activity);
        break;
    case MESSAGE_token:
        renewal_begin(session, id, &message->token);
        break;
    case MESSAGE_hello:
        session_end(session, LEDIG_EBAD_REQUEST, "hello was said already", DROP_bad_message);
        break;
    default:
        refuse(session, id, LEDIG_EUNSUPPORTED, NULL, NULL);
    }
}
