/* Waiting for a crowd: until everybody is live, has consented, follows, or has seen what was changed. */
#include "bench/crowd.h"
#include "bench/terminal.h"

#include <stdio.h>

int crowd_wait(struct crowd *crowd, const char *what, uint64_t of, uint64_t (*open)(struct crowd *)) {
    int64_t changed_ns = clock_now_ns();
    uint64_t left, before = UINT64_MAX;
    while ((left = open(crowd)) > 0) {
        if (what) progress_show(what, of > left ? of - left : 0, of);
        if (left != before) changed_ns = clock_now_ns();
        before = left;
        if (interrupt_asked()) return LEDIG_EIO;
        if (crowd->out_of_memory) return complain(LEDIG_ENO_MEMORY, "out of memory");
        if (crowd->gone > crowd->gone_before) return LEDIG_EIO;
        int64_t late_ns = clock_now_ns() - changed_ns;
        if (late_ns > crowd->options.patience_ms * INT64_C(1000000)) return LEDIG_EUNAVAILABLE;
        crowd_turn(crowd, INT64_MAX);
    }
    if (what) progress_end();
    return 0;
}

/* Only where there is but one process does a crowd grow in steps. */
static uint32_t wanted_here(const struct crowd *crowd) {
    return crowd->wanted < crowd->options.subscribers ? crowd->wanted : crowd->held;
}

static uint64_t not_live(struct crowd *crowd) {
    return wanted_here(crowd) - (crowd->live + crowd->dropped - crowd->adopted);
}

/* Whether it has seen what is acknowledged of everybody. */
static bool is_up_to_date(const struct crowd *crowd, const struct subscriber *subscriber) {
    const struct assembly *company = &crowd->company[subscriber->company];
    if (subscriber->stage != STAGE_LIVE || subscriber->is_aside || subscriber->following != FOLLOWS_ALL) return true;
    for (uint32_t p = 0; p < company->publishers; p++) {
        const struct publisher *publisher = &company->publisher[p];
        int32_t acknowledged = publisher->subscriber
                                   ? publisher->acknowledged
                                   : board_acknowledged(crowd->options.share.board, company->on_board + p);
        if (subscriber->seen[p].sequence < acknowledged) return false;
    }
    return true;
}

/* Who is up to date stays so, as long as nobody changes anything. */
static uint64_t not_up_to_date(struct crowd *crowd) {
    while (crowd->caught_up < crowd->options.subscribers && is_up_to_date(crowd, &crowd->subscriber[crowd->caught_up]))
        crowd->caught_up++;
    return crowd->options.subscribers - crowd->caught_up;
}

int crowd_catch_up(struct crowd *crowd) {
    crowd->caught_up = 0;
    return crowd_wait(crowd, NULL, 0, not_up_to_date);
}

static uint64_t under_way(struct crowd *crowd) {
    return crowd->undelivered + crowd->changes_open;
}

static uint64_t not_followed(struct crowd *crowd) {
    return crowd->follows_open;
}

/* Publishers by number: companies in turn. NULL where the company has not that many, or not here. */
static struct publisher *publisher_at(struct crowd *crowd, uint64_t number) {
    struct assembly *company = &crowd->company[number % crowd->options.companies];
    uint64_t nth = number / crowd->options.companies;
    return nth < company->publishers && company->publisher[nth].subscriber ? &company->publisher[nth] : NULL;
}

static uint64_t publisher_numbers(const struct crowd *crowd) {
    uint64_t most = 0;
    for (uint32_t c = 0; c < crowd->options.companies; c++)
        if (crowd->company[c].publishers > most) most = crowd->company[c].publishers;
    return crowd->options.companies * most;
}

/* Several processes have them together. */
static uint32_t requests_at_once(const struct crowd *crowd) {
    uint32_t processes = crowd->options.share.processes;
    return processes < 2 ? CROWD_REQUESTS_AT_ONCE : (CROWD_REQUESTS_AT_ONCE + processes - 1) / processes;
}

