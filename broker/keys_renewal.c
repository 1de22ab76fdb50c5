#include "broker/keys_renewal.h"
#include "broker/log.h"
#include "broker/privacy/vault.h"
#include "broker/privacy/vault_rotation.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DAY_S 86400

static bool find_program(char program[static PATH_MAX]) {
    static const char name[] = "/ledig";
    ssize_t length = readlink("/proc/self/exe", program, PATH_MAX - sizeof name);
    if (length <= 0) return false;
    program[length] = '\0';
    char *slash = strrchr(program, '/');
    if (!slash) return false;
    strcpy(slash, name);
    return access(program, X_OK) == 0;
}

/* In the child: only what is safe between fork and exec. */
static _Noreturn void become_rotation(const char *program, const struct config *config, pid_t parent) {
    static const int defaults[] = {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD};
    sigset_t none;
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(0);
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++)
        signal(defaults[i], SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0) _exit(126);
    execl(program, "ledig", "keys", "rotate", "--data", config->data, "--keys", config->keys, (char *)NULL);
    _exit(127);
}

/* The former file, or more than one master, tells that a rotation was cut short; when the file was written tells when
 * the last one was. */
static bool is_due(const struct config *config) {
    struct vault_source source = {.path = config->keys};
    struct vault *vault = NULL;
    struct stat status;
    char former[PATH_MAX];
    int length = snprintf(former, sizeof former, "%s" VAULT_FORMER, config->keys);
    if (length > 0 && length < (int)sizeof former && access(former, F_OK) == 0) return true;
    if (stat(config->keys, &status) != 0 || vault_open(&source, false, &vault) != 0) return false;
    bool cut_short = vault_masters(vault) > 1;
    vault_close(vault);
    return cut_short || time(NULL) - status.st_mtim.tv_sec >= (time_t)config->keys_days * DAY_S;
}

static void on_look(uv_timer_t *timer) {
    struct keys_renewal *renewal = timer->data;
    char program[PATH_MAX];
    if (renewal->pid || !renewal->may_begin(renewal->arg) || !is_due(renewal->config)) return;
    if (!find_program(program)) {
        log_event(LOG_WARNING, "keys_not_rotated", "why=\"there is no program ledig beside ledigd\"");
        return;
    }
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) become_rotation(program, renewal->config, parent);
    if (pid < 0) return; /* the next look tries again */
    renewal->pid = pid;
    log_event(LOG_INFO, "keys_rotation", "pid=%ld", (long)pid);
}

void keys_renewal_open(struct keys_renewal *renewal, uv_loop_t *loop) {
    const struct config *config = renewal->config;
    renewal->timer.data = renewal;
    uv_timer_init(loop, &renewal->timer);
    if (config->keys_days == 0 || config->keys_command[0] || config->redis[0]) return;
    uv_timer_start(&renewal->timer, on_look, config->keys_look_ms, config->keys_look_ms);
}

bool keys_renewal_reaped(struct keys_renewal *renewal, pid_t pid, int status) {
    if (renewal->pid == 0 || pid != renewal->pid) return false;
    renewal->pid = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        log_event(LOG_INFO, "keys_rotated", "pid=%ld", (long)pid);
    else
        log_event(LOG_WARNING, "keys_not_rotated", "code=%d signal=%d", WIFEXITED(status) ? WEXITSTATUS(status) : -1,
                  WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    return true;
}

void keys_renewal_stop(struct keys_renewal *renewal) {
    uv_timer_stop(&renewal->timer);
    if (renewal->pid) kill(renewal->pid, SIGTERM);
}
