#include "bench/subject.h"
#include "bench/terminal.h"
#include "bench/tls.h"
#include "protocol/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_MS 60000 /* a sanitizer build on a busy machine */
#define STOP_MS 15000
#define STEP_MS 20

/* "ws://host:port/path" for the scheme "ws". Loopback and addresses in figures are what a bench needs; names work too.
 */
static int parse_url(const char *url, const char *scheme, struct endpoint *endpoint) {
    size_t prefix = strlen(scheme);
    if (strncmp(url, scheme, prefix) != 0 || strncmp(url + prefix, "://", 3) != 0)
        return complain(LEDIG_EBAD_REQUEST, "%s is no %s:// address", url, scheme);
    const char *host = url + prefix + 3, *path = strchr(host, '/');
    size_t length = path ? (size_t)(path - host) : strlen(host);
    if (length == 0 || length >= sizeof endpoint->host || (path && strlen(path) >= sizeof endpoint->path))
        return complain(LEDIG_EBAD_REQUEST, "%s is too long, or names no host", url);
    snprintf(endpoint->host, sizeof endpoint->host, "%.*s", (int)length, host);
    snprintf(endpoint->path, sizeof endpoint->path, "%s", path ? path : "");
    char name[SUBJECT_HOST_CHARS];
    snprintf(name, sizeof name, "%s", endpoint->host);
    char *port = strrchr(name, ':');
    if (port) *port++ = '\0';
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
    int error = getaddrinfo(name, port ? port : strcmp(scheme, "wss") == 0 ? "443" : "80", &hints, &found);
    if (error != 0) return complain(LEDIG_EIO, "%s cannot be found: %s", url, gai_strerror(error));
    memcpy(&endpoint->address, found->ai_addr, sizeof endpoint->address);
    freeaddrinfo(found);
    return 0;
}

/* ws:// or wss:// */
static int parse_app_url(const char *url, struct endpoint *endpoint) {
    bool tls = strncmp(url, "wss://", 6) == 0;
    int error = parse_url(url, tls ? "wss" : "ws", endpoint);
    endpoint->tls = tls;
    return error;
}

static int set_urls(struct subject *subject, const char *url, const char *router_url) {
    if (!url || !router_url)
        return complain(LEDIG_EBAD_REQUEST, "%s/ledigd.json is not there or names no routers' port; give --router-url",
                        subject->data);
    int error = parse_app_url(url, &subject->apps);
    return error ? error : parse_url(router_url, "http", &subject->routers);
}

/* DATA/ledigd.json; NULL where there is none that can be read. */
static json_t *read_description(const struct subject *subject) {
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/ledigd.json", subject->data);
    return json_load_file(path, 0, NULL);
}

static void find_workers(struct subject *subject, const json_t *description) {
    size_t index;
    json_t *worker;
    subject->worker_count = 0;
    subject->redis = (pid_t)json_integer_value(json_object_get(description, "redis_pid"));
    json_array_foreach(json_object_get(description, "workers"), index, worker) {
        const char *kind = json_string_value(json_object_get(worker, "kind"));
        pid_t pid = (pid_t)json_integer_value(json_object_get(worker, "pid"));
        if (kind && strcmp(kind, "router") == 0) subject->router = pid;
        if (!kind || strcmp(kind, "app") != 0 || subject->worker_count == SUBJECT_WORKERS_MAX) continue;
        if (process_rss_bytes(pid) >= 0) subject->workers[subject->worker_count++] = pid;
    }
}

int subject_attach(struct subject *subject, const char *data, const char *url, const char *router_url) {
    *subject = (struct subject){0};
    snprintf(subject->data, sizeof subject->data, "%s", data);
    json_t *description = read_description(subject);
    if (!router_url) router_url = json_string_value(json_object_get(description, "router_url"));
    int error = set_urls(subject, url, router_url);
    if (error == 0) find_workers(subject, description);
    json_decref(description);
    return error;
}

/* ---- A broker of our own ---- */

static int find_program(char path[static PATH_MAX]) {
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 16);
    if (length <= 0) return complain(LEDIG_EIO, "where this program lies cannot be told: %s", strerror(errno));
    path[length] = '\0';
    strcpy(strrchr(path, '/') + 1, "ledigd");
    if (access(path, X_OK) != 0) return complain(LEDIG_EIO, "there is no %s; build it, or give --url", path);
    return 0;
}

