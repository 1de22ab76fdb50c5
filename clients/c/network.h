/* libwebsockets on the caller's libuv loop: its context from birth to the last handle, names looked up without blocking
 * the loop, and the one call that dials. Used by the WebSocket link and by the HTTP calls of the command line.
 *
 * libwebsockets must not be destroyed inside of its own callbacks, and its handles leave the loop some turns after it
 * was told to go; network_close takes care of both. */
#ifndef LEDIG_CLIENT_NETWORK_H
#define LEDIG_CLIENT_NETWORK_H

#include "clients/c/endpoint.h"

#include <libwebsockets.h>
#include <stddef.h>
#include <uv.h>

#define NETWORK_ADDRESSES_MAX 8 /* of one name; each is tried in turn */

struct network;

/* `protocols` must live as long as the network. `ca_file` NULL = the system's authorities. LEDIG_EIO, LEDIG_ENO_MEMORY.
 */
int network_open(uv_loop_t *loop, const struct lws_protocols *protocols, bool tls, const char *ca_file,
                 struct network **network);

/* Takes everything off the loop, open connections too; callbacks of libwebsockets may still come. Then calls `closed`
 * from the loop; the network is gone then. May be called inside of any callback. */
void network_close(struct network *network, void (*closed)(void *arg), void *arg);

/* Looks up the endpoint's addresses. `found` comes from the loop exactly once, unless the lookup is cancelled: with
 * `count` 0 and a sentence where there is none. */
struct lookup;
typedef void (*lookup_found)(void *arg, const char (*addresses)[INET6_ADDRSTRLEN], size_t count, const char *why);
int lookup_start(struct network *network, const struct endpoint *endpoint, lookup_found found, void *arg,
                 struct lookup **lookup);
void lookup_cancel(struct lookup *lookup); /* NULL is fine */

/* Begins a connection to one address of the endpoint: with `method` NULL a WebSocket of that subprotocol, else an HTTP
 * request for `path`. `user` is what callbacks get. Returns NULL where it failed at once; no callback came then. */
struct lws *network_dial(struct network *network, const struct endpoint *endpoint, const char *address,
                         const char *method, const char *path, const char *protocol, void *user);

/* What libwebsockets says of a connection that failed, where it has no better words, put into some. */
void network_explain(const char **reason, size_t *length);

#endif
