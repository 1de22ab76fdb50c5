/* The receivers of the raw send() loop in a process of their own, where one process has not descriptors enough for them
 * and for the subscribers: the crowd's own code on the generator's core, which compares and counts each frame. Between
 * rounds it sleeps. */
#ifndef LEDIG_BENCH_RECEIVER_H
#define LEDIG_BENCH_RECEIVER_H

#include "bench/crowd.h"

#include <sys/types.h>

struct receiver_count; /* shared with the process */

struct receiver {
    pid_t pid; /* 0 = none */
    struct receiver_count *count;
};

/* Connects that many sockets to the address, and lets a crowd with room for them adopt them. 0 or LEDIG_E…. */
int receiver_connect(struct crowd *crowd, const struct sockaddr_in *address, uint32_t count, SSL_CTX *tls);

/* Starts it: it connects `count` sockets to that address, with TLS where there is a context. 0, or an error after a
 * complaint. */
int receiver_start(struct receiver *receiver, const struct sockaddr_in *address, uint32_t count, int core,
                   SSL_CTX *tls);
void receiver_stop(struct receiver *receiver); /* {0} too */

/* Frames that it has had by now, and when the last one came; LEDIG_EIO where the process has ended. */
int receiver_look(struct receiver *receiver, uint64_t *frames, int64_t *last_ns);

#endif
