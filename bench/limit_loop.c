#include "bench/limit_loop.h"
#include "bench/cores.h"
#include "bench/tls.h"
#include "protocol/errors.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define BACKLOG 4096
#define PATIENCE_S 5

static int send_whole(int socket, SSL *ssl, const uint8_t *bytes, size_t length) {
    while (length > 0) {
        ssize_t sent = ssl ? tls_write(ssl, bytes, length) : send(socket, bytes, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return LEDIG_EIO;
        bytes += sent;
        length -= (size_t)sent;
    }
    return 0;
}

int limit_sockets_open(struct limit_sockets *sockets, size_t count, bool tls) {
    *sockets = (struct limit_sockets){.count = count, .descriptor = calloc(count, sizeof *sockets->descriptor)};
    if (tls) sockets->ssl = calloc(count, sizeof *sockets->ssl);
    if (sockets->descriptor && (!tls || sockets->ssl)) return 0;
    limit_sockets_close(sockets);
    return LEDIG_ENO_MEMORY;
}

void limit_sockets_close(struct limit_sockets *sockets) {
    for (size_t i = 0; i < sockets->count; i++) {
        if (sockets->ssl) tls_drop(sockets->ssl[i]);
        if (sockets->descriptor && sockets->descriptor[i] > 0) close(sockets->descriptor[i]);
    }
    free(sockets->ssl);
    free(sockets->descriptor);
    *sockets = (struct limit_sockets){0};
}

int limit_loop(const struct limit_sockets *sockets, const uint8_t *bytes, size_t length, int64_t duration_ns,
               struct limit_result *result) {
    uint64_t sends = 0;
    int64_t cpu_ns = clock_cpu_ns(), began_ns = clock_now_ns(), now_ns;
    do {
        for (size_t i = 0; i < sockets->count; i++)
            if (send_whole(sockets->descriptor[i], sockets->ssl ? sockets->ssl[i] : NULL, bytes, length) != 0)
                return LEDIG_EIO;
        sends += sockets->count;
        now_ns = clock_now_ns();
    } while (now_ns - began_ns < duration_ns);
    *result = (struct limit_result){sends, now_ns - began_ns, clock_cpu_ns() - cpu_ns};
    return 0;
}

int limit_listen(struct sockaddr_in *address, int *listener) {
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof *address;
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return LEDIG_EIO;
    struct timeval patience = {.tv_sec = PATIENCE_S}; /* for accept */
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (bind(descriptor, (struct sockaddr *)address, length) != 0 || listen(descriptor, BACKLOG) != 0 ||
        getsockname(descriptor, (struct sockaddr *)address, &length) != 0) {
        close(descriptor);
        return LEDIG_EIO;
    }
    *listener = descriptor;
    return 0;
}

static int secure(struct limit_sockets *sockets, SSL_CTX *tls) {
    for (size_t i = 0; i < sockets->count; i++) {
        SSL *ssl = sockets->ssl[i] = SSL_new(tls);
        if (!ssl || SSL_set_fd(ssl, sockets->descriptor[i]) != 1 || SSL_accept(ssl) != 1) return LEDIG_EIO;
    }
    return 0;
}

int limit_accept(int listener, struct limit_sockets *sockets, SSL_CTX *tls) {
    for (size_t i = 0; i < sockets->count; i++) {
        int descriptor;
        do
            descriptor = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        while (descriptor < 0 && errno == EINTR);
        if (descriptor < 0) return LEDIG_EIO;
        int one = 1;
        struct timeval patience = {.tv_sec = PATIENCE_S};
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience); /* for TLS */
        sockets->descriptor[i] = descriptor;
    }
    return tls ? secure(sockets, tls) : 0;
}

int limit_connect(const struct sockaddr_in *address, int *connected) {
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return LEDIG_EIO;
    if (connect(descriptor, (const struct sockaddr *)address, sizeof *address) != 0) {
        close(descriptor);
        return LEDIG_EIO;
    }
    *connected = descriptor;
    return 0;
}

int limit_read(int descriptor, void *bytes, size_t length) {
    for (uint8_t *at = bytes; length > 0;) {
        ssize_t got = read(descriptor, at, length);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return LEDIG_EIO;
        at += got;
        length -= (size_t)got;
    }
    return 0;
}

int limit_write(int descriptor, const void *bytes, size_t length) {
    for (const uint8_t *at = bytes; length > 0;) {
        ssize_t put = write(descriptor, at, length);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return LEDIG_EIO;
        at += put;
        length -= (size_t)put;
    }
    return 0;
}
