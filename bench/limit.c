/* limit: how many sends a second one core can do, with nothing around them. The yardstick for every fan-out figure. */
#include "bench/limit_loop.h"
#include "bench/report.h"
#include "bench/terminal.h"
#include "bench/tls.h"
#include "protocol/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOCKETS_MAX 1000000
#define BYTES_MAX (16 * 1024 * 1024)
#define SECONDS_MAX 3600
#define DESCRIPTORS_SPARE 32
#define RECEIVE_BYTES (256 * 1024)
#define EVENTS 256

struct limit {
    long sockets, bytes;
    double seconds;
    bool tls;
    const char *json;
    struct cores cores;
    SSL_CTX *client, *server; /* NULL without TLS */
};

static const char help[] =
    "Usage: limit --sockets N --bytes B [--seconds S] [--tls] [--json FILE]\n"
    "\n"
    "Sends B bytes to each of N loopback TCP sockets in turn, from one thread on one core, to a process on another "
    "core\n"
    "that reads and drops them: the most that any fan-out over as many connections could reach here.\n"
    "\n"
    "  --sockets N   connections (1,000 if not said)\n"
    "  --bytes B     in each send (64 if not said)\n"
    "  --seconds S   how long (2 if not said)\n"
    "  --tls         by SSL_write, TLS 1.3 with a P-256 certificate\n"
    "  --json FILE   the result as one JSON object; - is standard output\n"
    "\n"
    "Examples:\n"
    "  limit --sockets 1000 --bytes 80\n"
    "  limit --sockets 10000 --bytes 16384 --seconds 5 --json limit.json\n"
    "\n"
    "Exit code 0; 1 where it could not be set up; 2 where bytes were lost.\n";

static bool parse_number(const char *text, double low, double high, double *value) {
    char *end;
    errno = 0;
    *value = strtod(text, &end);
    return errno == 0 && end != text && *end == '\0' && *value >= low && *value <= high;
}

/* 0, 1 to end with success, or a negative error after a complaint. */
static int parse(int argc, char **argv, struct limit *limit) {
    static const struct option options[] = {{"sockets", required_argument, NULL, 'n'},
                                            {"bytes", required_argument, NULL, 'b'},
                                            {"seconds", required_argument, NULL, 's'},
                                            {"json", required_argument, NULL, 'j'},
                                            {"tls", no_argument, NULL, 't'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    double value;
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (option) {
        case 'n':
            if (!parse_number(optarg, 1, SOCKETS_MAX, &value))
                return complain(LEDIG_EBAD_REQUEST, "--sockets takes 1 to %d", SOCKETS_MAX);
            limit->sockets = (long)value;
            break;
        case 'b':
            if (!parse_number(optarg, 1, BYTES_MAX, &value))
                return complain(LEDIG_EBAD_REQUEST, "--bytes takes 1 to %d", BYTES_MAX);
            limit->bytes = (long)value;
            break;
        case 's':
            if (!parse_number(optarg, 0.01, SECONDS_MAX, &limit->seconds))
                return complain(LEDIG_EBAD_REQUEST, "--seconds takes 0.01 to %d", SECONDS_MAX);
            break;
        case 't':
            limit->tls = true;
            break;
        case 'j':
            limit->json = optarg;
            break;
        case 'h':
            fputs(help, stdout);
            return 1;
        default:
            return LEDIG_EBAD_REQUEST;
        }
    }
    if (optind < argc) return complain(LEDIG_EBAD_REQUEST, "what is \"%s\"? See limit --help", argv[optind]);
    return 0;
}

/* What one read gives: by TLS less than the socket had. */
static ssize_t receive(int descriptor, SSL *ssl, uint8_t *scratch) {
    if (!ssl) return recv(descriptor, scratch, RECEIVE_BYTES, 0);
    ssize_t all = 0, got;
    do { /* what was read ahead is no event of the socket any more */
        got = tls_read(ssl, scratch, RECEIVE_BYTES);
        if (got > 0) all += got;
    } while (got > 0 && SSL_has_pending(ssl));
    return all > 0 ? all : got;
}

static int connect_all(const struct limit *limit, const struct sockaddr_in *address, struct limit_sockets *sockets) {
    int error = limit_sockets_open(sockets, (size_t)limit->sockets, limit->client != NULL);
    for (size_t i = 0; i < sockets->count && error == 0; i++)
        error = limit_connect(address, &sockets->descriptor[i]);
    for (size_t i = 0; limit->client && i < sockets->count && error == 0; i++) {
        SSL *ssl = sockets->ssl[i] = SSL_new(limit->client);
        if (!ssl || SSL_set_fd(ssl, sockets->descriptor[i]) != 1 || SSL_connect(ssl) != 1) return LEDIG_EIO;
        if (fcntl(sockets->descriptor[i], F_SETFL, O_NONBLOCK) != 0) return LEDIG_EIO;
    }
    return error;
}

/* Reads and drops until every peer has closed, then tells how many bytes that were. */
static int drain(const struct limit *limit, const struct sockaddr_in *address, int tell) {
    if (cores_pin(limit->cores.generator) != 0) return 1;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    static uint8_t scratch[RECEIVE_BYTES];
    struct limit_sockets sockets;
    if (connect_all(limit, address, &sockets) != 0) return 1;
    for (size_t i = 0; i < sockets.count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, sockets.descriptor[i], &event) != 0) return 1;
    }
    uint64_t bytes = 0;
    for (long open = limit->sockets; open > 0;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int descriptor = sockets.descriptor[events[i].data.u64];
            ssize_t got = receive(descriptor, sockets.ssl ? sockets.ssl[events[i].data.u64] : NULL, scratch);
            if (got > 0) {
                bytes += (uint64_t)got;
            } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
                epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, NULL);
                open--;
            }
        }
    }
    return limit_write(tell, &bytes, sizeof bytes) == 0 ? 0 : 1;
}

