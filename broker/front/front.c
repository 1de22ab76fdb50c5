#include "broker/front/direct.h"
#include "broker/front/front_state.h"
#include "broker/front/http_session.h"
#include "broker/log.h"
#include "protocol/errors.h"
#include "protocol/limits.h"
#include "protocol/message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ACCEPT_BURST 16     /* connections taken in one turn of the loop: those that are connected go on meanwhile */
#define ACCEPT_PAUSE_MS 100 /* without descriptors */
#define LISTEN_BACKLOG 4096 /* a storm waits in the kernel; somaxconn bounds it */
/* Kept for each connection; longer messages are put together. Not less: libwebsockets 4.3 closes a connection on which
 * a TLS record of 16 KiB takes more than 100 reads. */
#define WEBSOCKET_READ_BYTES 192
#define WEBSOCKET_WRITE_BYTES (LEDIG_MESSAGE_BYTES_MAX + 1024) /* above the largest frame, or it would be cut */
#define HTTP_READ_BYTES 4096
#define UNSENT_BYTES_MAX 65536 /* in the kernel for each client; less would hold back a fast one */
#define HANDSHAKES_MAX 512     /* at once; more wait. Each holds some 5 KiB, which the heap would keep after a storm */
#define PEOPLES_HEADERS_BYTES_MAX 4096 /* each handshake under way holds as much; an access token has some 400 */
#define ENDING_MS 5
#define ENDING_TURNS 5

/* ---- The listening socket ---- */

static int parse_address(const char *host, int port, struct sockaddr_storage *address, socklen_t *length) {
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        *length = sizeof *v4;
        return 0;
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        *length = sizeof *v6;
        return 0;
    }
    return LEDIG_EBAD_REQUEST;
}

int front_bind(const char *host, int port, bool exclusive, int *bound_port) {
    struct sockaddr_storage address;
    socklen_t length;
    int on = 1;
    if (parse_address(host, port, &address, &length) != 0) {
        errno = EINVAL;
        return LEDIG_EBAD_REQUEST;
    }
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return LEDIG_EIO;
    bool good = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                (exclusive || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
                (address.ss_family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0) &&
                bind(fd, (struct sockaddr *)&address, length) == 0 &&
                (!exclusive || listen(fd, 1) == 0) && /* only listening shows that another one listens */
                getsockname(fd, (struct sockaddr *)&address, &length) == 0;
    if (!good) {
        int cause = errno;
        close(fd);
        errno = cause;
        return LEDIG_EIO;
    }
    if (bound_port)
        *bound_port = ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
                                                         : ((struct sockaddr_in6 *)&address)->sin6_port);
    return fd;
}

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer) {
    struct front *front = timer->data;
    if (front->accepting) uv_poll_start(&front->poll, UV_READABLE, on_acceptable);
}

/* Left alone, the kernel takes megabytes for a client that reads nothing, and under memory pressure a little more now
 * and then. So it is told to take no more than a little beyond what the client's window has room for
 * (TCP_NOTSENT_LOWAT, net/ipv4/tcp.c in Linux): what waits is better kept as a cursor. And a client is judged by what
 * it acknowledges (TCP_USER_TIMEOUT, tcp(7); it also counts while the window is closed). */
static void set_options(const struct front *front, int fd) {
    int on = 1, unsent_bytes = UNSENT_BYTES_MAX;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_bytes, sizeof unsent_bytes);
    if (front->stall_ms) setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &front->stall_ms, sizeof front->stall_ms);
}

/* Where requests are what most connections are for, and in plain text. */
static bool is_direct(const struct front *front) {
    return front->http.handler && !front->for_people && !front->tls;
}

static void on_due(uv_timer_t *timer) {
    direct_look(timer->data);
}

void front_adopt(struct front *front, int fd, uint64_t peer) {
    struct lws *wsi = lws_adopt_socket_vhost(lws_get_vhost_by_name(front->context, "default"), fd);
    if (wsi)
        lws_set_opaque_user_data(wsi, (void *)(uintptr_t)peer);
    else
        limits_hang_up(front->http.limits, peer); /* it has closed it */
}