void subject_identity(const struct subject *subject, char cert[static SUBJECT_PATH_CHARS],
                      char key[static SUBJECT_PATH_CHARS]) {
    snprintf(cert, SUBJECT_PATH_CHARS, "%s/bench-cert.pem", subject->data);
    snprintf(key, SUBJECT_PATH_CHARS, "%s/bench-key.pem", subject->data);
}

/* A few people of a bench send what a whole company does. */
static const char *const unlimited[] = {"--limit-user-messages=off", "--limit-user-bytes=off",
                                        "--limit-company-messages=off", "--limit-company-bytes=off"};
#define UNLIMITED (sizeof unlimited / sizeof *unlimited)

static _Noreturn void become_broker(const struct subject *subject, const char *program,
                                    const struct subject_options *options, int output) {
    char log[PATH_MAX + 16], workers[16], cert[SUBJECT_PATH_CHARS], key[SUBJECT_PATH_CHARS];
    snprintf(workers, sizeof workers, "%u", (unsigned)options->workers);
    subject_identity(subject, cert, key);
    snprintf(log, sizeof log, "%s.log", subject->data);
    int errors = open(log, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGPIPE, SIG_DFL);
    if (dup2(output, STDOUT_FILENO) < 0 || errors < 0 || dup2(errors, STDERR_FILENO) < 0) _exit(127);
    setpgid(0, 0); /* Ctrl-C is for the bench, which then stops the broker in order */
    const char *arguments[15 + UNLIMITED + SUBJECT_FLAGS_MAX + 1] = {
        "ledigd",      "--data",       subject->data, "--listen",  "127.0.0.1:0", "--router-listen",
        "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--workers", workers};
    size_t count = 11;
    const char *const secured[] = {"--tls-cert", cert, "--tls-key", key};
    for (size_t i = 0; options->tls && i < 4; i++)
        arguments[count++] = secured[i];
    for (size_t i = 0; i < UNLIMITED; i++)
        arguments[count++] = unlimited[i];
    for (size_t i = 0; options->flags && options->flags[i] && i < SUBJECT_FLAGS_MAX; i++)
        arguments[count++] = options->flags[i];
    execv(program, (char *const *)(uintptr_t)arguments);
    _exit(127);
}

/* The last line that the broker left on standard error. */
static void last_words(const struct subject *subject, char *line, size_t size) {
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s.log", subject->data);
    snprintf(line, size, "(it said nothing)");
    FILE *file = fopen(path, "re");
    if (!file) return;
    char next[512];
    while (fgets(next, sizeof next, file)) {
        next[strcspn(next, "\n")] = '\0';
        if (next[0]) snprintf(line, size, "%s", next);
    }
    fclose(file);
}

/* Until there is a whole line on the broker's standard output. */
static int await_ready(struct subject *subject, int output) {
    char line[1024], words[512];
    size_t length = 0;
    int64_t deadline_ns = clock_now_ns() + READY_MS * INT64_C(1000000);
    while (clock_now_ns() < deadline_ns) {
        if (interrupt_asked()) return complain(LEDIG_EIO, "interrupted");
        struct pollfd wait = {.fd = output, .events = POLLIN};
        if (poll(&wait, 1, STEP_MS) <= 0) continue;
        ssize_t got = read(output, line + length, sizeof line - length);
        if (got <= 0) {
            last_words(subject, words, sizeof words);
            return complain(LEDIG_EIO, "ledigd did not start: %s", words);
        }
        length += (size_t)got;
        if (memchr(line, '\n', length) || length == sizeof line) return 0;
    }
    return complain(LEDIG_EIO, "ledigd was not ready after %d s", READY_MS / 1000);
}

