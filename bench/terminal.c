#include "bench/terminal.h"
#include "bench/cores.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR_CHARS 30
#define REDRAW_NS 100000000

static bool muted;
static volatile sig_atomic_t asked; /* a signal handler can reach nothing else */

int complain(int error, const char *format, ...) {
    static const char interrupted[] = "interrupted";
    static bool told;
    progress_end();
    if (asked) { /* the first thing to fail fails for it, and once is enough */
        if (told && strcmp(format, interrupted) == 0) return error;
        if (!told) format = interrupted;
        told = true;
    }
    va_list list;
    va_start(list, format);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    return error;
}

void progress_show(const char *what, uint64_t done, uint64_t of) {
    static int64_t drawn_ns;
    static int terminal = -1;
    if (terminal < 0) terminal = isatty(STDERR_FILENO);
    int64_t now = clock_now_ns();
    if (!terminal || muted || of == 0 || (done < of && now - drawn_ns < REDRAW_NS)) return;
    drawn_ns = now;
    int full = (int)(done * BAR_CHARS / of);
    char bar[BAR_CHARS + 1];
    memset(bar, '.', BAR_CHARS);
    memset(bar, '#', (size_t)full);
    bar[BAR_CHARS] = '\0';
    fprintf(stderr, "\r\033[K%-22s [%s] %3u %%  %llu of %llu", what, bar, (unsigned)(done * 100 / of),
            (unsigned long long)done, (unsigned long long)of);
    fflush(stderr);
}

void progress_end(void) {
    if (!muted && isatty(STDERR_FILENO)) fputs("\r\033[K", stderr);
}

static void on_signal(int signal) {
    (void)signal;
    asked = 1;
}

void interrupt_watch(void) {
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: waits shall end */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    struct sigaction before;
    if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN) /* nohup wants it ignored */
        sigaction(SIGHUP, &action, NULL);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
}

void terminal_leave(void) {
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGTERM, SIG_DFL);
    asked = 0; /* whatever came before was for the first process */
    muted = true;
}

bool interrupt_asked(void) {
    return asked != 0;
}
