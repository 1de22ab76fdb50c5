/* The broker under test: one that the bench starts on the server's core with an empty data directory of its own, and
 * stops and clears away again; or one that runs already and is only looked at. */
#ifndef LEDIG_BENCH_SUBJECT_H
#define LEDIG_BENCH_SUBJECT_H

#include "bench/cores.h"

#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>

#define SUBJECT_WORKERS_MAX 64
#define SUBJECT_HOST_CHARS 256

struct endpoint {
    char host[SUBJECT_HOST_CHARS]; /* with port, as a Host header has it */
    char path[64];
    struct sockaddr_in address;
};

struct subject {
    bool started; /* ours to stop */
    pid_t pid;    /* of the supervisor */
    pid_t redis;  /* 0 = none of its own */
    char data[PATH_MAX];
    struct endpoint apps, routers;
    pid_t workers[SUBJECT_WORKERS_MAX]; /* app workers */
    size_t worker_count;                /* 0: another's broker whose processes cannot be seen */
};

/* Starts the ledigd that lies beside this program, with further flags (NULL ends them; may be NULL), and waits until it
 * is ready. 0, or an error after a complaint. */
int subject_start(struct subject *subject, const struct cores *cores, const char *const *flags);

/* Looks at a running one. `router_url` NULL: as DATA/ledigd.json says. 0, or an error after a complaint. */
int subject_attach(struct subject *subject, const char *data, const char *url, const char *router_url);

/* Stops what was started and removes its data. Safe after a failure, and twice. */
void subject_stop(struct subject *subject);

/* Sums over the app workers; -1 where they cannot be seen. */
int64_t subject_cpu_ns(const struct subject *subject);
int64_t subject_rss_bytes(const struct subject *subject);

/* How long one bare write to its Redis takes until it is acknowledged, in ns: what a commit costs at the least. Blocks;
 * -1 where that Redis is out of reach. */
int64_t subject_store_write_ns(const struct subject *subject);

#endif
