/* The raw send() loop as a process of its own on the server's core, in the place of a broker: it holds one end of as
 * many sockets as there are subscribers and, when told, sends a given frame round and round for a given time.
 *
 * Between rounds it sleeps in a read and takes no time from anybody. */
#ifndef LEDIG_BENCH_SENDER_H
#define LEDIG_BENCH_SENDER_H

#include "bench/limit_loop.h"

#include <stdbool.h>
#include <sys/types.h>

struct sender {
    pid_t pid;
    int channel;
    struct sockaddr_in address; /* where the receivers connect to */
};

/* Starts it, before anything else is open that it could inherit. It waits for `count` connections, and for their TLS
 * handshakes where there is a context. 0 or LEDIG_EIO. */
int sender_start(struct sender *sender, uint32_t count, int core, SSL_CTX *tls);
void sender_stop(struct sender *sender); /* also one that was never started ({0}) */

/* 1 once all connections are accepted, 0 not yet, or LEDIG_EIO. */
int sender_ready(struct sender *sender);

/* Starts a round; sender_poll says when it is over: 1 with the result, 0 not yet, or LEDIG_EIO. */
int sender_begin(struct sender *sender, const uint8_t *frame, size_t length, int64_t duration_ns);
int sender_poll(struct sender *sender, struct limit_result *result);

#endif