uint64_t front_peer(struct lws *wsi) {
    return (uint64_t)(uintptr_t)lws_get_opaque_user_data(wsi);
}

/* One that comes too often is answered in the cheapest way there is, whatever it wanted to ask; by TLS not even that.
 * What it has sent is taken first, or closing would take the answer from it (RFC 9293, section 3.10.4). */
static void turn_away(const struct front *front, int fd, uint32_t retry_ms) {
    char answer[160], sent[HTTP_READ_BYTES];
    int length = snprintf(answer, sizeof answer,
                          "HTTP/1.1 429 Too Many Requests\r\nRetry-After: %u\r\nContent-Length: 0\r\n"
                          "Connection: close\r\n\r\n",
                          retry_ms / 1000 + 1);
    if (!front->tls) {
        http_count_answer(&front->http, 429);
        while (recv(fd, sent, sizeof sent, MSG_DONTWAIT) == (ssize_t)sizeof sent)
            continue;
        (void)send(fd, answer, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT);
        shutdown(fd, SHUT_WR);
    }
    close(fd);
}

static void take_in(struct front *front, int fd, uint64_t peer) {
    uint32_t retry_ms;
    if (!limits_connect(front->http.limits, peer, uv_now(front->loop), &retry_ms)) {
        turn_away(front, fd, retry_ms);
        return;
    }
    set_options(front, fd);
    if (is_direct(front))
        direct_take(front, fd, peer);
    else
        front_adopt(front, fd, peer);
}

static void on_acceptable(uv_poll_t *poll, int status, int events) {
    struct front *front = poll->data;
    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPT_BURST; i++) {
        struct sockaddr_storage address = {0};
        socklen_t length = sizeof address;
        int fd = accept4(front->listen_fd, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            log_event(LOG_WARNING, "accept_paused", "error=\"%s\"", strerror(errno));
            uv_poll_stop(&front->poll);
            uv_timer_start(&front->pause, on_pause_over, ACCEPT_PAUSE_MS, 0);
        }
        if (fd < 0) return; /* a connection that broke off before it was taken is none */
        front->http.metrics->accepted++;
        take_in(front, fd, limits_peer(front->http.limits, (struct sockaddr *)&address));
    }
}

/* ---- libwebsockets ---- */

static void on_library_log(int level, const char *line) {
    log_event(level == LLL_ERR ? LOG_ERROR : LOG_WARNING, "libwebsockets", "text=\"%.*s\"", (int)strcspn(line, "\n\""),
              line);
}

/* What a browser must know of an answer, should it ever show one: nothing in it is to be kept, guessed at, run, framed
 * or told of. Routers are programs, and heed the first two at most; they ask often, so they get no more. */
#define FOR_ALL "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
#define FOR_BROWSERS FOR_ALL "Content-Security-Policy: " CONTENT_POLICY "\r\nReferrer-Policy: no-referrer\r\n"
#define CONTENT_POLICY "default-src 'none'; frame-ancestors 'none'"
#define ONLY_TLS                                                                                                       \
    "max-age=31536000" /* for a year (RFC 6797); not for the names below this one, which may be others'                \
                        */
#define WITH_TLS "Strict-Transport-Security: " ONLY_TLS "\r\n"

static const char *headers_of(const struct front *front) {
    if (front->for_people) return front->tls ? FOR_BROWSERS WITH_TLS : FOR_BROWSERS;
    return front->tls ? FOR_ALL WITH_TLS : FOR_ALL;
}

/* The same for what libwebsockets answers by itself, such as a handshake that is refused. */
static const struct lws_protocol_vhost_options of_library[5] = {
    {&of_library[1], NULL, "strict-transport-security:", ONLY_TLS}, /* left out without TLS */
    {&of_library[2], NULL, "cache-control:", "no-store"},
    {&of_library[3], NULL, "x-content-type-options:", "nosniff"},
    {&of_library[4], NULL, "content-security-policy:", CONTENT_POLICY},
    {NULL, NULL, "referrer-policy:", "no-referrer"},
};

