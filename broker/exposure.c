#include "broker/exposure.h"
#include "protocol/errors.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

bool exposure_is_loopback(const char *host) {
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1) return (ntohl(v4.s_addr) >> 24) == IN_LOOPBACKNET;
    if (inet_pton(AF_INET6, host, &v6) != 1) return false;
    return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == IN_LOOPBACKNET);
}

static bool is_safe(const struct endpoint *endpoint, const char *cert) {
    return (cert && cert[0]) || exposure_is_loopback(endpoint->host);
}

/* Tokens and people's states would cross the network for all to read. */
static int check_plain_text(const struct config *config, char *why, size_t size) {
    if (config->insecure) return 0;
    if (!is_safe(&config->listen, config->tls_cert))
        snprintf(why, size,
                 "--listen %s is open to others, in plain text: give --tls-cert and --tls-key, or listen on 127.0.0.1 "
                 "behind something that speaks TLS, or say --insecure",
                 config->listen.host);
    else if (!is_safe(&config->router_listen, config->router_tls_cert))
        snprintf(why, size,
                 "--router-listen %s is open to others, in plain text: give --router-tls-cert and --router-tls-key, or "
                 "listen on 127.0.0.1, or say --insecure",
                 config->router_listen.host);
    else if (!is_safe(&config->ops_listen, NULL))
        snprintf(why, size,
                 "--ops-listen %s is open to others, and that port asks for no token and has no TLS: listen on "
                 "127.0.0.1, or, in a network of your own, say --insecure",
                 config->ops_listen.host);
    else
        return 0;
    return LEDIG_EFORBIDDEN;
}

/* On the loopback interface it is somebody trying it out, in a container as likely as not. */
static int check_root(const struct config *config, bool is_root, char *why, size_t size) {
    bool is_open = !exposure_is_loopback(config->listen.host) || !exposure_is_loopback(config->router_listen.host) ||
                   !exposure_is_loopback(config->ops_listen.host);
    if (!is_root || config->user[0] || !is_open) return 0;
    snprintf(why, size,
             "root would serve others: name the user to become with --user, or say --user root if that is meant");
    return LEDIG_EFORBIDDEN;
}

int exposure_check(const struct config *config, bool is_root, char *why, size_t size) {
    int error = check_plain_text(config, why, size);
    return error ? error : check_root(config, is_root, why, size);
}