/* One round that counts, after a short one that does not. */
static int send_all(const struct limit *limit, int listener, struct limit_result *result, uint64_t *bytes) {
    struct limit_sockets sockets;
    uint8_t *frame = malloc((size_t)limit->bytes);
    int error = limit_sockets_open(&sockets, (size_t)limit->sockets, limit->server != NULL);
    if (!frame) error = LEDIG_ENO_MEMORY;
    if (error == 0) error = limit_accept(listener, &sockets, limit->server);
    struct limit_result warm_up = {0};
    if (error == 0) {
        memset(frame, 'x', (size_t)limit->bytes);
        error = cores_pin(limit->cores.server);
    }
    if (error == 0) error = limit_loop(&sockets, frame, (size_t)limit->bytes, 1, &warm_up);
    if (error == 0) error = limit_loop(&sockets, frame, (size_t)limit->bytes, (int64_t)(limit->seconds * 1e9), result);
    *bytes = (warm_up.sends + result->sends) * (uint64_t)limit->bytes;
    limit_sockets_close(&sockets);
    free(frame);
    return error;
}

static int show(const struct limit *limit, const struct limit_result *result, uint64_t sent, uint64_t received) {
    double seconds = (double)result->elapsed_ns / 1e9, rate = (double)result->sends / seconds;
    char sends[REPORT_GROUPED_CHARS], a_second[REPORT_GROUPED_CHARS], sockets[REPORT_GROUPED_CHARS];
    int error = 0;
    if (limit->json) {
        json_t *report = report_begin("limit", &limit->cores);
        report_count(report, "sockets", limit->sockets);
        report_count(report, "bytes", limit->bytes);
        json_object_set_new(report, "tls", json_boolean(limit->tls));
        report_number(report, "seconds", seconds);
        report_count(report, "sends", (int64_t)result->sends);
        report_number(report, "sends_per_s", rate);
        report_number(report, "sends_per_cpu_s", (double)result->sends * 1e9 / (double)result->cpu_ns);
        report_number(report, "cpu_s", (double)result->cpu_ns / 1e9);
        report_number(report, "bytes_per_s", rate * (double)limit->bytes);
        report_count(report, "lost_bytes", (int64_t)(sent - received));
        error = report_write(report, limit->json);
        json_decref(report);
    }
    if (!limit->json || strcmp(limit->json, "-") != 0)
        printf("%s sends of %ld bytes to %s sockets in %.2f s: %s a second, %.1f MB/s\n",
               report_grouped((double)result->sends, sends), limit->bytes,
               report_grouped((double)limit->sockets, sockets), seconds, report_grouped(rate, a_second),
               rate * (double)limit->bytes / 1e6);
    if (error != 0) return 1;
    if (sent == received) return 0;
    complain(0, "%lld bytes of %lld were lost", (long long)(sent - received), (long long)sent);
    return 2;
}

