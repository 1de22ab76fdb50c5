/* wrk, the HTTP load generator, as a child: one thread on the generator's core, kept-alive connections, the next
 * request as soon as one is free. What it sends stands in a script of its own, which only its user can read, since it
 * holds a token. */
#ifndef LEDIG_BENCH_WRK_H
#define LEDIG_BENCH_WRK_H

#include <stdint.h>

struct wrk {
    const char *program, *script; /* paths */
    uint32_t connections;
    int core;
};

/* Writes the script: that token with each request. 0 or LEDIG_EIO. */
int wrk_write_script(const char *path, const char *token);

/* One run of whole seconds against http://HOST/PATH. Sets how many requests a second were answered with 2xx. 0, or an
 * error after a complaint, also where any was answered otherwise or a connection broke. */
int wrk_run(const struct wrk *wrk, const char *host, const char *path, uint32_t seconds, double *requests_per_s);

#endif
