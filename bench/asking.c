#include "bench/asking.h"
#include "bench/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AHEAD_MS (48 * INT64_C(3600000)) /* return times lie beyond every run */

/* xorshift64: the same questions for the same seed. */
static uint32_t draw(struct asking *asking, uint32_t below) {
    asking->random ^= asking->random << 13;
    asking->random ^= asking->random >> 7;
    asking->random ^= asking->random << 17;
    return (uint32_t)((asking->random >> 16) % below);
}

/* ---- One answer ---- */

static const char *text_of(const json_t *document, const char *name) {
    const char *text = json_string_value(json_object_get(document, name));
    return text ? text : "";
}

static const char *action_for(const char *status) {
    if (strcmp(status, "busy") == 0) return "busy"; /* nobody here forwards calls */
    return strcmp(status, "away") == 0 || strcmp(status, "dnd") == 0 ? "unavailable" : "ring";
}

static void note_wrong(struct asking *asking, const struct question *question, const char *what) {
    if (asking->wrong++ == 0)
        snprintf(asking->what, sizeof asking->what, "bench-%05u/u%05u: %s", (unsigned)question->company,
                 (unsigned)question->person, what);
}

/* Which change it shows; SEQUENCE_NONE where it is none that was ever made. */
static int32_t sequence_in(const struct asking *asking, const struct publisher *publisher, const json_t *document) {
    int64_t until_ms = json_integer_value(json_object_get(document, "until"));
    int64_t sequence = until_ms == 0 ? 0 : until_ms - asking->first_return_ms; /* the first change has none */
    if (sequence < 0 || sequence > publisher->asked) return SEQUENCE_NONE;
    const struct status *status = &publisher->made[sequence].status;
    bool right = status->until_ms == until_ms && strcmp(status->status, text_of(document, "availability")) == 0;
    return right ? (int32_t)sequence : SEQUENCE_NONE;
}

/* What is wrong with it, or NULL. */
static const char *judge_change(struct asking *asking, const struct question *question, const json_t *document) {
    const struct assembly *company = &asking->scenario->crowd.company[question->company];
    const struct publisher *publisher = &company->publisher[question->person];
    const uint32_t number = company->on_board + question->person;
    int32_t sequence = sequence_in(asking, publisher, document);
    if (sequence == SEQUENCE_NONE) return "a state that was never set";
    if (strcmp(action_for(publisher->made[sequence].status.status), text_of(document, "action")) != 0)
        return "an action that the rule does not give";
    if (sequence < question->shown) return "it went back behind an earlier answer";
    if (sequence > asking->shown[number]) asking->shown[number] = sequence;
    if (sequence >= publisher->acknowledged) asking->settled[number] = 1;
    if (asking->phase == PLAYING && sequence < question->acknowledged) {
        int64_t late_ns = question->sent_ns - publisher->made[sequence + 1].due_ns;
        asking->behind++;
        histogram_record(&asking->behind_us, late_ns > 0 ? (uint64_t)late_ns / 1000 : 0);
    }
    return NULL;
}

static const char *judge(struct asking *asking, const struct question *question, const json_t *document) {
    const struct assembly *company = &asking->scenario->crowd.company[question->company];
    char id[EMPLOYER_ID_CHARS];
    employer_company(question->company, id);
    if (strcmp(text_of(document, "company"), id) != 0) return "another company";
    employer_person(question->person, id);
    if (strcmp(text_of(document, "user"), id) != 0) return "another person";
    int64_t version = json_integer_value(json_object_get(document, "version"));
    if (version < question->version) return "an older version than in an earlier answer";
    if (version > asking->version[question->company]) asking->version[question->company] = version;
    if (question->person < company->publishers) return judge_change(asking, question, document);
    const char *availability = text_of(document, "availability");
    if (strcmp(action_for(availability), text_of(document, "action")) != 0)
        return "an action that the rule does not give";
    /* With a broker that ran before, an earlier run may have left a state. */
    bool may_be_seen = !asking->scenario->subject.started;
    return may_be_seen || strcmp(availability, "unknown") == 0 ? NULL : "somebody who never consented is shown";
}

