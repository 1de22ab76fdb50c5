/* A request that stands whole in one piece of memory and says nothing unusual, as telephone systems send them: read in
 * place, for direct.c. Whatever it does not know for certain it leaves to libwebsockets, which then reads it from the
 * beginning; so it refuses nothing and need not know why. Pure. */
#ifndef LEDIG_FRONT_DIRECT_HEAD_H
#define LEDIG_FRONT_DIRECT_HEAD_H

#include "broker/service/http_exchange.h"

#define DIRECT_BYTES_MAX 8192 /* of a request with its body; larger ones are libwebsockets' */

/* Whether such a request begins at `bytes`; then *request points into them, and *used tells how long it is. The bytes
 * are changed also where it is none. */
bool direct_head_read(char *bytes, size_t length, struct http_request *request, size_t *used);

/* The token of `Authorization: Bearer`; "" for what is none. */
const char *direct_head_bearer(const char *authorization);

#endif
