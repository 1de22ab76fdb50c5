#include "broker/service/calls.h"
#include "broker/service/call_change.h"
#include "broker/service/dial_plan.h"
#include "broker/service/footing.h"
#include "broker/service/tenant.h"

#include <stdlib.h>
#include <string.h>

#define TRIES_MAX 8 /* each finds somebody whom another event has put on the call meanwhile */
#define USERS_MAX (2 * CALL_LEGS_MAX)

struct report {
    struct footing footing;
    struct arena *arena; /* of the event's texts; owned */
    struct call_event event;
    struct call_change change;
    calls_done done; /* NULL: nobody waits for an answer */
    void *arg;
    unsigned tries;
    char router[LEDIG_ID_CHARS_MAX + 1];           /* its lease */
    char users[USERS_MAX][LEDIG_ID_CHARS_MAX + 1]; /* who is on the call, and who was */
    const char *user_list[USERS_MAX];
    char call[];
};

static void end(struct report *report) {
    footing_leave(&report->footing);
    arena_free(report->arena);
    free(report);
}

static void answer_fault(struct report *report, const struct fault *fault) {
    if (report->done) report->done(report->arg, fault, 0);
    end(report);
}

static void refuse(struct report *report, int error, const char *field, const char *why) {
    struct fault fault = {.error = error, .field = field, .why = why};
    answer_fault(report, &fault);
}

/* ---- Who is concerned? ---- */

static void add_user(struct report *report, const char *user) {
    struct call_change *change = &report->change;
    for (size_t i = 0; i < change->user_count; i++)
        if (strcmp(report->users[i], user) == 0) return;
    if (change->user_count == USERS_MAX) return; /* cannot be: a call has no more legs, before and after */
    report->user_list[change->user_count] = strcpy(report->users[change->user_count], user);
    change->user_count++;
}

/* Names those whom the router named by number; false after an answer. */
static bool find_people(struct report *report) {
    const struct company *company = tenant_company(report->footing.tenant);
    if (!call_event_complete(&report->event, dial_plan_of(company))) {
        refuse(report, LEDIG_EBAD_REQUEST, "number", CALL_EVENT_NO_NUMBER);
        return false;
    }
    for (size_t i = 0; i < report->event.leg_count; i++) {
        struct call_event_leg *leg = &report->event.legs[i];
        const struct member *member =
            leg->user ? company_member(company, leg->user) : company_member_by_number(company, leg->number);
        if (leg->user && !member) {
            refuse(report, LEDIG_ENOT_FOUND, "user", "no such person in this company");
            return false;
        }
        if (!member) continue; /* somebody outside */
        for (size_t j = 0; j < i; j++)
            if (report->event.legs[j].user && strcmp(report->event.legs[j].user, member_user(member)) == 0) {
                refuse(report, LEDIG_EBAD_REQUEST, "legs", "names somebody twice");
                return false;
            }
        add_user(report, member_user(member));
        leg->user = report->users[report->change.user_count - 1];
    }
    return true;
}

static void add_former(struct report *report) {
    const struct call_record *call = company_call(tenant_company(report->footing.tenant), report->call);
    const struct leg *legs = call ? call->legs.at : NULL;
    for (uint32_t i = 0; call && i < call->legs.count; i++)
        add_user(report, legs[i].user);
}

/* ---- The commit ---- */

static void commit(struct report *report);

static void on_done(void *arg, int error, uint64_t version) {
    struct report *report = arg;
    if (error == LEDIG_EMOVED_ON && ++report->tries < TRIES_MAX) {
        for (size_t i = 0; i < report->change.others.count; i++)
            add_user(report, report->change.others.users[i]);
        commit(report);
        return;
    }
    if (error == LEDIG_EMOVED_ON) error = LEDIG_EUNAVAILABLE;
    if (error) {
        refuse(report, error, NULL, NULL);
        return;
    }
    if (report->done) report->done(report->arg, NULL, version);
    end(report);
}

static int apply(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct report *report = arg;
    return call_change_apply(&report->change, entities, count, arena);
}