static struct limits *limits_of(struct lws *wsi) {
    const struct front *front = lws_context_user(lws_get_context(wsi));
    return front->http.limits;
}

/* All that comes before a protocol is chosen comes here, and the TLS context as libwebsockets has made it. */
static int on_http(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t length) {
    if (reason == LWS_CALLBACK_WSI_DESTROY) limits_hang_up(limits_of(wsi), front_peer(wsi));
    if (reason != LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS)
        return http_callback(wsi, reason, user, in, length);
    struct front *front = lws_context_user(lws_get_context(wsi));
    front->ssl_context = user;
    return tls_set_up(front->tls, user) == 0 ? 0 : -1;
}

static int create_context(struct front *front) {
    static const struct lws_protocols protocols[] = {
        {.name = "http", .callback = on_http, .rx_buffer_size = HTTP_READ_BYTES},
        {.name = LEDIG_SUBPROTOCOL_MSGPACK,
         .callback = websocket_callback,
         .rx_buffer_size = WEBSOCKET_READ_BYTES,
         .id = ENCODING_MSGPACK,
         .tx_packet_size = WEBSOCKET_WRITE_BYTES},
        {.name = LEDIG_SUBPROTOCOL_JSON,
         .callback = websocket_callback,
         .rx_buffer_size = WEBSOCKET_READ_BYTES,
         .id = ENCODING_JSON,
         .tx_packet_size = WEBSOCKET_WRITE_BYTES},
    };
    /* the sizes of the sessions are known to the other files only, so the table that is used is a copy */
    struct lws_protocols *table = front->protocols;
    memcpy(table, protocols, sizeof protocols);
    table[0].per_session_data_size = http_session_bytes;
    table[1].per_session_data_size = table[2].per_session_data_size = websocket_session_bytes;

    static const lws_retry_bo_t no_pings = {0}; /* the session pings: libwebsockets' timers stand in a linear list */
    void *loops[] = {front->loop};
    struct lws_context_creation_info info = {.port = CONTEXT_PORT_NO_LISTEN_SERVER,
                                             .protocols = table,
                                             .vhost_name = "default",
                                             .options = LWS_SERVER_OPTION_LIBUV,
                                             .headers = &of_library[front->tls ? 0 : 1],
                                             .foreign_loops = loops,
                                             .pcontext = &front->context,
                                             .user = front,
                                             .max_http_header_data =
                                                 front->for_people ? PEOPLES_HEADERS_BYTES_MAX : HTTP_HEADERS_BYTES_MAX,
                                             .max_http_header_pool = HANDSHAKES_MAX,
                                             .timeout_secs = HTTP_HEAD_MS / 1000,
                                             .keepalive_timeout = 60,
                                             .retry_and_idle_policy = &no_pings};
    if (front->tls) {
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX;
        info.alpn = "http/1.1";
    }
    lws_set_log_level(LLL_ERR | LLL_WARN, on_library_log);
    front->context = lws_create_context(&info);
    return front->context ? 0 : LEDIG_EIO;
}

/* ---- Opening and closing ---- */

static int listen_on(struct front *front, const struct front_options *options) {
    front->listen_fd = front_bind(options->host, options->port, false, NULL);
    if (front->listen_fd < 0) return LEDIG_EIO;
    if (listen(front->listen_fd, LISTEN_BACKLOG) != 0) return LEDIG_EIO;
    if (uv_poll_init(front->loop, &front->poll, front->listen_fd) != 0) return LEDIG_EIO;
    front->poll.data = front->pause.data = front->ending.data = front;
    uv_timer_init(front->loop, &front->pause);
    uv_timer_init(front->loop, &front->ending);
    if (is_direct(front)) uv_timer_start(&front->due, on_due, DIRECT_LOOK_MS, DIRECT_LOOK_MS);
    front->accepting = true;
    return uv_poll_start(&front->poll, UV_READABLE, on_acceptable) == 0 ? 0 : LEDIG_EIO;
}

static void on_look(uv_timer_t *timer) {
    struct front *front = timer->data;
    tls_look(front->tls, false);
}

