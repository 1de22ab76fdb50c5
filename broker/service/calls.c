#include "broker/service/calls.h"
#include "broker/service/call_change.h"
#include "broker/service/dial_plan.h"
#include "broker/service/http_problem.h"
#include "broker/service/routers.h"
#include "broker/service/tenant.h"

#include <stdlib.h>
#include <string.h>

#define TRIES_MAX 8 /* each finds somebody whom another event has put on the call meanwhile */
#define USERS_MAX (2 * CALL_LEGS_MAX)

struct report {
    struct service *service;
    struct tenant *tenant;          /* held */
    struct http_exchange *exchange; /* NULL: nobody waits for an answer */
    struct call_event event;
    struct call_change change;
    unsigned tries;
    char subject[LEDIG_ID_CHARS_MAX + 1];
    char router[LEDIG_ID_CHARS_MAX + 1];           /* its lease */
    char users[USERS_MAX][LEDIG_ID_CHARS_MAX + 1]; /* who is on the call, and who was */
    const char *user_list[USERS_MAX];
    char call[];
};

static void end(struct report *report) {
    tenant_release(report->tenant);
    call_event_free(&report->event);
    free(report);
}

static void refuse(struct report *report, int error, const char *field, const char *why) {
    if (report->exchange) http_problem(report->exchange, error, field, why);
    end(report);
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
    const struct company *company = tenant_company(report->tenant);
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
    const struct call_record *call = company_call(tenant_company(report->tenant), report->call);
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
    if (report->exchange)
        http_answer_json(report->exchange, 200,
                         json_pack("{s:s,s:I}", "call", report->call, "version", (json_int_t)version));
    end(report);
}

static int apply(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct report *report = arg;
    return call_change_apply(&report->change, entities, count, arena);
}

static void commit(struct report *report) {
    struct update_target targets[1 + USERS_MAX] = {{RECORD_CALL, report->call}};
    for (size_t i = 0; i < report->change.user_count; i++)
        targets[1 + i] = (struct update_target){RECORD_STATE, report->user_list[i]};
    report->change.now_ms = service_now_ms(report->service);
    report->change.leases = report->service->leases;
    if (update_start(report->service, tenant_id(report->tenant), targets, 1 + report->change.user_count, apply, on_done,
                     report) != 0)
        refuse(report, LEDIG_EUNAVAILABLE, NULL, "out of memory");
}

/* ---- The request ---- */

static void go_on(void *arg, int error) {
    struct report *report = arg;
    const struct company *company = tenant_company(report->tenant);
    if (error && !tenant_is_ready(report->tenant)) {
        refuse(report, LEDIG_EUNAVAILABLE, NULL, NULL);
        return;
    }
    if (!tenant_exists(report->tenant)) {
        refuse(report, LEDIG_ENOT_FOUND, NULL, "no such company");
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
    if (report->change.is_lost && call && call->router) { /* what it hung on stays as it was */
        snprintf(report->router, sizeof report->router, "%s", call->router);
        report->change.router = report->router;
    }
    if (!record && call && call->queue) record = company_queue(company, call->queue);
    report->change.wrap_up_ms = record ? record->wrap_up_ms : 0;
    add_former(report);
    commit(report);
}

static void wait_for_company(struct report *report) {
    if (tenant_is_ready(report->tenant))
        go_on(report, 0);
    else if (tenant_when_ready(report->tenant, false, go_on, report) != 0)
        refuse(report, LEDIG_EUNAVAILABLE, NULL, "out of memory");
}

static void on_router(void *arg, int error, const char *lease) {
    struct report *report = arg;
    if (error == LEDIG_ELEASE_ENDED) {
        routers_answer_gone(report->exchange);
        end(report);
        return;
    }
    if (error) {
        refuse(report, error, NULL, NULL);
        return;
    }
    snprintf(report->router, sizeof report->router, "%s", lease);
    report->change.router = report->router;
    wait_for_company(report);
}

static void begin(struct report *report) {
    if (report->event.router)
        routers_keep(report->service, report->subject, report->event.router, on_router, report);
    else
        wait_for_company(report);
}

static bool take_event(struct report *report, const struct http_request *request) {
    const char *field, *why;
    int64_t now_ms = service_now_ms(report->service);
    int error = call_event_read(request->body, request->length, now_ms, &report->event, &field, &why);
    if (error) {
        http_problem(report->exchange, error, field, why);
        return false;
    }
    report->change = (struct call_change){.event = &report->event,
                                          .call = report->call,
                                          .at_ms = report->event.at_ms ? report->event.at_ms : now_ms,
                                          .users = report->user_list};
    return true;
}

/* NULL when out of memory. */
static struct report *report_create(struct service *service, const char *company, const char *call) {
    struct report *report = calloc(1, sizeof *report + strlen(call) + 1);
    if (!report) return NULL;
    strcpy(report->call, call);
    report->service = service;
    report->tenant = tenant_hold(service, company);
    if (report->tenant) return report;
    free(report);
    return NULL;
}

void calls_report(struct service *service, const char *subject, const char *company, const char *call,
                  struct http_exchange *exchange, const struct http_request *request) {
    struct report *report = report_create(service, company, call);
    if (!report) {
        http_problem(exchange, LEDIG_EUNAVAILABLE, NULL, "out of memory");
        return;
    }
    report->exchange = exchange;
    snprintf(report->subject, sizeof report->subject, "%s", subject);
    if (take_event(report, request))
        begin(report);
    else
        end(report);
}

void calls_end(struct service *service, const char *company, const char *call) {
    struct report *report = report_create(service, company, call);
    if (!report) return; /* the next heartbeat ends it */
    int64_t now_ms = service_now_ms(service);
    report->event.ended = true;
    report->change = (struct call_change){
        .event = &report->event, .call = report->call, .at_ms = now_ms, .is_lost = true, .users = report->user_list};
    begin(report);
}