static void commit(struct report *report) {
    struct service *service = report->footing.service;
    struct update_target targets[1 + 2 * USERS_MAX] = {{RECORD_CALL, report->call}};
    size_t count = report->change.user_count;
    for (size_t i = 0; i < count; i++) {
        targets[1 + i] = (struct update_target){RECORD_STATE, report->user_list[i]};
        targets[1 + count + i] = (struct update_target){RECORD_PROFILE, report->user_list[i]};
    }
    report->change.now_ms = service_now_ms(service);
    report->change.leases = service->leases;
    report->change.day = company_day(tenant_company(report->footing.tenant), report->change.at_ms);
    if (update_start(service, tenant_id(report->footing.tenant), targets, 1 + 2 * count, apply, on_done, report) != 0)
        refuse(report, LEDIG_EUNAVAILABLE, NULL, "out of memory");
}

/* ---- The request ---- */

static void keep_router(struct report *report, const char *lease) {
    snprintf(report->router, sizeof report->router, "%s", lease);
    report->change.router = report->router;
}

static void go_on(void *arg, const struct fault *fault) {
    struct report *report = arg;
    const struct company *company = tenant_company(report->footing.tenant);
    if (fault) {
        answer_fault(report, fault);
        return;
    }
    if (!find_people(report)) return;
    const char *queue = report->event.queue;
    const struct queue_record *record = queue ? company_queue(company, queue) : NULL;
    if (queue && !record) {
        refuse(report, LEDIG_ENOT_FOUND, "queue", "no such queue in this company");
        return;
    }
    const struct call_record *call = company_call(company, report->call);
    if (call) report->change.heard_at = call->event_at;
    if (report->footing.router[0]) keep_router(report, report->footing.router);
    if (report->change.is_lost && call && call->router) keep_router(report, call->router); /* stays as it was */
    if (!record && call && call->queue) record = company_queue(company, call->queue);
    report->change.wrap_up_ms = record ? record->wrap_up_ms : 0;
    add_former(report);
    commit(report);
}

/* NULL when out of memory. */
static struct report *report_create(struct service *service, const char *company, const char *call) {
    struct report *report = calloc(1, sizeof *report + strlen(call) + 1);
    if (!report) return NULL;
    strcpy(report->call, call);
    report->arena = arena_create();
    if (report->arena && footing_take(&report->footing, service, company) == 0) return report;
    arena_free(report->arena);
    free(report);
    return NULL;
}

static bool keep_text(struct arena *arena, const char **text) {
    if (!*text) return true;
    *text = arena_text(arena, *text, strlen(*text));
    return *text != NULL;
}

/* The texts of the event are lent for the request only. */
static bool keep_event(struct report *report, const struct call_event *from) {
    struct call_event *event = &report->event;
    *event = *from;
    event->router = NULL; /* its lease says it from here on */
    for (size_t i = 0; i < event->leg_count; i++)
        if (!keep_text(report->arena, &event->legs[i].user)) return false;
    return keep_text(report->arena, &event->direction) && keep_text(report->arena, &event->peer) &&
           keep_text(report->arena, &event->queue);
}

void calls_report(struct service *service, const char *subject, const char *company, const char *call,
                  const struct call_event *event, calls_done done, void *arg) {
    static const struct fault no_memory = {.error = LEDIG_EUNAVAILABLE, .why = "out of memory"};
    struct report *report = report_create(service, company, call);
    if (!report) {
        done(arg, &no_memory, 0);
        return;
    }
    report->done = done;
    report->arg = arg;
    if (!keep_event(report, event)) {
        answer_fault(report, &no_memory);
        return;
    }
    report->change = (struct call_change){.event = &report->event,
                                          .call = report->call,
                                          .at_ms = event->at_ms ? event->at_ms : service_now_ms(service),
                                          .users = report->user_list};
    footing_settle(&report->footing, subject, event->router, go_on, report);
}

void calls_end(struct service *service, const char *company, const char *call) {
    struct report *report = report_create(service, company, call);
    if (!report) return; /* the next heartbeat ends it */
    int64_t now_ms = service_now_ms(service);
    report->event.ended = true;
    report->change = (struct call_change){
        .event = &report->event, .call = report->call, .at_ms = now_ms, .is_lost = true, .users = report->user_list};
    footing_settle(&report->footing, NULL, NULL, go_on, report);
}
