#include "bench/peers/server.h"
#include "bench/cores.h"
#include "bench/terminal.h"
#include "protocol/errors.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define STARTS_MAX 3 /* a port that was free may be taken a moment later */
#define READY_MS 15000
#define STOP_MS 10000
#define STEP_MS 10
#define CONFIG "server.conf"
#define LOG "server.log"

/* Debian puts servers into the sbin beside a bin, which is not in everybody's PATH. */
static bool is_in(const char *directory, int length, const char *name, char program[static PATH_MAX]) {
    static const char *const places[] = {"", "/../sbin"};
    const bool is_bin = length >= 4 && memcmp(directory + length - 4, "/bin", 4) == 0;
    for (size_t i = 0; length > 0 && i < (is_bin ? 2 : 1); i++) {
        int written = snprintf(program, PATH_MAX, "%.*s%s/%s", length, directory, places[i], name);
        if (written < PATH_MAX && access(program, X_OK) == 0) return true;
    }
    return false;
}

bool server_find(const struct peer *peer, char program[static PATH_MAX]) {
    const char *path = getenv("PATH");
    while (path && *path) {
        int length = (int)strcspn(path, ":");
        if (is_in(path, length, peer->program, program)) return true;
        path += length + (path[length] == ':');
    }
    return false;
}

void server_version(const struct peer *peer, const char *program, char version[static SERVER_VERSION_CHARS]) {
    int output[2];
    char line[256] = "";
    snprintf(version, SERVER_VERSION_CHARS, "unknown");
    if (pipe2(output, O_CLOEXEC) != 0) return;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(output[1], STDOUT_FILENO);
        dup2(output[1], STDERR_FILENO);
        execl(program, peer->program, peer->version_flag, (char *)NULL);
        _exit(127);
    }
    close(output[1]);
    FILE *file = fdopen(output[0], "r");
    if (file && fgets(line, sizeof line, file)) {
        const char *from = line + strcspn(line, "0123456789");
        int length = (int)strspn(from, "0123456789.");
        if (length > 0 && length < SERVER_VERSION_CHARS) snprintf(version, SERVER_VERSION_CHARS, "%.*s", length, from);
    }
    while (file && fgets(line, sizeof line, file)) /* so that it need not mind a closed pipe */
        ;
    if (file)
        fclose(file);
    else
        close(output[0]);
    if (pid > 0) waitpid(pid, NULL, 0);
}

/* ---- Starting ---- */

static unsigned free_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool found = descriptor >= 0 && bind(descriptor, (struct sockaddr *)&address, length) == 0 &&
                 getsockname(descriptor, (struct sockaddr *)&address, &length) == 0;
    if (descriptor >= 0) close(descriptor);
    return found ? ntohs(address.sin_port) : 0;
}

static int in_directory(const struct server *server, const char *name, int flags) {
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/%s", server->directory, name);
    return open(path, flags | O_CLOEXEC, 0600);
}

static int write_config(const struct server *server, const struct peer *peer, uint32_t connections) {
    int descriptor = in_directory(server, CONFIG, O_CREAT | O_WRONLY | O_TRUNC);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    if (!file) return LEDIG_EIO;
    peer->configure(file, server->port, connections);
    bool written = !ferror(file);
    return fclose(file) == 0 && written ? 0 : LEDIG_EIO;
}

static _Noreturn void become_server(const struct server *server, const struct peer *peer, const char *program,
                                    int core) {
    char config[PATH_MAX + 16];
    snprintf(config, sizeof config, "%s/" CONFIG, server->directory);
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC), log = in_directory(server, LOG, O_CREAT | O_WRONLY | O_TRUNC);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* it keeps nothing */
    signal(SIGPIPE, SIG_DFL);
    setpgid(0, 0); /* Ctrl-C is for the bench */
    if (cores_pin(core) != 0 || chdir(server->directory) != 0 || dup2(nothing, STDIN_FILENO) < 0 ||
        dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0)
        _exit(127);
    execl(program, peer->program, "-c", config, peer->directory_flag, server->directory, (char *)NULL);
    _exit(127);
}

static bool takes_connections(unsigned port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected = descriptor >= 0 && connect(descriptor, (struct sockaddr *)&address, sizeof address) == 0;
    if (descriptor >= 0) close(descriptor);
    return connected;
}

/* 0, LEDIG_EUNAVAILABLE where it ended at once, or another error. */
static int await_ready(struct server *server) {
    int64_t deadline_ns = clock_now_ns() + READY_MS * INT64_C(1000000);
    while (clock_now_ns() < deadline_ns) {
        if (interrupt_asked()) return LEDIG_EIO;
        if (waitpid(server->pid, NULL, WNOHANG) == server->pid) {
            server->pid = 0;
            return LEDIG_EUNAVAILABLE;
        }
        if (takes_connections(server->port)) return 0;
        poll(NULL, 0, STEP_MS);
    }
    return LEDIG_EIO;
}

/* The last line of its log, for the complaint. */
static void last_words(const struct server *server, char *line, size_t size) {
    char next[256];
    int descriptor = in_directory(server, LOG, O_RDONLY);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "r");
    snprintf(line, size, "(it said nothing)");
    while (file && fgets(next, sizeof next, file)) {
        next[strcspn(next, "\n")] = '\0';
        if (next[0]) snprintf(line, size, "%s", next);
    }
    if (file) fclose(file);
}

int server_start(struct server *server, const struct peer *peer, const char *program, int core, uint32_t connections) {
    const char *base = getenv("TMPDIR");
    char words[256];
    int error = LEDIG_EUNAVAILABLE;
    *server = (struct server){0};
    snprintf(server->directory, sizeof server->directory, "%s/ledig-bench-%s-XXXXXX", base && *base ? base : "/tmp",
             peer->key);
    if (!mkdtemp(server->directory)) {
        error = complain(LEDIG_EIO, "no temporary directory %s: %s", server->directory, strerror(errno));
        server->directory[0] = '\0';
        return error;
    }
    for (int i = 0; i < STARTS_MAX && error == LEDIG_EUNAVAILABLE; i++) {
        server->port = free_port();
        if (server->port == 0 || write_config(server, peer, connections) != 0)
            return complain(LEDIG_EIO, "%s cannot be configured: %s", peer->program, strerror(errno));
        server->pid = fork();
        if (server->pid == 0) become_server(server, peer, program, core);
        if (server->pid < 0) {
            server->pid = 0;
            return complain(LEDIG_EIO, "no process: %s", strerror(errno));
        }
        error = await_ready(server);
    }
    last_words(server, words, sizeof words);
    return error ? complain(error, "%s did not start: %s", peer->program, words) : 0;
}

/* ---- Ending ---- */

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)status, (void)type, (void)walk;
    return remove(path);
}

void server_stop(struct server *server) {
    if (server->pid > 0) {
        int64_t deadline_ns = clock_now_ns() + STOP_MS * INT64_C(1000000);
        bool gone = false;
        kill(server->pid, SIGTERM);
        while (!gone && clock_now_ns() < deadline_ns) {
            gone = waitpid(server->pid, NULL, WNOHANG) == server->pid;
            if (!gone) poll(NULL, 0, STEP_MS);
        }
        if (!gone) {
            kill(server->pid, SIGKILL);
            waitpid(server->pid, NULL, 0);
        }
        server->pid = 0;
    }
    if (!server->directory[0]) return;
    if (nftw(server->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0)
        complain(0, "%s could not be removed: %s", server->directory, strerror(errno));
    server->directory[0] = '\0';
}