static uint64_t not_consented(struct crowd *crowd) {
    while (crowd->consents_open < requests_at_once(crowd) && crowd->next_to_ask < publisher_numbers(crowd)) {
        struct publisher *publisher = publisher_at(crowd, crowd->next_to_ask++);
        if (publisher && publisher_consent(publisher) == 0) crowd->consents_open++;
    }
    return publisher_numbers(crowd) - crowd->next_to_ask + crowd->consents_open;
}

static uint64_t not_changed(struct crowd *crowd) {
    while (crowd->changes_open < requests_at_once(crowd) && crowd->next_to_ask < publisher_numbers(crowd)) {
        struct publisher *publisher = publisher_at(crowd, crowd->next_to_ask++);
        if (publisher) (void)publisher_change(publisher, clock_now_ns()); /* a lost connection is noticed by the loop */
    }
    return publisher_numbers(crowd) - crowd->next_to_ask + under_way(crowd);
}

/* Why a set-up failed, in one line. */
static int explain(struct crowd *crowd, int error, const char *what) {
    if (interrupt_asked()) return complain(error, "interrupted");
    unsigned code = 0;
    for (uint32_t i = 0; i < crowd->options.subscribers; i++) /* of those elsewhere it is 0 */
        if (crowd->subscriber[i].websocket.close_code) code = crowd->subscriber[i].websocket.close_code;
    if (crowd->gone > 0 && code == 0 && !crowd->refusal[0])
        return complain(error, "%s: %u connections to %s%s failed or broke off without a word; is that a broker?", what,
                        (unsigned)crowd->gone, crowd->options.subject->apps.host, crowd->options.subject->apps.path);
    if (crowd->gone > 0)
        return complain(error, "%s: the broker at %s closed %u connections (code %u%s%s)", what,
                        crowd->options.subject->apps.host, (unsigned)crowd->gone, code, crowd->refusal[0] ? ", " : "",
                        crowd->refusal);
    return complain(error, "%s: no progress for %g s, with %u of %u connections live%s%s", what,
                    crowd->options.patience_ms / 1000.0, (unsigned)(crowd->live - crowd->adopted),
                    (unsigned)crowd->held, crowd->refusal[0] ? "; the last error was " : "", crowd->refusal);
}

int crowd_refollow(struct crowd *crowd, uint32_t followers) {
    for (uint32_t i = 0; i < crowd->wanted; i++) {
        struct subscriber *subscriber = &crowd->subscriber[i];
        enum following following = i < followers ? FOLLOWS_ALL : FOLLOWS_ITSELF;
        if (subscriber->stage != STAGE_LIVE || subscriber->following == following) continue;
        crowd_set_aside(crowd, subscriber, following == FOLLOWS_ITSELF);
        if (subscriber_follow(subscriber, following) != 0) return complain(LEDIG_EIO, "following was not asked for");
        if (i % 64 == 0) crowd_turn(crowd, 0);
    }
    int error = crowd_wait(crowd, NULL, 0, not_followed);
    return error == 0 ? 0 : explain(crowd, error, "following");
}

int crowd_connect(struct crowd *crowd) {
    int error = crowd_wait(crowd, "connecting", wanted_here(crowd), not_live);
    return error == 0 ? 0 : explain(crowd, error, "connecting");
}

int crowd_await(struct crowd *crowd, const char *what) {
    int error = crowd_wait(crowd, what, under_way(crowd), under_way);
    return error == 0 ? 0 : explain(crowd, error, what);
}

int crowd_consent(struct crowd *crowd) {
    const uint64_t numbers = publisher_numbers(crowd);
    crowd->next_to_ask = 0;
    int error = crowd_wait(crowd, "consenting", numbers, not_consented);
    if (error != 0) return explain(crowd, error, "consenting");
    for (uint64_t i = 0; i < numbers; i++) {
        struct publisher *publisher = publisher_at(crowd, i);
        if (publisher && !publisher->consented)
            return complain(LEDIG_EFORBIDDEN, "the broker refused a consent: %s", crowd->refusal);
    }
    crowd->next_to_ask = 0;
    error = crowd_wait(crowd, "the first changes", numbers, not_changed);
    if (error == 0 && crowd->refused > 0)
        return complain(LEDIG_EIO, "the broker refused a first change: %s", crowd->refusal);
    return error == 0 ? 0 : explain(crowd, error, "the first changes");
}
