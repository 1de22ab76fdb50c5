#include "bench/peers/contender.h"
#include "bench/terminal.h"

#include <string.h>

#define STEP_MS 50
#define LEAD_CHANGES_MAX 15 /* under way, in a fan-out */
#define ROUND_LATE_NS 10000000000LL

/* No two of the same person; the publishers of a peer are as many as Ledig's. */
static void open_lead(struct contender *contender) {
    const struct scenario *scenario = contender->scenario;
    const uint32_t publishers = scenario->crowd.company[0].publishers;
    lead_open(&contender->lead, scenario->plan.subscribers,
              publishers <= LEAD_CHANGES_MAX ? publishers - 1 : LEAD_CHANGES_MAX);
}

/* ---- Ledig ---- */

static struct contender_count crowd_count(const struct contender *contender) {
    const struct crowd *crowd = &contender->scenario->crowd;
    return (struct contender_count){.changes = crowd->changes,
                                    .deliveries = crowd->tally.deliveries,
                                    .frames = crowd->tally.frames,
                                    .merged = crowd->tally.merged,
                                    .outstanding = crowd->undelivered,
                                    .last_delivery_ns = crowd->last_delivery_ns};
}

/* Its Redis and its router worker are part of the price, though they are on other cores. */
static int64_t crowd_cpu_ns(const struct contender *contender) {
    const struct subject *subject = &contender->scenario->subject;
    const int64_t redis_ns = subject->redis ? process_cpu_ns(subject->redis) : 0,
                  router_ns = subject->router ? process_cpu_ns(subject->router) : 0;
    return subject_cpu_ns(subject) + (redis_ns > 0 ? redis_ns : 0) + (router_ns > 0 ? router_ns : 0);
}

static bool crowd_takes_more(const struct contender *contender) {
    return contender->scenario->crowd.changes_open < CONTENDER_UNDER_WAY;
}

static int crowd_change(struct contender *contender) {
    struct assembly *company = &contender->scenario->crowd.company[0];
    if (publisher_change(&company->publisher[contender->turn++ % company->publishers], clock_now_ns()) == 0) return 0;
    return complain(LEDIG_EIO, "a change was not sent");
}

static int crowd_step(struct contender *contender, int wait_ms) {
    struct crowd *crowd = &contender->scenario->crowd;
    crowd_turn(crowd, clock_now_ns() + wait_ms * INT64_C(1000000));
    return crowd->gone > 0 ? complain(LEDIG_EIO, "a connection was lost") : 0;
}

static int crowd_rest(struct contender *contender) {
    return crowd_await(&contender->scenario->crowd, NULL);
}

static const struct contender_ways ways_of_ledig = {crowd_count,  crowd_cpu_ns, crowd_takes_more,
                                                    crowd_change, crowd_step,   crowd_rest};

void contender_be_ledig(struct contender *contender, struct scenario *scenario) {
    contender->name = "Ledig";
    contender->key = "ledig";
    contender->transport = "WebSocket";
    contender->ways = &ways_of_ledig;
    contender->scenario = scenario;
    open_lead(contender);
    snprintf(contender->version, sizeof contender->version, "%s", LEDIG_VERSION);
}

/* ---- A peer ---- */

static struct contender_count audience_count(const struct contender *contender) {
    const struct audience *audience = &contender->audience;
    return (struct contender_count){.changes = audience->changes,
                                    .deliveries = audience->deliveries,
                                    .frames = audience->receipt.frames,
                                    .merged = audience->receipt.merged,
                                    .outstanding = audience->outstanding,
                                    .last_delivery_ns = audience->last_delivery_ns};
}

static int64_t audience_cpu_ns(const struct contender *contender) {
    return process_cpu_ns(contender->audience.server.pid);
}

static bool audience_takes_more(const struct contender *contender) {
    const struct audience *audience = &contender->audience;
    return audience->outstanding <= (uint64_t)(CONTENDER_UNDER_WAY - 1) * audience->subscribers;
}

static int audience_change(struct contender *contender) {
    audience_publish(&contender->audience);
    return 0;
}

static int audience_step(struct contender *contender, int wait_ms) {
    return audience_turn(&contender->audience, wait_ms);
}

static int audience_rest(struct contender *contender) {
    return audience_await(&contender->audience, contender->scenario->crowd.options.patience_ms);
}

static const struct contender_ways ways_of_peer = {audience_count,  audience_cpu_ns, audience_takes_more,
                                                   audience_change, audience_step,   audience_rest};

int contender_be_peer(struct contender *contender, struct scenario *scenario, const struct peer *peer,
                      const char *program, size_t payload_bytes) {
    contender->name = peer->name;
    contender->key = peer->key;
    contender->transport = peer->transport;
    contender->ways = &ways_of_peer;
    contender->scenario = scenario;
    open_lead(contender);
    server_version(peer, program, contender->version);
    return audience_open(&contender->audience, peer, program, scenario->cores.server, scenario->plan.subscribers,
                         payload_bytes);
}

void contender_close(struct contender *contender) {
    audience_close(&contender->audience);
}

/* ---- Rounds ---- */

static int step_fanout(struct contender *contender) {
    const struct contender_ways *ways = contender->ways;
    const int64_t late_ns = clock_now_ns() + ROUND_LATE_NS;
    struct contender_count before = ways->look(contender), now;
    int error = ways->change(contender);
    while (error == 0 && (now = ways->look(contender)).outstanding > contender->lead.deliveries) {
        if (clock_now_ns() > late_ns) return complain(LEDIG_EIO, "%s: a round did not end", contender->name);
        error = interrupt_asked() ? complain(LEDIG_EIO, "interrupted") : ways->turn(contender, STEP_MS);
    }
    if (error == 0) lead_adjust(&contender->lead, now.frames - before.frames, now.merged - before.merged);
    return error;
}

static int step_burst(struct contender *contender) {
    const struct contender_ways *ways = contender->ways;
    while (ways->takes_more(contender)) {
        int error = ways->change(contender);
        if (error != 0) return error;
    }
    return interrupt_asked() ? complain(LEDIG_EIO, "interrupted") : ways->turn(contender, 1);
}

int contender_play(struct contender *contender, enum contender_mode mode, int64_t duration_ns,
                   struct contender_round *round) {
    const struct contender_count before = contender->ways->look(contender);
    const int64_t cpu_ns = contender->ways->cpu_ns(contender), own_ns = clock_cpu_ns(), began_ns = clock_now_ns();
    int error = 0;
    while (error == 0 && clock_now_ns() - began_ns < duration_ns)
        error = mode == CONTENDER_FANOUT ? step_fanout(contender) : step_burst(contender);
    if (error == 0) error = contender->ways->await(contender);
    if (error != 0) return error;
    const struct contender_count now = contender->ways->look(contender);
    const double deliveries = (double)(now.deliveries - before.deliveries),
                 seconds = (double)(now.last_delivery_ns - began_ns) / 1e9,
                 cpu_s = (double)(contender->ways->cpu_ns(contender) - cpu_ns) / 1e9;
    *round = (struct contender_round){deliveries / seconds, deliveries / cpu_s, cpu_s / seconds,
                                      (double)(clock_cpu_ns() - own_ns) / 1e9 / seconds};
    return 0;
}
