/* Where a broker is: the parts of a ws, wss, http or https URL. Pure; holds no secrets, since a URL with user or
 * password in it is refused. RFC 3986, RFC 6455 section 3. */
#ifndef LEDIG_CLIENT_ENDPOINT_H
#define LEDIG_CLIENT_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#define ENDPOINT_HOST_CHARS_MAX 253 /* RFC 1035 */
#define ENDPOINT_PATH_CHARS_MAX 1023

struct endpoint {
    bool websocket; /* ws or wss; else http or https */
    bool tls;
    uint16_t port;
    char host[ENDPOINT_HOST_CHARS_MAX + 1];          /* a name or an address, without brackets */
    char authority[ENDPOINT_HOST_CHARS_MAX + 1 + 8]; /* host and port as the Host header has them */
    char path[ENDPOINT_PATH_CHARS_MAX + 1];          /* with its query; "" = none given */
};

/* LEDIG_EBAD_REQUEST where it is no such URL. */
int endpoint_parse(const char *url, struct endpoint *endpoint);

#endif
