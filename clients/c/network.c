#include "clients/c/network.h"
#include "protocol/errors.h"

#include <stdlib.h>
#include <string.h>

/* Our few sockets, the pipe of libwebsockets, and one socket that is being closed while the next is dialled. Left at 0
 * it would make tables for as many descriptors as the process may have. */
#define SOCKETS_MAX 16

/* Turns of the loop until every handle of libwebsockets is off it: sockets close in the first, and its timer and idle
 * handle, which 4.1 closes only after the last socket, in the second. */
#define CLOSE_TURNS 4

#define CLOSE_FRAME_MS 5 /* WebSockets that are about to be closed may say so first */

#define SERVE_BUFFER_BYTES 16384 /* the request's head is put together there, token and all */

struct network {
    uv_loop_t *loop;
    struct lws_context *context;
    uv_timer_t timer; /* drives the closing */
    unsigned turns, lookups;
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

int network_open(uv_loop_t *loop, const struct lws_protocols *protocols, bool tls, const char *ca_file,
                 struct network **out) {
    struct network *network = calloc(1, sizeof *network);
    if (!network) return LEDIG_ENO_MEMORY;
    lws_set_log_level(0, NULL);
    void *loops[] = {loop};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .foreign_loops = loops,
        .fd_limit_per_thread = SOCKETS_MAX,
        .pt_serv_buf_size = SERVE_BUFFER_BYTES,
        .http_proxy_address = "", /* else it would take $http_proxy, for addresses of this machine too */
        .client_ssl_ca_filepath = ca_file,
        .options = LWS_SERVER_OPTION_LIBUV | (tls ? LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT : 0),
    };
    network->loop = loop;
    network->context = lws_create_context(&info);
    if (!network->context) {
        free(network);
        return LEDIG_EIO;
    }
    uv_timer_init(loop, &network->timer);
    network->timer.data = network;
    *out = network;
    return 0;
}

/* ---- Closing ---- */

static void timer_closed(uv_handle_t *handle) {
    struct network *network = handle->data;
    void (*closed)(void *) = network->closed;
    void *arg = network->closed_arg;
    free(network);
    if (closed) closed(arg);
}

/* A turn of the loop outside of libwebsockets: its context is told to go, its handles close, and with nothing of it on
 * the loop any more the second call frees it. A timer of 0 ms could fire again in the same turn; one of 1 ms cannot. */
static void close_turn(uv_timer_t *timer) {
    struct network *network = timer->data;
    if (network->turns == 0) lws_context_destroy(network->context);
    if (network->turns++ < CLOSE_TURNS || network->lookups > 0) {
        uv_timer_start(timer, close_turn, 1, 0);
        return;
    }
    lws_context_destroy(network->context);
    uv_close((uv_handle_t *)timer, timer_closed);
}

void network_close(struct network *network, void (*closed)(void *arg), void *arg) {
    if (network->closing) return;
    network->closing = true;
    network->closed = closed;
    network->closed_arg = arg;
    uv_timer_start(&network->timer, close_turn, CLOSE_FRAME_MS, 0);
}

/* ---- Names ---- */

struct lookup {
    struct network *network;
    uv_getaddrinfo_t request;
    uv_timer_t timer;   /* an address needs no lookup, but its answer comes from the loop all the same */
    lookup_found found; /* NULL = cancelled */
    void *arg;
    char addresses[NETWORK_ADDRESSES_MAX][INET6_ADDRSTRLEN];
    size_t count;
    bool numeric;
};

static void lookup_closed(uv_handle_t *handle) {
    struct lookup *lookup = handle->data;
    lookup->network->lookups--;
    free(lookup);
}

static void lookup_end(struct lookup *lookup, const char *why) {
    lookup_found found = lookup->found;
    lookup->found = NULL;
    uv_close((uv_handle_t *)&lookup->timer, lookup_closed);
    if (found) found(lookup->arg, (const char(*)[INET6_ADDRSTRLEN])lookup->addresses, lookup->count, why);
}

static void numeric_found(uv_timer_t *timer) {
    lookup_end(timer->data, NULL);
}

static void name_found(uv_getaddrinfo_t *request, int status, struct addrinfo *results) {
    struct lookup *lookup = request->data;
    for (struct addrinfo *at = results; status == 0 && at && lookup->count < NETWORK_ADDRESSES_MAX; at = at->ai_next) {
        char *text = lookup->addresses[lookup->count];
        int error = at->ai_family == AF_INET6
                        ? uv_ip6_name((const struct sockaddr_in6 *)(const void *)at->ai_addr, text, INET6_ADDRSTRLEN)
                        : uv_ip4_name((const struct sockaddr_in *)(const void *)at->ai_addr, text, INET6_ADDRSTRLEN);
        if (error == 0) lookup->count++;
    }
    uv_freeaddrinfo(results);
    lookup_end(lookup, status ? "the host name cannot be found" : NULL);
}

static bool is_numeric(const char *host) {
    struct sockaddr_in ip4;
    struct sockaddr_in6 ip6;
    return uv_ip4_addr(host, 0, &ip4) == 0 || uv_ip6_addr(host, 0, &ip6) == 0;
}

int lookup_start(struct network *network, const struct endpoint *endpoint, lookup_found found, void *arg,
                 struct lookup **out) {
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (!lookup) return LEDIG_ENO_MEMORY;
    lookup->network = network;
    lookup->found = found;
    lookup->arg = arg;
    lookup->request.data = lookup;
    lookup->numeric = is_numeric(endpoint->host) && strlen(endpoint->host) < INET6_ADDRSTRLEN;
    network->lookups++;
    uv_timer_init(network->loop, &lookup->timer);
    lookup->timer.data = lookup;
    if (lookup->numeric) {
        memcpy(lookup->addresses[0], endpoint->host, strlen(endpoint->host) + 1);
        lookup->count = 1;
        uv_timer_start(&lookup->timer, numeric_found, 0, 0);
    } else {
        struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
        if (uv_getaddrinfo(network->loop, &lookup->request, name_found, endpoint->host, NULL, &hints)) {
            lookup->found = NULL;
            lookup_end(lookup, NULL);
            return LEDIG_EIO;
        }
    }
    *out = lookup;
    return 0;
}

void lookup_cancel(struct lookup *lookup) {
    if (!lookup || !lookup->found) return;
    lookup->found = NULL;
    if (lookup->numeric)
        uv_close((uv_handle_t *)&lookup->timer, lookup_closed);
    else
        uv_cancel((uv_req_t *)&lookup->request); /* name_found comes in any case */
}

/* ---- Dialling ---- */

struct lws *network_dial(struct network *network, const struct endpoint *endpoint, const char *address,
                         const char *method, const char *path, const char *protocol, void *user) {
    if (network->closing) return NULL;
    struct lws_client_connect_info info = {
        .context = network->context,
        .address = address,
        .port = endpoint->port,
        .path = path,
        .host = endpoint->authority,
        .method = method,
        .protocol = protocol,
        .local_protocol_name = protocol,
        .userdata = user,
        .alpn = "http/1.1",
        .ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT | (endpoint->tls ? LCCSCF_USE_SSL : 0),
    };
    return lws_client_connect_via_info(&info);
}

void network_explain(const char **reason, size_t *length) {
    static const char vague[] = "closed before established", better[] = "nothing answers there";
    if (*length != sizeof vague - 1 || memcmp(*reason, vague, sizeof vague - 1) != 0) return;
    *reason = better;
    *length = sizeof better - 1;
}
