/* nginx as a server with a fixed answer of any length between these two, at /LENGTH. It is started and stopped like a
 * peer (server.h), and has none of a peer's messages. */
#ifndef LEDIG_BENCH_NGINX_H
#define LEDIG_BENCH_NGINX_H

#include "bench/peers/peer.h"

#define NGINX_BODY_BYTES_MIN 32
#define NGINX_BODY_BYTES_MAX 512

extern const struct peer peer_nginx;

#endif
