/* The physical limit: one thread that sends the same bytes to many loopback TCP sockets, one after the other, with
 * nothing around it. Whatever a broker does for a delivery comes on top of this.
 *
 * Each side of a socket pair lives in a process of its own, as broker and apps do. */
#ifndef LEDIG_BENCH_LIMIT_LOOP_H
#define LEDIG_BENCH_LIMIT_LOOP_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct limit_result {
    uint64_t sends;
    int64_t elapsed_ns, cpu_ns; /* by the sender's own clocks */
};

struct limit_sockets {
    size_t count;
    int *descriptor;
    SSL **ssl; /* NULL = plain TCP; else each socket's */
};

/* Blocking sends to every socket in turn until `duration_ns` is over, by send() or by SSL_write and nothing else; ends
 * with a whole round, so that all sockets got the same. 0, or LEDIG_EIO where a peer is gone or took nothing for five
 * seconds. */
int limit_loop(const struct limit_sockets *sockets, const uint8_t *bytes, size_t length, int64_t duration_ns,
               struct limit_result *result);

/* Room for `count` sockets, none open; and closes and frees all. 0 or LEDIG_ENO_MEMORY. */
int limit_sockets_open(struct limit_sockets *sockets, size_t count, bool tls);
void limit_sockets_close(struct limit_sockets *sockets);

/* The two ends: a listening socket on a free loopback port, then accepted ones (with TCP_NODELAY, as a broker has it),
 * each with a TLS handshake where there is a context; and a connected one. 0 or LEDIG_EIO, for accept also when nobody
 * came for five seconds. */
int limit_listen(struct sockaddr_in *address, int *listener);
int limit_accept(int listener, struct limit_sockets *sockets, SSL_CTX *tls);
int limit_connect(const struct sockaddr_in *address, int *connected);

/* Reads or writes exactly that many bytes, over signals. 0 or LEDIG_EIO. */
int limit_read(int descriptor, void *bytes, size_t length);
int limit_write(int descriptor, const void *bytes, size_t length);

#endif
