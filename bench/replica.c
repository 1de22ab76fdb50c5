#include "bench/replica.h"
#include "bench/router.h"
#include "bench/terminal.h"

#include <math.h>

#define ROUNDS 3 /* the second question loads a company, the third finds it loaded */
#define LOOK_NS 100000000
#define STILL_LOOKS 3 /* equal readings, one after the other */
#define STILL_NS 5000000000LL

struct heard {
    uint64_t answers;
};

static void hear(void *arg, const struct question *question, const json_t *document) {
    struct heard *heard = arg;
    (void)question;
    if (document) heard->answers++;
}

/* 0, or an error after a complaint. */
static int ask_each(struct scenario *scenario, struct router *router) {
    const int64_t deadline_ns = clock_now_ns() + (int64_t)(scenario->plan.patience_s * 1e9);
    for (uint32_t c = 0; c < scenario->crowd.options.companies;) {
        if (interrupt_asked()) return complain(LEDIG_EIO, "interrupted");
        if (router_can_ask(router))
            router_ask(router, &(struct question){.company = c++});
        else
            crowd_turn(&scenario->crowd, clock_now_ns() + 1000000);
        router_turn(router);
        if (router->cut_off > 0 || clock_now_ns() > deadline_ns)
            return complain(LEDIG_EIO, "the router worker does not answer");
    }
    while (router_open_questions(router) > 0 && router->cut_off == 0 && clock_now_ns() < deadline_ns) {
        crowd_turn(&scenario->crowd, clock_now_ns() + 1000000);
        router_turn(router);
    }
    return 0;
}

/* Resident memory once it stands still. */
static int64_t settled_rss_bytes(struct scenario *scenario) {
    const int64_t began_ns = clock_now_ns();
    int64_t before = -1, look_ns = began_ns;
    for (int still = 0; still < STILL_LOOKS && clock_now_ns() - began_ns < STILL_NS;) {
        crowd_turn(&scenario->crowd, look_ns);
        if (clock_now_ns() < look_ns) continue;
        look_ns += LOOK_NS;
        int64_t rss = process_rss_bytes(scenario->subject.router);
        still = rss == before ? still + 1 : 0;
        before = rss;
    }
    return before;
}

int replica_measure(struct scenario *scenario, int64_t *bytes) {
    char token[LEDIG_TOKEN_CHARS_MAX + 1];
    struct router router = {.epoll = -1};
    struct heard heard = {0};
    int error = employer_router_token(&scenario->employer, token);
    if (error != 0) return complain(error, "no token: %s", ledig_error_meaning(error));
    error = subject_renew_router(&scenario->subject);
    int64_t before = error == 0 ? settled_rss_bytes(scenario) : -1;
    if (error == 0) error = router_open(&router, &scenario->subject.routers, token, 1, hear, &heard);
    for (int i = 0; i < ROUNDS && error == 0; i++)
        error = ask_each(scenario, &router);
    if (error == 0 && heard.answers != (uint64_t)ROUNDS * scenario->crowd.options.companies)
        error = complain(LEDIG_EIO, "the router worker knows nothing of some companies");
    if (error == 0) *bytes = settled_rss_bytes(scenario) - before;
    router_close(&router);
    return error;
}

double replica_expected(const struct group *groups, size_t count, uint32_t workers) {
    double sum = 0;
    for (size_t g = 0; g < count; g++) {
        double connections = (double)groups[g].subscribers / groups[g].companies;
        sum += groups[g].companies * workers * (1 - pow(1 - 1.0 / workers, connections));
    }
    return sum;
}
