/* The routers' port and nginx with a fixed body of the same size, under the same wrk, in rounds that take turns: both
 * servers on the first core, wrk on the second. Where nginx or wrk is not installed, that is said, and there is no
 * figure. */
#ifndef LEDIG_BENCH_AGAINST_NGINX_H
#define LEDIG_BENCH_AGAINST_NGINX_H

#include "bench/peers/server.h"
#include "bench/rounds.h"
#include "bench/router.h"
#include "bench/scenario.h"

struct against_nginx {
    const char *skipped; /* what is not installed; NULL = the rounds were played */
    char version[SERVER_VERSION_CHARS];
    size_t body_bytes;
    struct rounds rounds;
};

/* After the router has asked about everybody once; asks about the first person of the first company. 0, or an error
 * after a complaint. */
int against_nginx_play(struct against_nginx *against, const struct scenario *scenario, const struct router *router);

/* Median of the broker's rounds, by the wall clock. */
double against_nginx_rate(const struct against_nginx *against);

json_t *against_nginx_report(const struct against_nginx *against);
void against_nginx_print(const struct against_nginx *against);

#endif
