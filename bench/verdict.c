#include "bench/crowd.h"
#include "bench/terminal.h"

#include <stdlib.h>

static uint64_t not_answered(struct crowd *crowd) {
    return crowd->answers_open;
}

static int ask_company(struct crowd *crowd, uint32_t c) {
    struct assembly *company = &crowd->company[c];
    struct subscriber *asker = NULL;
    for (uint32_t nth = 0; nth < company->subscribers && !asker; nth++) {
        struct subscriber *subscriber = &crowd->subscriber[company->first + nth * company->stride];
        if (subscriber->stage == STAGE_LIVE && !subscriber->is_deaf) asker = subscriber;
    }
    if (!asker || company->publishers == 0) return 0;
    char(*users)[EMPLOYER_ID_CHARS] = calloc(company->publishers, sizeof *users);
    const char **at = calloc(company->publishers, sizeof *at);
    int error = users && at ? 0 : LEDIG_ENO_MEMORY;
    for (uint32_t p = 0; error == 0 && p < company->publishers; p++) {
        employer_person(p, users[p]);
        at[p] = users[p];
        company->publisher[p].known = false;
    }
    if (error == 0) {
        struct message ask = {
            .type = MESSAGE_ask,
            .ask = {.id = ASK_ID, .users = {.at = at, .count = company->publishers, .present = true}}};
        error = subscriber_say(asker, &ask);
    }
    if (error == 0) {
        company->answering = true;
        crowd->answers_open++;
    }
    free(at);
    free(users);
    return error;
}

static bool sees_the_truth(const struct crowd *crowd, const struct subscriber *subscriber) {
    const struct assembly *company = &crowd->company[subscriber->company];
    if (subscriber->stage == STAGE_ELSEWHERE) return true; /* its own process looks at it */
    if (subscriber->stage == STAGE_LEFT || subscriber->stage == STAGE_DROPPED || subscriber->number >= crowd->wanted)
        return true; /* sees nothing */
    if (subscriber->following == FOLLOWS_ITSELF) return subscriber->stage == STAGE_LIVE && subscriber->profiles == 1;
    uint32_t followed = subscriber->following == FOLLOWS_CIRCLE ? subscriber->circle : company->people;
    if (subscriber->stage != STAGE_LIVE || subscriber->profiles < followed) return false;
    for (uint32_t p = 0; p < company->publishers; p++) {
        if (!subscriber_follows(subscriber, p)) { /* of whom it is to be told nothing */
            if (subscriber->seen[p].hash != 0) return false;
            continue;
        }
        if (!company->publisher[p].known || company->publisher[p].truth.hash != subscriber->seen[p].hash) return false;
    }
    return true;
}

static void judge(const struct crowd *crowd, struct verdict *verdict) {
    *verdict = (struct verdict){0};
    for (uint32_t i = 0; i < crowd->options.subscribers; i++)
        if (!sees_the_truth(crowd, &crowd->subscriber[i])) verdict->wrong_views++;
    for (uint32_t c = 0; c < crowd->options.companies; c++)
        for (uint32_t p = 0; p < crowd->company[c].publishers; p++) {
            const struct publisher *publisher = &crowd->company[c].publisher[p];
            if (!publisher->subscriber) continue; /* as above */
            if (!publisher->known || publisher->is_false) verdict->lost++;
        }
}

int crowd_check(struct crowd *crowd, struct verdict *verdict) {
    const int64_t deadline_ns = clock_now_ns() + crowd->options.patience_ms * INT64_C(1000000);
    for (;;) {
        int error = 0;
        for (uint32_t c = 0; c < crowd->options.companies && error == 0; c++)
            error = ask_company(crowd, c);
        crowd->gone_before = crowd->gone; /* those who are gone count as wrong; the others still answer */
        if (error == 0) error = crowd_wait(crowd, NULL, crowd->answers_open, not_answered);
        if (interrupt_asked()) return complain(LEDIG_EIO, "interrupted"); /* which is nobody's wrong view */
        judge(crowd, verdict);
        bool right = verdict->wrong_views == 0 && verdict->lost == 0;
        if (right || error != 0 || crowd->gone > 0 || clock_now_ns() > deadline_ns) return 0;
        /* An answer may be newer or older than what is on its way: look again a little later. */
        for (int64_t until_ns = clock_now_ns() + 200000000; clock_now_ns() < until_ns;)
            crowd_turn(crowd, until_ns);
    }
}