int subject_start(struct subject *subject, const struct cores *cores, const struct subject_options *options) {
    char program[PATH_MAX];
    int output[2], error;
    *subject = (struct subject){0};
    if ((error = find_program(program)) != 0) return error;
    const char *base = getenv("TMPDIR");
    snprintf(subject->data, sizeof subject->data, "%s/ledig-bench-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(subject->data))
        return complain(LEDIG_EIO, "no temporary directory %s: %s", subject->data, strerror(errno));
    subject->started = true;
    if (options->tls) {
        char key[SUBJECT_PATH_CHARS];
        subject_identity(subject, subject->trust, key);
        if (tls_write_identity(subject->trust, key) != 0)
            return complain(LEDIG_EIO, "no certificate could be written into %s", subject->data);
    }
    if (pipe2(output, O_CLOEXEC) != 0) return complain(LEDIG_EIO, "no pipe: %s", strerror(errno));
    subject->pid = fork();
    if (subject->pid == 0) become_broker(subject, program, options, output[1]);
    close(output[1]);
    error = subject->pid < 0 ? complain(LEDIG_EIO, "no process: %s", strerror(errno)) : await_ready(subject, output[0]);
    close(output[0]);
    if (error != 0) return error;
    json_t *description = read_description(subject);
    error = set_urls(subject, json_string_value(json_object_get(description, "url")),
                     json_string_value(json_object_get(description, "router_url")));
    if (error == 0) find_workers(subject, description);
    json_decref(description);
    for (size_t i = 0; i < subject->worker_count; i++)
        if (process_pin(subject->workers[i], cores_of_server(cores, (uint32_t)i)) != 0)
            error = complain(LEDIG_EIO, "cannot choose a core");
    return error;
}

/* Whether its port takes connections. */
static bool listens(const struct endpoint *endpoint) {
    int caller = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool taken =
        caller >= 0 && connect(caller, (const struct sockaddr *)&endpoint->address, sizeof endpoint->address) == 0;
    if (caller >= 0) close(caller);
    return taken;
}

int subject_renew_router(struct subject *subject) {
    const pid_t former = subject->router;
    const int64_t deadline_ns = clock_now_ns() + READY_MS * INT64_C(1000000);
    if (!subject->started || former <= 0 || kill(former, SIGKILL) != 0)
        return complain(LEDIG_EIO, "the router worker cannot be ended: %s", strerror(errno));
    while (clock_now_ns() < deadline_ns) {
        if (interrupt_asked()) return complain(LEDIG_EIO, "interrupted");
        json_t *description = read_description(subject);
        if (description) find_workers(subject, description);
        json_decref(description);
        if (subject->router != former && subject->router > 0 && listens(&subject->routers)) return 0;
        poll(NULL, 0, STEP_MS);
    }
    return complain(LEDIG_EIO, "the router worker did not come up again within %d s", READY_MS / 1000);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)status, (void)type, (void)walk;
    return remove(path);
}

void subject_stop(struct subject *subject) {
    if (!subject->started) return;
    subject->started = false;
    int64_t deadline_ns = clock_now_ns() + STOP_MS * INT64_C(1000000);
    bool gone = subject->pid <= 0;
    if (!gone) kill(subject->pid, SIGTERM);
    while (!gone && clock_now_ns() < deadline_ns) {
        gone = waitpid(subject->pid, NULL, WNOHANG) == subject->pid;
        if (!gone) poll(NULL, 0, STEP_MS);
    }
    if (!gone) {
        complain(0, "ledigd did not stop within %d s and was killed", STOP_MS / 1000);
        kill(subject->pid, SIGKILL); /* its children go with it */
        waitpid(subject->pid, NULL, 0);
    }
    char log[PATH_MAX + 16];
    snprintf(log, sizeof log, "%s.log", subject->data);
    unlink(log);
    if (nftw(subject->data, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0)
        complain(0, "%s could not be removed: %s", subject->data, strerror(errno));
}

int64_t subject_cpu_ns(const struct subject *subject) {
    int64_t sum = subject->worker_count ? 0 : -1;
    for (size_t i = 0; i < subject->worker_count; i++) {
        int64_t spent = process_cpu_ns(subject->workers[i]);
        if (spent < 0) return -1;
        sum += spent;
    }
    return sum;
}

int64_t subject_rss_bytes(const struct subject *subject) {
    int64_t sum = subject->worker_count ? 0 : -1;
    for (size_t i = 0; i < subject->worker_count; i++) {
        int64_t resident = process_rss_bytes(subject->workers[i]);
        if (resident < 0) return -1;
        sum += resident;
    }
    return sum;
}

int64_t subject_store_write_ns(const struct subject *subject) {
    static const char request[] = "*3\r\n$3\r\nSET\r\n$11\r\nledig:bench\r\n$1\r\n1\r\n";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char answer[64];
    if (snprintf(address.sun_path, sizeof address.sun_path, "%s/redis/redis.sock", subject->data) >=
        (int)sizeof address.sun_path)
        return -1;
    int store = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int64_t began_ns = 0, took_ns = -1;
    if (store >= 0 && connect(store, (struct sockaddr *)&address, sizeof address) == 0) {
        began_ns = clock_now_ns();
        if (send(store, request, sizeof request - 1, MSG_NOSIGNAL) == sizeof request - 1 &&
            recv(store, answer, sizeof answer, 0) > 0 && answer[0] == '+')
            took_ns = clock_now_ns() - began_ns;
    }
    if (store >= 0) close(store);
    return took_ns;
}
