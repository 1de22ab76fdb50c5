#include "broker/store/embedded_redis.h"

#include "broker/store/append_log.h"
#include "broker/store/redis_link.h"
#include "broker/store/redis_trouble.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define RESTART_FIRST_MS 100
#define RESTART_MAX_MS 5000
#define STEADY_MS 10000 /* one that ran this long is started again without much waiting */
#define PROBE_MS 1000
#define END_MS 10000                /* from SIGTERM to SIGKILL; no write is lost by that either */
#define LOG_BYTES_MAX (1024 * 1024) /* a longer log is put aside at the next start */
#define WHY_CHARS (PATH_MAX + 256)

/* It relies on the working directory, so that no path needs to be quoted. */
static const char CONFIGURATION[] = "# Written anew by ledigd at every start.\n"
                                    "port 0\n"
                                    "unixsocket redis.sock\n"
                                    "unixsocketperm 700\n"
                                    "daemonize no\n"
                                    "databases 1\n"
                                    "save \"\"\n"
                                    "appendonly yes\n"
                                    "appendfsync always\n"
                                    "no-appendfsync-on-rewrite no\n"
                                    "auto-aof-rewrite-min-size 1mb\n" /* what was withdrawn stays until a rewrite */
                                    "aof-load-truncated yes\n"        /* a torn tail was never acknowledged */
                                    "maxmemory-policy noeviction\n"
                                    "always-show-logo no\n";

enum state { STATE_BEGINNING, STATE_STARTING, STATE_READY, STATE_RESTARTING, STATE_FAILED, STATE_STOPPING };
enum notice { NOTICE_NONE, NOTICE_DOWN, NOTICE_FAILED };

struct embedded_redis {
    uv_loop_t *loop;
    struct embedded_redis_options options;
    char dir[PATH_MAX];
    char url[PATH_MAX + 32];
    enum state state;
    enum notice notice;
    char why[WHY_CHARS];
    pid_t pid;
    bool was_ready; /* at any time */
    unsigned attempts;
    uint64_t ready_ms;
    off_t log_from;           /* where the log of this server begins */
    struct redis_link *probe; /* until it answers */
    uv_timer_t timer;         /* the next start, or the patience with its end */
    uv_timer_t telling;       /* a notice, from the loop */
    unsigned open_parts;
    void (*stopped)(void *arg);
    void *stopped_arg;
};

static void on_start(uv_timer_t *timer);

/* ---- Telling ---- */

static void on_tell(uv_timer_t *timer) {
    struct embedded_redis *redis = timer->data;
    enum notice notice = redis->notice;
    char why[WHY_CHARS];
    memcpy(why, redis->why, sizeof why);
    redis->notice = NOTICE_NONE;
    if (redis->state == STATE_STOPPING) return;
    if (notice == NOTICE_DOWN && redis->options.down != NULL) redis->options.down(redis->options.arg, why);
    if (notice == NOTICE_FAILED && redis->options.failed != NULL) redis->options.failed(redis->options.arg, why);
}

/* It did not start, or ended: the last word where it never worked, a try more otherwise. `redis->why` says why. */
static void went_wrong(struct embedded_redis *redis) {
    if (!redis->was_ready) {
        redis->state = STATE_FAILED;
        redis->notice = NOTICE_FAILED;
    } else {
        uint64_t delay = RESTART_MAX_MS;
        if (redis->state == STATE_READY && uv_now(redis->loop) - redis->ready_ms >= STEADY_MS) redis->attempts = 0;
        if (redis->attempts < 6 && RESTART_FIRST_MS << redis->attempts < RESTART_MAX_MS) {
            delay = (uint64_t)RESTART_FIRST_MS << redis->attempts;
        }
        redis->attempts++;
        redis->state = STATE_RESTARTING;
        redis->notice = NOTICE_DOWN;
        uv_timer_start(&redis->timer, on_start, delay, 0);
    }
    uv_timer_start(&redis->telling, on_tell, 0, 0);
}

static void went_wrong_with(struct embedded_redis *redis, const char *what, const char *path) {
    snprintf(redis->why, sizeof redis->why, "%s %.*s: %s", what, PATH_MAX, path, strerror(errno));
    went_wrong(redis);
}

/* ---- Whether it answers ---- */

static void on_probe_closed(void *arg) {
    struct embedded_redis *redis = arg;
    redis->open_parts--;
}

static void end_probe(struct embedded_redis *redis) {
    if (redis->probe == NULL) return;
    struct redis_link *probe = redis->probe;
    redis->probe = NULL;
    redis_link_close(probe, on_probe_closed, redis);
}

static void on_answers(void *arg) {
    struct embedded_redis *redis = arg;
    end_probe(redis);
    redis->state = STATE_READY;
    redis->was_ready = true;
    redis->ready_ms = uv_now(redis->loop);
    if (redis->options.ready != NULL) redis->options.ready(redis->options.arg, redis->url);
}