static void hear(void *arg, const struct question *question, const json_t *document) {
    struct asking *asking = arg;
    int64_t late_ns = clock_now_ns() - question->due_ns;
    if (asking->into) histogram_record(asking->into, late_ns > 0 ? (uint64_t)late_ns / 1000 : 0);
    if (!document && asking->phase != WARMING) asking->problems++;
    const char *wrong = document ? judge(asking, question, document) : "no answer but a problem";
    if (wrong && asking->phase != WARMING) note_wrong(asking, question, wrong);
}

/* ---- Asking ---- */

void asking_ask(struct asking *asking, uint32_t company, uint32_t person, int64_t due_ns) {
    const struct assembly *assembly = &asking->scenario->crowd.company[company];
    struct question question = {.company = company,
                                .person = person,
                                .due_ns = due_ns,
                                .acknowledged = SEQUENCE_NONE,
                                .shown = SEQUENCE_NONE,
                                .version = asking->version[company]};
    if (person < assembly->publishers) {
        question.acknowledged = assembly->publisher[person].acknowledged;
        question.shown = asking->shown[assembly->on_board + person];
    }
    router_ask(&asking->router, &question);
}

/* Anybody; every other time one of those who change. */
void asking_ask_anybody(struct asking *asking, int64_t due_ns) {
    const struct crowd *crowd = &asking->scenario->crowd;
    uint32_t company = draw(asking, crowd->options.companies);
    const struct assembly *assembly = &crowd->company[company];
    uint32_t among = draw(asking, 2) ? assembly->publishers : assembly->people;
    asking_ask(asking, company, draw(asking, among ? among : 1), due_ns);
}

int asking_change(struct asking *asking, int64_t due_ns) {
    static const char *const statuses[] = {"busy", "away", "dnd"};
    struct crowd *crowd = &asking->scenario->crowd;
    uint64_t turn = asking->changes++;
    struct assembly *company = &crowd->company[turn % crowd->options.companies];
    struct publisher *publisher = &company->publisher[(turn / crowd->options.companies) % company->publishers];
    int32_t next = publisher->asked + 1;
    const struct status status = {.status = statuses[next % 3], .until_ms = asking->first_return_ms + next};
    int error = publisher_set(publisher, &status, due_ns);
    return error == LEDIG_ENO_MEMORY ? complain(error, "out of memory") : 0; /* a lost connection is noticed */
}

uint64_t asking_unsettled(const struct asking *asking) {
    const struct crowd *crowd = &asking->scenario->crowd;
    uint64_t count = 0, publishers = crowd_publishers(crowd->options.groups, crowd->options.group_count);
    for (uint64_t i = 0; i < publishers; i++)
        if (!asking->settled[i]) count++;
    return count;
}

/* ---- Opening ---- */

int asking_open(struct asking *asking, struct scenario *scenario) {
    char token[LEDIG_TOKEN_CHARS_MAX + 1];
    uint32_t publishers = crowd_publishers(scenario->groups, scenario->group_count);
    asking->scenario = scenario;
    asking->random = scenario->plan.seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    asking->first_return_ms = clock_wall_ms() + AHEAD_MS;
    asking->shown = malloc((publishers + 1) * sizeof *asking->shown);
    asking->settled = calloc(publishers + 1, sizeof *asking->settled);
    asking->version = calloc(scenario->plan.companies, sizeof *asking->version);
    if (!asking->shown || !asking->settled || !asking->version) return complain(LEDIG_ENO_MEMORY, "out of memory");
    for (uint32_t i = 0; i < publishers; i++)
        asking->shown[i] = SEQUENCE_NONE;
    int error = employer_router_token(&scenario->employer, token);
    if (error != 0) return complain(error, "no token: %s", ledig_error_meaning(error));
    error = router_open(&asking->router, &scenario->subject.routers, token, scenario->plan.connections, hear, asking);
    if (error == 0 && crowd_heed(&scenario->crowd, asking->router.epoll) != 0)
        error = complain(LEDIG_EIO, "an epoll set cannot be watched");
    return error;
}

void asking_close(struct asking *asking) {
    router_close(&asking->router);
    free(asking->shown);
    free(asking->settled);
    free(asking->version);
}