void front_reload(struct front *front) {
    if (front->tls) tls_look(front->tls, true);
}

static int open_tls(struct front *front, const struct front_options *options) {
    char why[2 * PATH_MAX + 128];
    front->look.data = front->due.data = front;
    uv_timer_init(front->loop, &front->look);
    uv_timer_init(front->loop, &front->due);
    if (!options->tls_cert) return 0;
    struct certificate_files files = {options->tls_cert, options->tls_key, options->tls_prefix};
    if (tls_open(&files, options->data_dir, &front->tls, why, sizeof why) != 0) {
        log_event(LOG_ERROR, "tls_refused", "why=\"%s\"", why);
        return LEDIG_EBAD_REQUEST;
    }
    return uv_timer_start(&front->look, on_look, options->tls_look_ms, options->tls_look_ms) == 0 ? 0 : LEDIG_EIO;
}

int front_open(uv_loop_t *loop, const struct front_options *options, struct front **out) {
    struct front *front = calloc(1, sizeof *front);
    if (!front) return LEDIG_ENO_MEMORY;
    front->loop = loop;
    front->service = options->service;
    front->for_people = options->for_people;
    front->stall_ms = options->stall_ms;
    front->origins = options->origins ? options->origins : "";
    int error = open_tls(front, options);
    front->http = (struct http_server){.handler = options->http,
                                       .arg = options->http_arg,
                                       .body_bytes_max = options->http_body_bytes_max,
                                       .headers = headers_of(front),
                                       .metrics = options->metrics ? options->metrics : &front->own_metrics,
                                       .limits = options->limits,
                                       .counts_requests = options->for_people,
                                       .loop = loop};
    if (!error) error = create_context(front);
    if (!error) error = listen_on(front, options);
    if (error) return error; /* only at the start of a process, which then ends */
    *out = front;
    return 0;
}

void front_measure(const struct front *front) {
    if (!front->ssl_context) return;
    front->http.metrics->tls_handshakes = (uint64_t)SSL_CTX_sess_accept_good(front->ssl_context);
    front->http.metrics->tls_resumed = (uint64_t)SSL_CTX_sess_hits(front->ssl_context);
}

void front_stop_accepting(struct front *front) {
    if (!front->accepting) return;
    front->accepting = false;
    uv_poll_stop(&front->poll);
    close(front->listen_fd);
    front->listen_fd = -1;
}

static void on_handle_closed(uv_handle_t *handle) {
    struct front *front = handle->data;
    if (--front->handles > 0) return;
    void (*closed)(void *) = front->closed;
    void *arg = front->closed_arg;
    tls_close(front->tls);
    free(front);
    closed(arg);
}

static void close_handle(struct front *front, uv_handle_t *handle) {
    front->handles++;
    uv_close(handle, on_handle_closed);
}

/* On a loop that is not its own, libwebsockets 4.3 takes the context down by itself once its handles are closed,
 * and 4.1 waits to be asked a second time. They are closed within two turns of the loop. */
static void on_ending(uv_timer_t *timer) {
    struct front *front = timer->data;
    if (front->context && ++front->turns == ENDING_TURNS) lws_context_destroy(front->context);
    if (front->context) return;
    close_handle(front, (uv_handle_t *)&front->poll);
    close_handle(front, (uv_handle_t *)&front->pause);
    close_handle(front, (uv_handle_t *)&front->ending);
    close_handle(front, (uv_handle_t *)&front->look);
    close_handle(front, (uv_handle_t *)&front->due);
}

void front_close(struct front *front, void (*closed)(void *arg), void *arg) {
    front->closed = closed;
    front->closed_arg = arg;
    front_measure(front);
    front->ssl_context = NULL;
    front_stop_accepting(front);
    uv_timer_stop(&front->pause);
    uv_timer_stop(&front->look);
    uv_timer_stop(&front->due);
    direct_close(front);
    uv_timer_start(&front->ending, on_ending, ENDING_MS, ENDING_MS);
    lws_context_destroy(front->context);
}
