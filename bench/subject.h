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
#define SUBJECT_PATH_CHARS (PATH_MAX + 32) /* of a file in the data directory */

struct endpoint {
    char host[SUBJECT_HOST_CHARS]; /* with port, as a Host header has it */
    char path[64];
    struct sockaddr_in address;
    bool tls;
};

#define SUBJECT_FLAGS_MAX 16

/* How one's own is to be started. */
struct subject_options {
    uint32_t workers;         /* for apps */
    bool tls;                 /* with an identity made for it */
    const char *const *flags; /* further ones; NULL ends them; may be NULL */
};

struct subject {
    bool started; /* ours to stop */
    pid_t pid;    /* of the supervisor */
    pid_t redis;  /* 0 = none of its own */
    char data[PATH_MAX];
    struct endpoint apps, routers;
    pid_t workers[SUBJECT_WORKERS_MAX]; /* app workers */
    size_t worker_count;                /* 0: another's broker whose processes cannot be seen */
    pid_t router;                       /* its router worker; 0 = not to be seen */
    char trust[SUBJECT_PATH_CHARS];     /* with TLS: a file of certificates */
};

/* Starts the ledigd that lies beside this program, and waits until it is ready. 0, or an error after a complaint. */
int subject_start(struct subject *subject, const struct cores *cores, const struct subject_options *options);

/* Looks at a running one; with TLS, its certificate must be vouched for by `subject->trust`, which is the caller's to
 * set. `router_url` NULL: as DATA/ledigd.json says. 0, or an error after a complaint. */
int subject_attach(struct subject *subject, const char *data, const char *url, const char *router_url);

/* Where the identity made for it lies, with TLS. */
void subject_identity(const struct subject *subject, char cert[static SUBJECT_PATH_CHARS],
                      char key[static SUBJECT_PATH_CHARS]);

/* Ends the router worker of one's own broker and waits until another has taken its place and listens. 0, or an error
 * after a complaint. */
int subject_renew_router(struct subject *subject);

/* Stops what was started and removes its data. Safe after a failure, and twice. */
void subject_stop(struct subject *subject);

/* Sums over the app workers; -1 where they cannot be seen. */
int64_t subject_cpu_ns(const struct subject *subject);
int64_t subject_rss_bytes(const struct subject *subject);

/* How long one bare write to its Redis takes until it is acknowledged, in ns: what a commit costs at the least. Blocks;
 * -1 where that Redis is out of reach. */
int64_t subject_store_write_ns(const struct subject *subject);

#endif