static int measure(const struct limit *limit) {
    struct sockaddr_in address;
    int listener, tell[2];
    struct limit_result result = {0};
    uint64_t sent = 0, received = 0;
    if (limit_listen(&address, &listener) != 0) return complain(1, "cannot listen on loopback: %s", strerror(errno));
    if (pipe(tell) != 0) return complain(1, "no pipe: %s", strerror(errno));
    pid_t receiver = fork();
    if (receiver < 0) return complain(1, "cannot start the receiver: %s", strerror(errno));
    if (receiver == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(tell[0]);
        close(listener);
        _exit(drain(limit, &address, tell[1]));
    }
    close(tell[1]);
    int error = send_all(limit, listener, &result, &sent);
    close(listener);
    if (error == 0) error = limit_read(tell[0], &received, sizeof received);
    close(tell[0]);
    if (error != 0) kill(receiver, SIGKILL);
    waitpid(receiver, NULL, 0);
    if (error != 0) return complain(1, "the loop broke off: %s", ledig_error_meaning(error));
    return show(limit, &result, sent, received);
}

/* The identity is needed only until both have read it. */
static int open_contexts(struct limit *limit) {
    char directory[PATH_MAX], cert[PATH_MAX + 16], key[PATH_MAX + 16];
    const char *base = getenv("TMPDIR");
    if (snprintf(directory, sizeof directory, "%s/limit-XXXXXX", base && *base ? base : "/tmp") >=
            (int)sizeof directory ||
        !mkdtemp(directory))
        return complain(LEDIG_EIO, "no temporary directory: %s", strerror(errno));
    snprintf(cert, sizeof cert, "%s/cert.pem", directory);
    snprintf(key, sizeof key, "%s/key.pem", directory);
    if (tls_write_identity(cert, key) == 0) {
        limit->server = tls_server(cert, key);
        limit->client = tls_client(cert, "127.0.0.1");
    }
    unlink(cert);
    unlink(key);
    rmdir(directory);
    return limit->server && limit->client ? 0 : complain(LEDIG_EIO, "no certificate could be made");
}

int main(int argc, char **argv) {
    struct limit limit = {.sockets = 1000, .bytes = 64, .seconds = 2, .cores = cores_choose()};
    int parsed = parse(argc, argv, &limit);
    if (parsed != 0) return parsed > 0 ? 0 : 1;
    struct rlimit descriptors;
    if (getrlimit(RLIMIT_NOFILE, &descriptors) == 0) {
        descriptors.rlim_cur = descriptors.rlim_max;
        setrlimit(RLIMIT_NOFILE, &descriptors);
        if (limit.sockets + DESCRIPTORS_SPARE > (long)descriptors.rlim_cur)
            return complain(1, "%ld sockets need more than the %ld descriptors that a process may have here",
                            limit.sockets, (long)descriptors.rlim_cur);
    }
    report_warn_of_build();
    signal(SIGPIPE, SIG_IGN);
    int code = limit.tls && open_contexts(&limit) != 0 ? 1 : measure(&limit);
    SSL_CTX_free(limit.client);
    SSL_CTX_free(limit.server);
    return code;
}
