#include "clients/c/endpoint.h"
#include "protocol/errors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *prefix;
    bool websocket, tls;
    uint16_t port;
} schemes[] = {
    {"ws://", true, false, 80},
    {"wss://", true, true, 443},
    {"http://", false, false, 80},
    {"https://", false, true, 443},
};

/* Letters, digits and what addresses have: nothing that could end a header line. */
static bool host_is_sound(const char *host, size_t length, bool bracketed) {
    static const char others[] = ".-_";
    if (length == 0 || length > ENDPOINT_HOST_CHARS_MAX) return false;
    for (size_t i = 0; i < length; i++) {
        char c = host[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr(others, c) ||
                    (bracketed && (c == ':' || c == '%'));
        if (!fine) return false;
    }
    return true;
}

static bool path_is_sound(const char *path) {
    size_t length = strlen(path);
    if (length > ENDPOINT_PATH_CHARS_MAX) return false;
    for (size_t i = 0; i < length; i++)
        if (path[i] <= ' ' || path[i] > '~' || path[i] == '#') return false;
    return true;
}

static bool take_port(const char *text, size_t length, uint16_t *port) {
    if (length < 1 || length > 5 || strspn(text, "0123456789") < length) return false;
    long value = strtol(text, NULL, 10);
    *port = (uint16_t)value;
    return value > 0 && value <= UINT16_MAX;
}

int endpoint_parse(const char *url, struct endpoint *endpoint) {
    size_t scheme = 0, schemes_count = sizeof schemes / sizeof schemes[0];
    while (scheme < schemes_count && (!url || strncasecmp(url, schemes[scheme].prefix, strlen(schemes[scheme].prefix))))
        scheme++;
    if (scheme == schemes_count) return LEDIG_EBAD_REQUEST;
    *endpoint = (struct endpoint){
        .websocket = schemes[scheme].websocket, .tls = schemes[scheme].tls, .port = schemes[scheme].port};

    const char *host = url + strlen(schemes[scheme].prefix);
    size_t authority = strcspn(host, "/?#");
    const char *path = host + authority, *end = path;
    bool bracketed = host[0] == '[';
    const char *stop = bracketed ? memchr(host, ']', authority) : memchr(host, ':', authority);
    if (bracketed && !stop) return LEDIG_EBAD_REQUEST;
    const char *colon = bracketed ? stop + 1 : (stop ? stop : end);
    if (bracketed) host++;
    size_t length = (size_t)((stop ? stop : end) - host);
    if (!host_is_sound(host, length, bracketed) || !path_is_sound(path)) return LEDIG_EBAD_REQUEST;
    if (colon < end && (*colon != ':' || !take_port(colon + 1, (size_t)(end - colon - 1), &endpoint->port)))
        return LEDIG_EBAD_REQUEST;

    memcpy(endpoint->host, host, length);
    const char *open = bracketed ? "[" : "", *shut = bracketed ? "]" : "";
    if (endpoint->port == schemes[scheme].port)
        snprintf(endpoint->authority, sizeof endpoint->authority, "%s%s%s", open, endpoint->host, shut);
    else
        snprintf(endpoint->authority, sizeof endpoint->authority, "%s%s%s:%u", open, endpoint->host, shut,
                 (unsigned)endpoint->port);
    if (*path == '?') return LEDIG_EBAD_REQUEST; /* nobody means that */
    memcpy(endpoint->path, path, strlen(path) + 1);
    return 0;
}
