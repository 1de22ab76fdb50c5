/* Which web pages may connect. A browser names the page's origin in each WebSocket handshake (RFC 6454, RFC 6455
 * section 10.2), and a page cannot lie about it; a program names none, or what it likes, so this protects people in
 * browsers and nobody else. Pure, and nothing is kept but the list, which is the caller's. */
#ifndef LEDIG_FRONT_ORIGIN_H
#define LEDIG_FRONT_ORIGIN_H

#include <stdbool.h>

#define ORIGIN_CHARS_MAX 300 /* a name of 253 (RFC 1035), its scheme and port; a longer one is refused */

/* Whether a list is one: origins, separated by spaces or commas, each SCHEME://HOST or SCHEME://HOST:PORT and nothing
 * behind it. An empty one is. */
bool origin_list_is_good(const char *list);

/* Whether a page of `origin` may connect. With a list, those that stand in it and no other. With an empty one, those
 * whose host and port are what the handshake's Host header says; by TLS only pages that came by TLS, in plain text
 * both, since something in front of the broker may speak TLS. */
bool origin_may_connect(const char *origin, const char *list, const char *host, bool is_tls);

#endif
