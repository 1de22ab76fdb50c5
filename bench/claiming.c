#include "bench/claiming.h"
#include "bench/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEASE_MS 60000 /* longer than any call here */

/* ---- What is asked ---- */

static void name_call(const struct claiming *claiming, uint32_t number, char call[static 32]) {
    snprintf(call, 32, "%s-%u-%u", claiming->scenario->crowd.run, (unsigned)number,
             (unsigned)claiming->desk[number].call);
}

static int compose(const struct router *router, const struct question *question, char *request, size_t size) {
    const struct claiming *claiming = router->arg;
    const struct desk *desk = &claiming->desk[question->desk];
    char company[EMPLOYER_ID_CHARS], user[EMPLOYER_ID_CHARS], call[32], body[192] = "", line[192], field[40] = "";
    employer_company(desk->company, company);
    employer_person(desk->agent, user);
    name_call(claiming, question->desk, call);
    switch (desk->step) {
    case STEP_CLAIM:
        snprintf(line, sizeof line, "POST /v1/companies/%s/queues/" SCENARIO_QUEUE "/claims", company);
        snprintf(body, sizeof body, "{\"call\":\"%s\",\"lease_ms\":%d,\"strategy\":\"round_robin\"}", call, LEASE_MS);
        break;
    case STEP_GIVE_BACK:
        snprintf(line, sizeof line, "DELETE /v1/companies/%s/claims/%s", company, call);
        break;
    case STEP_ANSWER:
        snprintf(line, sizeof line, "PUT /v1/companies/%s/calls/%s", company, call);
        snprintf(body, sizeof body, "{\"seq\":1,\"queue\":\"%s\",\"legs\":[{\"user\":\"%s\",\"state\":\"active\"}]}",
                 SCENARIO_QUEUE, user);
        break;
    case STEP_END:
        snprintf(line, sizeof line, "PUT /v1/companies/%s/calls/%s", company, call);
        snprintf(body, sizeof body, "{\"seq\":2,\"queue\":\"%s\",\"state\":\"ended\"}", SCENARIO_QUEUE);
        break;
    }
    if (body[0]) snprintf(field, sizeof field, "Content-Length: %zu\r\n", strlen(body));
    int length = snprintf(request, size,
                          "%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n%s"
                          "\r\n%s",
                          line, router->endpoint->host, router->token, field, body);
    return length >= 0 && (size_t)length < size ? length : LEDIG_ETOO_LARGE;
}

static void ask(struct claiming *claiming, uint32_t number) {
    struct desk *desk = &claiming->desk[number];
    if (desk->step == STEP_CLAIM) desk->began_ns = clock_now_ns();
    router_ask(&claiming->router,
               &(struct question){.company = desk->company, .desk = number, .due_ns = desk->began_ns});
}

/* ---- What is answered ---- */

static void note_wrong(struct claiming *claiming, const struct desk *desk, const char *what) {
    if (claiming->wrong++ == 0)
        snprintf(claiming->what, sizeof claiming->what, "bench-%05u/u%05u: %s", (unsigned)desk->company,
                 (unsigned)desk->agent, what);
}

static uint8_t *place_of(const struct claiming *claiming, const struct desk *desk) {
    return &claiming->engaged[(size_t)desk->company * CROWD_PEOPLE_MAX + desk->agent];
}

/* What is wrong with a claim, or NULL. */
static const char *take_claim(struct claiming *claiming, struct desk *desk, const json_t *document) {
    const json_t *claims = json_object_get(document, "claims");
    const char *user = json_string_value(json_object_get(json_array_get(claims, 0), "user"));
    unsigned agent;
    if (json_array_size(claims) != 1 || !user || sscanf(user, "u%u", &agent) != 1) return "no single agent was claimed";
    desk->agent = agent;
    if (agent >= claiming->scenario->crowd.company[desk->company].people) return "an agent whom nobody knows";
    if (*place_of(claiming, desk)) return "an agent who has another call";
    *place_of(claiming, desk) = 1;
    return NULL;
}

/* From the claim: given back by every other desk, answered and ended by the others. The agent may have another call as
 * soon as the broker hears of the end, so before it is sent here. */
static void take_next_step(struct claiming *claiming, uint32_t number) {
    struct desk *desk = &claiming->desk[number];
    switch (desk->step) {
    case STEP_CLAIM:
        desk->step = number % 2 ? STEP_ANSWER : STEP_GIVE_BACK;
        break;
    case STEP_ANSWER:
        desk->step = STEP_END;
        break;
    case STEP_GIVE_BACK:
    case STEP_END:
        desk->step = STEP_CLAIM;
        desk->call++;
        break;
    }
    if (desk->step == STEP_GIVE_BACK || desk->step == STEP_END) *place_of(claiming, desk) = 0;
}

static void hear(void *arg, const struct question *question, const json_t *document) {
    struct claiming *claiming = arg;
    struct desk *desk = &claiming->desk[question->desk];
    const int status = claiming->router.status;
    bool done = status == 200 || status == 201 || (status == 204 && desk->step == STEP_GIVE_BACK);
    const char *wrong = NULL;
    if (done && desk->step == STEP_CLAIM) {
        histogram_record(&claiming->latency_us, (uint64_t)(clock_now_ns() - desk->began_ns) / 1000);
        claiming->claims++;
        wrong = take_claim(claiming, desk, document);
    } else if (!done && status == 409 && desk->step == STEP_CLAIM) {
        claiming->nobody++;
    } else if (!done) {
        claiming->problems++;
        if (claiming->problems == 1) complain(0, "a router was answered %d at step %d", status, (int)desk->step);
    }
    if (wrong) note_wrong(claiming, desk, wrong);
    if (done) {
        claiming->commits++;
        take_next_step(claiming, question->desk);
    }
    if (!claiming->pauses && (desk->step != STEP_CLAIM || claiming->goes_on)) ask(claiming, question->desk);
}

