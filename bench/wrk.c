#include "bench/wrk.h"
#include "bench/cores.h"
#include "bench/terminal.h"
#include "protocol/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_BYTES_MAX 8192
#define URL_CHARS 512
#define TRIES_MAX 3 /* a busy machine may leave it no turn within a second */

int wrk_write_script(const char *path, const char *token) {
    int descriptor = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    if (!file) return LEDIG_EIO;
    fprintf(file, "wrk.headers[\"Authorization\"] = \"Bearer %s\"\n", token);
    bool written = !ferror(file);
    return fclose(file) == 0 && written ? 0 : LEDIG_EIO;
}

static _Noreturn void become_wrk(const struct wrk *wrk, const char *url, uint32_t seconds, int output) {
    char connections[16], duration[16];
    snprintf(connections, sizeof connections, "-c%u", (unsigned)wrk->connections);
    snprintf(duration, sizeof duration, "-d%us", (unsigned)seconds);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (cores_pin(wrk->core) != 0 || dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0) _exit(127);
    execl(wrk->program, "wrk", "-t1", connections, duration, "-s", wrk->script, url, (char *)NULL);
    _exit(127);
}

static void read_all(int from, char *text, size_t size) {
    size_t length = 0;
    ssize_t got;
    while (length + 1 < size && (got = read(from, text + length, size - 1 - length)) != 0) {
        if (got < 0 && (errno != EINTR || interrupt_asked())) break;
        if (got > 0) length += (size_t)got;
    }
    text[length] = '\0';
}

static int judge(const char *host, char *text, double *requests_per_s) {
    static const char *const troubles[] = {"Non-2xx", "Socket errors"}, rate[] = "Requests/sec:";
    for (size_t i = 0; i < sizeof troubles / sizeof *troubles; i++) {
        char *line = strstr(text, troubles[i]);
        if (!line) continue;
        line[strcspn(line, "\n")] = '\0';
        return complain(LEDIG_EIO, "wrk at %s: %s", host, line);
    }
    const char *at = strstr(text, rate);
    *requests_per_s = at ? strtod(at + sizeof rate - 1, NULL) : 0;
    if (at) return 0;
    text[strcspn(text, "\n")] = '\0';
    return complain(LEDIG_EIO, "wrk at %s did not run: %.200s", host, text);
}

static int run_once(const struct wrk *wrk, const char *host, const char *path, uint32_t seconds,
                    double *requests_per_s) {
    char url[URL_CHARS], text[OUTPUT_BYTES_MAX];
    int output[2];
    snprintf(url, sizeof url, "http://%s%s", host, path);
    if (pipe2(output, O_CLOEXEC) != 0) return complain(LEDIG_EIO, "no pipe: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) become_wrk(wrk, url, seconds, output[1]);
    close(output[1]);
    if (pid > 0) read_all(output[0], text, sizeof text);
    close(output[0]);
    if (pid < 0) return complain(LEDIG_EIO, "no process: %s", strerror(errno));
    if (interrupt_asked()) kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    return interrupt_asked() ? complain(LEDIG_EIO, "interrupted") : judge(host, text, requests_per_s);
}

int wrk_run(const struct wrk *wrk, const char *host, const char *path, uint32_t seconds, double *requests_per_s) {
    *requests_per_s = 0;
    for (int i = 0; i < TRIES_MAX && *requests_per_s <= 0; i++) {
        int error = run_once(wrk, host, path, seconds, requests_per_s);
        if (error) return error;
    }
    return *requests_per_s > 0 ? 0 : complain(LEDIG_EIO, "wrk at %s had no answer", host);
}