static void on_does_not_answer(void *arg, const char *why) {
    (void)arg; /* it loads, or has not begun to listen; where it ends, that is told by its parent */
    (void)why;
}

static void begin_probe(struct embedded_redis *redis) {
    struct redis_address address;
    struct redis_link_options options = {
        .address = &address, .timeout_ms = PROBE_MS, .up = on_answers, .down = on_does_not_answer, .arg = redis};
    int error = redis_address_parse(redis->url, &address);
    if (error == 0) error = redis_link_open(redis->loop, &options, &redis->probe);
    if (error == 0) {
        redis->open_parts++;
    } else {
        kill(redis->pid, SIGKILL); /* its end is dealt with as any other */
    }
}

/* ---- Starting ---- */

static bool is_program(const char *directory, size_t length, const char *name, char path[static PATH_MAX]) {
    int written = length == 0 ? snprintf(path, PATH_MAX, "./%s", name)
                              : snprintf(path, PATH_MAX, "%.*s/%s", (int)length, directory, name);
    struct stat status;
    return written > 0 && written < PATH_MAX && stat(path, &status) == 0 && S_ISREG(status.st_mode) &&
           access(path, X_OK) == 0;
}

static bool find_program(char path[static PATH_MAX]) {
    static const char *const names[] = {"redis-server", "valkey-server"};
    const char *places = getenv("PATH");
    if (places == NULL) places = "/usr/local/bin:/usr/bin:/bin";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        for (const char *at = places; at != NULL;) {
            size_t length = strcspn(at, ":");
            if (is_program(at, length, names[i], path)) return true;
            at = at[length] == ':' ? at + length + 1 : NULL;
        }
    }
    return false;
}

static int make_dir(struct embedded_redis *redis) {
    char real[PATH_MAX];
    if (mkdir(redis->dir, 0700) != 0 && errno != EEXIST) return LEDIG_EIO;
    if (realpath(redis->dir, real) == NULL) return LEDIG_EIO;
    memcpy(redis->dir, real, sizeof real);
    snprintf(redis->url, sizeof redis->url, "unix:%s/redis.sock", redis->dir);
    return access(redis->dir, R_OK | W_OK | X_OK) == 0 ? 0 : LEDIG_EIO;
}

static int open_in(const struct embedded_redis *redis, const char *name, int flags) {
    int directory = open(redis->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return -1;
    int file = openat(directory, name, flags | O_CLOEXEC, 0600);
    int error = errno;
    close(directory);
    errno = error;
    return file;
}

static int write_configuration(const struct embedded_redis *redis) {
    int file = open_in(redis, "redis.conf", O_WRONLY | O_CREAT | O_TRUNC);
    if (file < 0) return LEDIG_EIO;
    ssize_t written = write(file, CONFIGURATION, sizeof CONFIGURATION - 1);
    int error = errno;
    close(file);
    errno = written < 0 ? error : ENOSPC;
    return written == (ssize_t)sizeof CONFIGURATION - 1 ? 0 : LEDIG_EIO;
}

/* The log, open for the server to write; a long one is put aside. -1 with errno. */
static int open_log(struct embedded_redis *redis) {
    int file = open_in(redis, "redis.log", O_WRONLY | O_CREAT | O_APPEND);
    if (file < 0) return -1;
    redis->log_from = lseek(file, 0, SEEK_END);
    if (redis->log_from < LOG_BYTES_MAX) return file;
    close(file);
    int directory = open(redis->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return -1;
    renameat(directory, "redis.log", directory, "redis.log.1"); /* where that fails, the old one grows on */
    close(directory);
    file = open_in(redis, "redis.log", O_WRONLY | O_CREAT | O_APPEND);
    redis->log_from = file >= 0 ? lseek(file, 0, SEEK_END) : 0;
    return file;
}

/* Two servers on one log would ruin it. A socket that nobody listens on is a left-over, which the server replaces. */
static bool another_listens(const struct embedded_redis *redis) {
    struct redis_address address;
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int directory = -1;
    if (redis_address_parse(redis->url, &address) != 0) return false;
    if (redis_address_socket(&address, name.sun_path, &directory) != 0) return false;
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool listens = probe >= 0 && (connect(probe, (const struct sockaddr *)&name, sizeof name) == 0 || errno == EAGAIN);
    if (probe >= 0) close(probe);
    if (directory >= 0) close(directory);
    return listens;
}

/* In the child: only what is safe between fork and exec. */
static _Noreturn void become_redis(const struct embedded_redis *redis, const char *program, int log, pid_t parent) {
    static const int defaults[] = {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGUSR1, SIGUSR2};
    char *const arguments[] = {(char *)(uintptr_t)program, (char *)(uintptr_t) "redis.conf", NULL};
    sigset_t none;
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* the right to low ports is not for it */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(0); /* it ended before that took hold */
    setpgid(0, 0);                     /* a Ctrl-C in the terminal is for the supervisor, which ends us last */
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
        signal(defaults[i], SIG_DFL);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    umask(0077);
    int null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0 ||
        chdir(redis->dir) != 0) {
        _exit(126);
    }
    if (null > STDERR_FILENO) close(null);
    execv(program, arguments);
    _exit(127);
}

static void start(struct embedded_redis *redis, const char *program, int log) {
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) become_redis(redis, program, log, parent);
    if (pid < 0) {
        went_wrong_with(redis, "cannot start", program);
        return;
    }
    redis->pid = pid;
    redis->state = STATE_STARTING;
    begin_probe(redis);
}

