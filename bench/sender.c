#include "bench/sender.h"
#include "bench/cores.h"
#include "protocol/errors.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct order {
    int64_t duration_ns;
    uint64_t length; /* bytes of the frame that follow */
};

static int obey(int channel, const struct limit_sockets *sockets) {
    struct order order;
    while (limit_read(channel, &order, sizeof order) == 0) {
        uint8_t *frame = malloc(order.length);
        struct limit_result result = {0};
        if (!frame || limit_read(channel, frame, order.length) != 0 ||
            limit_loop(sockets, frame, order.length, order.duration_ns, &result) != 0 ||
            limit_write(channel, &result, sizeof result) != 0) {
            free(frame);
            return 1;
        }
        free(frame);
    }
    return 0; /* the bench has closed its end */
}

static int serve(int channel, uint32_t count, int core, SSL_CTX *tls) {
    struct sockaddr_in address;
    struct limit_sockets sockets;
    int listener;
    uint8_t ready = 1;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_IGN); /* the bench ends it */
    signal(SIGPIPE, SIG_IGN);
    if (limit_sockets_open(&sockets, count, tls != NULL) != 0 || cores_pin(core) != 0 ||
        limit_listen(&address, &listener) != 0 || limit_write(channel, &address, sizeof address) != 0 ||
        limit_accept(listener, &sockets, tls) != 0 || limit_write(channel, &ready, 1) != 0)
        return 1; /* with what is open: the process ends */
    close(listener);
    int status = obey(channel, &sockets);
    limit_sockets_close(&sockets);
    return status;
}

int sender_start(struct sender *sender, uint32_t count, int core, SSL_CTX *tls) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return LEDIG_EIO;
    sender->pid = fork();
    if (sender->pid == 0) {
        close(ends[0]);
        _exit(serve(ends[1], count, core, tls));
    }
    close(ends[1]);
    sender->channel = ends[0];
    if (sender->pid < 0) {
        close(ends[0]);
        sender->pid = 0;
        return LEDIG_EIO;
    }
    return limit_read(sender->channel, &sender->address, sizeof sender->address);
}

void sender_stop(struct sender *sender) {
    if (sender->pid <= 0) return;
    close(sender->channel);
    kill(sender->pid, SIGKILL); /* it may be in the middle of a round */
    waitpid(sender->pid, NULL, 0);
    sender->pid = 0;
}

int sender_ready(struct sender *sender) {
    uint8_t ready;
    ssize_t got = recv(sender->channel, &ready, 1, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    return got == 1 ? 1 : LEDIG_EIO;
}

int sender_begin(struct sender *sender, const uint8_t *frame, size_t length, int64_t duration_ns) {
    struct order order = {duration_ns, length};
    int error = limit_write(sender->channel, &order, sizeof order);
    return error ? error : limit_write(sender->channel, frame, length);
}

int sender_poll(struct sender *sender, struct limit_result *result) {
    uint8_t first;
    ssize_t got = recv(sender->channel, &first, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (got <= 0 || limit_read(sender->channel, result, sizeof *result) != 0) return LEDIG_EIO;
    return 1;
}
