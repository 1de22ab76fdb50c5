#include "broker/backup/snapshot_server.h"
#include "protocol/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STEP_MS 10
#define CONNECT_S 5
#define ANSWER_S 60

static void pause_ms(long ms) {
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* In the child. */
static _Noreturn void become_redis(const char *directory, const char *name, const char *socket, pid_t parent) {
    static const char *const programs[] = {"redis-server", "valkey-server"};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(0);
    signal(SIGXFSZ, SIG_DFL);
    umask(0077);
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0)
        _exit(126);
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++)
        execlp(programs[i], programs[i], "--port", "0", "--unixsocket", socket, "--unixsocketperm", "700", "--dir",
               directory, "--dbfilename", name, "--save", "", "--appendonly", "no", "--appendfsync", "always",
               "--databases", "1", "--daemonize", "no", "--always-show-logo", "no", (char *)NULL);
    _exit(127);
}

/* Whether it answers and has loaded: 1; 0: not yet. */
static int answers(struct snapshot_server *server, const char *socket) {
    if (!server->redis) server->redis = redisConnectUnixWithTimeout(socket, (struct timeval){CONNECT_S, 0});
    if (server->redis && !server->redis->err) {
        redisSetTimeout(server->redis, (struct timeval){ANSWER_S, 0});
        redisReply *reply = redisCommand(server->redis, "PING");
        bool loaded = reply && reply->type == REDIS_REPLY_STATUS;
        freeReplyObject(reply);
        if (loaded) return 1;
        if (!server->redis->err) return 0;
    }
    if (server->redis) redisFree(server->redis);
    server->redis = NULL;
    return 0;
}

static void forget_folder(struct snapshot_server *server) {
    char socket[80];
    snprintf(socket, sizeof socket, "%s/s", server->folder);
    unlink(socket);
    rmdir(server->folder);
}

static int wait_until_loaded(struct snapshot_server *server, const char *socket) {
    int status;
    while (!answers(server, socket)) {
        if (waitpid(server->pid, &status, WNOHANG) == server->pid) {
            server->pid = 0;
            errno = ENOENT;
            return WIFEXITED(status) && WEXITSTATUS(status) == 127 ? LEDIG_EIO : LEDIG_EDAMAGED;
        }
        pause_ms(STEP_MS);
    }
    return 0;
}

int snapshot_server_start(struct snapshot_server *server, const char *path) {
    char directory[PATH_MAX], socket[80];
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    *server = (struct snapshot_server){.folder = "/tmp/ledig-snapshot-XXXXXX"};
    if (!slash)
        strcpy(directory, ".");
    else if (snprintf(directory, sizeof directory, "%.*s", (int)(slash - path) + 1, path) >= (int)sizeof directory)
        return LEDIG_ETOO_LARGE;
    if (access(path, R_OK) != 0 || !mkdtemp(server->folder)) return LEDIG_EIO;
    snprintf(socket, sizeof socket, "%s/s", server->folder);
    pid_t parent = getpid();
    server->pid = fork();
    if (server->pid == 0) become_redis(directory, name, socket, parent);
    int error = server->pid > 0 ? wait_until_loaded(server, socket) : LEDIG_EIO;
    if (error) {
        int cause = errno;
        forget_folder(server);
        errno = cause;
    }
    return error;
}

void snapshot_server_stop(struct snapshot_server *server) {
    int status;
    if (server->redis) redisFree(server->redis);
    if (server->pid > 0) {
        kill(server->pid, SIGTERM);
        while (waitpid(server->pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    forget_folder(server);
}
