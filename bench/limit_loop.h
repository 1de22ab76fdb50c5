/* The physical limit: one thread that sends the same bytes to many loopback TCP sockets, one after the other, with
 * nothing around it. Whatever a broker does for a delivery comes on top of this.
 *
 * Each side of a socket pair lives in a process of its own, as broker and apps do. */
#ifndef LEDIG_BENCH_LIMIT_LOOP_H
#define LEDIG_BENCH_LIMIT_LOOP_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

struct limit_result {
    uint64_t sends;
    int64_t elapsed_ns, cpu_ns; /* by the sender's own clocks */
};

/* Blocking sends to every socket in turn until `duration_ns` is over; ends with a whole round, so that all sockets got
 * the same. 0, or LEDIG_EIO where a peer is gone or took nothing for five seconds. */
int limit_loop(const int *sockets, size_t count, const uint8_t *bytes, size_t length, int64_t duration_ns,
               struct limit_result *result);

/* The two ends: a listening socket on a free loopback port, then `count` accepted ones (with TCP_NODELAY, as a broker
 * has it) in `sockets`; and a connected one. 0 or LEDIG_EIO, for accept also when nobody came for five seconds. */
int limit_listen(struct sockaddr_in *address, int *listener);
int limit_accept(int listener, int *sockets, size_t count);
int limit_connect(const struct sockaddr_in *address, int *connected);

/* Reads or writes exactly that many bytes, over signals. 0 or LEDIG_EIO. */
int limit_read(int descriptor, void *bytes, size_t length);
int limit_write(int descriptor, const void *bytes, size_t length);

#endif