static void on_start(uv_timer_t *timer) {
    struct embedded_redis *redis = timer->data;
    char program[PATH_MAX];
    struct redis_address address;
    redis->state = STATE_STARTING;
    if (!find_program(program)) {
        snprintf(redis->why, sizeof redis->why,
                 "no redis-server or valkey-server on the path: apt-get install redis-server");
        went_wrong(redis);
    } else if (make_dir(redis) != 0) {
        went_wrong_with(redis, "cannot use the directory", redis->dir);
    } else if (redis_address_parse(redis->url, &address) != 0) {
        snprintf(redis->why, sizeof redis->why, "the path of the directory is too long: %.*s", PATH_MAX, redis->dir);
        went_wrong(redis);
    } else if (append_log_lost_manifest(redis->dir)) {
        snprintf(redis->why, sizeof redis->why,
                 "%.*s/appendonlydir has lost its manifest, and Redis would begin anew over it: put "
                 "appendonly.aof.manifest back from a copy, or move the directory away to start without data",
                 PATH_MAX, redis->dir);
        went_wrong(redis);
    } else if (another_listens(redis)) {
        snprintf(redis->why, sizeof redis->why, "another server answers at %.*s/redis.sock: end it first", PATH_MAX,
                 redis->dir);
        went_wrong(redis);
    } else {
        int log = write_configuration(redis) == 0 ? open_log(redis) : -1;
        if (log < 0) {
            went_wrong_with(redis, "cannot write in", redis->dir);
            return;
        }
        start(redis, program, log);
        close(log);
    }
}

int embedded_redis_start(uv_loop_t *loop, const struct embedded_redis_options *options, struct embedded_redis **redis) {
    if (options->dir == NULL || strlen(options->dir) >= PATH_MAX) return LEDIG_EBAD_REQUEST;
    struct embedded_redis *made = calloc(1, sizeof *made);
    if (made == NULL) return LEDIG_ENO_MEMORY;
    made->loop = loop;
    made->options = *options;
    memcpy(made->dir, options->dir, strlen(options->dir) + 1);
    made->options.dir = NULL;
    uv_timer_init(loop, &made->timer);
    uv_timer_init(loop, &made->telling);
    made->timer.data = made->telling.data = made;
    made->open_parts = 2;
    uv_timer_start(&made->timer, on_start, 0, 0);
    *redis = made;
    return 0;
}

pid_t embedded_redis_pid(const struct embedded_redis *redis) {
    return redis->pid;
}

/* ---- Ending ---- */

static void on_handle_closed(uv_handle_t *handle) {
    struct embedded_redis *redis = handle->data;
    redis->open_parts--;
    if (redis->open_parts > 0) return;
    void (*stopped)(void *arg) = redis->stopped;
    void *arg = redis->stopped_arg;
    free(redis);
    if (stopped != NULL) stopped(arg);
}

static void close_handles(struct embedded_redis *redis) {
    uv_close((uv_handle_t *)&redis->timer, on_handle_closed);
    uv_close((uv_handle_t *)&redis->telling, on_handle_closed);
}

bool embedded_redis_reaped(struct embedded_redis *redis, pid_t pid, int status) {
    if (redis->pid == 0 || pid != redis->pid) return false;
    redis->pid = 0;
    end_probe(redis);
    if (redis->state == STATE_STOPPING) {
        close_handles(redis);
        return true;
    }
    redis_trouble_read(redis->dir, redis->log_from, status, redis->why, sizeof redis->why);
    went_wrong(redis);
    return true;
}

static void on_patience_ended(uv_timer_t *timer) {
    struct embedded_redis *redis = timer->data;
    if (redis->pid > 0) kill(redis->pid, SIGKILL);
}

void embedded_redis_stop(struct embedded_redis *redis, void (*stopped)(void *arg), void *arg) {
    redis->state = STATE_STOPPING;
    redis->stopped = stopped;
    redis->stopped_arg = arg;
    end_probe(redis);
    uv_timer_stop(&redis->telling);
    uv_timer_stop(&redis->timer);
    if (redis->pid == 0) {
        close_handles(redis);
        return;
    }
    kill(redis->pid, SIGTERM);
    uv_timer_start(&redis->timer, on_patience_ended, END_MS, 0);
}
