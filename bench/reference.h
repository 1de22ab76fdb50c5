/* What a scenario is measured against: the raw send() loop in a process of its own on the broker's core, which sends
 * frames as the broker made them to as many sockets as there are subscribers; over TLS, by SSL_write. The receivers are
 * the crowd's own code on the same core, so that both sides are received alike. */
#ifndef LEDIG_BENCH_REFERENCE_H
#define LEDIG_BENCH_REFERENCE_H

#include "bench/receiver.h"
#include "bench/rounds.h"
#include "bench/scenario.h"
#include "bench/sender.h"

struct reference {
    struct scenario *scenario;
    struct sender sender;
    struct receiver receiver; /* where one process cannot hold both */
    SSL_CTX *tls;             /* of the loop; NULL without TLS */
    struct buffer frame;      /* as the broker sent it, with its header */
};

/* Starts the loop, gathers the crowd and connects the loop's sockets to it. 0, or an error after a complaint. */
int reference_open(struct reference *reference, struct scenario *scenario);
void reference_close(struct reference *reference); /* also one that was never opened ({0}) */

/* Takes the frame that the subscribers got lately whose length is nearest to `bytes`; 0: one with a single change.
 * LEDIG_ENOT_FOUND or LEDIG_ENO_MEMORY. */
int reference_copy_frame(struct reference *reference, size_t bytes);

/* One round of the loop; all frames have arrived when it returns. 0, or an error after a complaint. */
int reference_round(struct reference *reference, int64_t duration_ns, struct round *round);

/* Sends once to every socket. In ns from when it was asked for until the last receiver had it; or an error, which is
 * negative, after a complaint. */
int64_t reference_pass_ns(struct reference *reference);

#endif