/* ---- At work ---- */

static int turn(struct claiming *claiming, int64_t until_ns, int64_t *moved_ns, uint64_t *answered) {
    struct scenario *scenario = claiming->scenario;
    crowd_turn(&scenario->crowd, until_ns);
    router_turn(&claiming->router);
    int64_t now_ns = clock_now_ns();
    if (claiming->router.answered != *answered) *moved_ns = now_ns;
    *answered = claiming->router.answered;
    if (interrupt_asked()) return complain(LEDIG_EIO, "interrupted");
    if (claiming->router.cut_off > 0 || scenario->crowd.gone > 0) return complain(LEDIG_EIO, "a connection was lost");
    if (now_ns - *moved_ns > (int64_t)(scenario->plan.patience_s * 1e9))
        return complain(LEDIG_EUNAVAILABLE, "the router worker at %s does not answer any more",
                        claiming->router.endpoint->host);
    return 0;
}

static int wait_for_all(struct claiming *claiming, int64_t ends_ns) {
    int64_t moved_ns = clock_now_ns();
    uint64_t answered = claiming->router.answered;
    int error = 0;
    while (!error && router_open_questions(&claiming->router) > 0) {
        if (clock_now_ns() >= ends_ns) claiming->goes_on = false;
        error = turn(claiming, claiming->goes_on ? ends_ns : INT64_MAX, &moved_ns, &answered);
    }
    return error;
}

int claiming_play(struct claiming *claiming, int64_t duration_ns) {
    claiming->goes_on = true;
    for (uint32_t i = 0; i < claiming->router.lines; i++)
        ask(claiming, i);
    return wait_for_all(claiming, clock_now_ns() + duration_ns);
}

int claiming_begin(struct claiming *claiming, char call[static 32], char user[static EMPLOYER_ID_CHARS]) {
    name_call(claiming, 0, call);
    claiming->pauses = true;
    ask(claiming, 0);
    int error = wait_for_all(claiming, 0);
    claiming->pauses = false;
    employer_person(claiming->desk[0].agent, user);
    if (!error && claiming->claims == 0) return complain(LEDIG_EIO, "no agent could be claimed");
    return error;
}

/* ---- All free again? ---- */

struct settling {
    const struct claiming *claiming;
    uint64_t engaged;
};

static int ask_queue(const struct router *router, const struct question *question, char *request, size_t size) {
    char company[EMPLOYER_ID_CHARS];
    employer_company(question->company, company);
    int length =
        snprintf(request, size,
                 "GET /v1/companies/%s/queues/" SCENARIO_QUEUE " HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"
                 "\r\n",
                 company, router->endpoint->host, router->token);
    return length >= 0 && (size_t)length < size ? length : LEDIG_ETOO_LARGE;
}

static void hear_queue(void *arg, const struct question *question, const json_t *document) {
    struct settling *settling = arg;
    uint32_t people = settling->claiming->scenario->crowd.company[question->company].people;
    int64_t free = json_integer_value(json_object_get(document, "free"));
    settling->engaged += free < people ? (uint64_t)(people - free) : 0;
}

int claiming_settle(struct claiming *claiming) {
    struct router *router = &claiming->router;
    struct settling settling = {.claiming = claiming};
    const int64_t deadline_ns = clock_now_ns() + (int64_t)(claiming->scenario->plan.patience_s * 1e9);
    int error = 0;
    router->compose = ask_queue;
    router->answer = hear_queue;
    router->arg = &settling;
    do {
        settling.engaged = 0;
        for (uint32_t c = 0; !error && c < claiming->scenario->plan.companies; c++) {
            router_ask(router, &(struct question){.company = c});
            error = wait_for_all(claiming, 0);
        }
    } while (!error && settling.engaged > 0 && clock_now_ns() < deadline_ns);
    if (!error && settling.engaged > 0) {
        claiming->wrong += settling.engaged;
        snprintf(claiming->what, sizeof claiming->what, "%llu agents stay engaged when all calls are over",
                 (unsigned long long)settling.engaged);
    }
    return error;
}

/* ---- Opening ---- */

int claiming_open(struct claiming *claiming, struct scenario *scenario) {
    char token[LEDIG_TOKEN_CHARS_MAX + 1];
    const struct plan *plan = &scenario->plan;
    claiming->scenario = scenario;
    claiming->desk = calloc(plan->connections, sizeof *claiming->desk);
    claiming->engaged = calloc(plan->companies, CROWD_PEOPLE_MAX);
    if (!claiming->desk || !claiming->engaged) return complain(LEDIG_ENO_MEMORY, "out of memory");
    for (uint32_t i = 0; i < plan->connections; i++)
        claiming->desk[i].company = i % plan->companies;
    int error = employer_router_token(&scenario->employer, token);
    if (error) return complain(error, "no token: %s", ledig_error_meaning(error));
    error = router_open(&claiming->router, &scenario->subject.routers, token, plan->connections, hear, claiming);
    if (error) return error;
    claiming->router.compose = compose;
    return crowd_heed(&scenario->crowd, claiming->router.epoll) ? complain(LEDIG_EIO, "no epoll set") : 0;
}

void claiming_close(struct claiming *claiming) {
    router_close(&claiming->router);
    free(claiming->desk);
    free(claiming->engaged);
}
