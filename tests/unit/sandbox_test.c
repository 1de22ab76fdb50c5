/* What a worker may and may not do, by the very filter that workers have: each case in a process of its own, which ends
 * with 0 where the call worked, with the errno where it failed, and by SIGSYS where it must not even be tried. */
#include "broker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define DIED 1000 /* and the number of the signal */
#define NOT_ENTERED 200

static int run(int (*attempt)(void)) {
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        if (sandbox_enter() != 0) _exit(NOT_ENTERED);
        errno = 0;
        _exit(attempt() >= 0 ? 0 : errno);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? DIED + WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- Attempts ---- */

static int run_a_program(void) {
    char *const arguments[] = {(char *)(uintptr_t) "true", NULL};
    return execv("/bin/true", arguments);
}
static int look_into_the_parent(void) {
    return (int)ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}
static int mount_something(void) {
    return mount("none", "/mnt", "tmpfs", 0, NULL);
}
static int load_into_the_kernel(void) {
    return (int)syscall(SYS_bpf, 0, NULL, 0);
}
static int become_root(void) {
    return setuid(0);
}
static int read_a_file(void) {
    char byte;
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -1 : (int)read(fd, &byte, 1);
}
static int write_a_file(void) {
    return open("/dev/null", O_WRONLY | O_CLOEXEC);
}
static int make_a_file(void) {
    return open("/tmp/ledig-sandbox-test", O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
}
static int remove_a_file(void) {
    return rmdir("/tmp/ledig-sandbox-test-that-is-not-there");
}
static int signal_the_parent(void) {
    return kill(getppid(), 0);
}
static int make_a_process(void) {
    pid_t pid = fork();
    if (pid == 0) _exit(0);
    return pid;
}
static int open_a_port(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? -1 : listen(fd, 1);
}
static int take_raw_packets(void) {
    return socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
}
static int take_memory(void) {
    void *page = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? -1 : munmap(page, 1 << 20);
}
static int run_what_was_written(void) {
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? -1 : mprotect(page, 4096, PROT_READ | PROT_EXEC);
}
static int take_memory_to_write_and_run(void) {
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1
                                                                                                                  : 0;
}
static int connect_to_redis(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/nowhere/redis.sock"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    return connect(fd, (struct sockaddr *)&address, sizeof address) == 0 || errno == ENOENT ? 0 : -1;
}
static void *resolve(void *arg) {
    struct addrinfo *found = NULL, hints = {.ai_socktype = SOCK_STREAM};
    int *error = arg;
    *error = getaddrinfo("localhost", "6379", &hints, &found);
    if (*error == 0) freeaddrinfo(found);
    return NULL;
}
static int resolve_a_name_in_a_thread(void) { /* as libuv does */
    pthread_t thread;
    int error = -1;
    if (pthread_create(&thread, NULL, resolve, &error) != 0 || pthread_join(thread, NULL) != 0) return -1;
    return error == 0 ? 0 : -1;
}

struct attempt {
    const char *what;
    int (*attempt)(void);
    int outcome, outcome_with_sanitizers; /* -1: not tried there, where it is allowed for the sanitizers' own needs */
};

#define KILLED (DIED + SIGSYS)

static const struct attempt attempts[] = {
    {"a program is run", run_a_program, KILLED, -1},
    {"another process is looked into", look_into_the_parent, KILLED, -1},
    {"something is mounted", mount_something, KILLED, KILLED},
    {"code goes into the kernel", load_into_the_kernel, KILLED, KILLED},
    {"another user", become_root, KILLED, KILLED},
    {"a file is read", read_a_file, 0, 0},
    {"a file is opened to be written", write_a_file, EPERM, -1},
    {"a file is made", make_a_file, EPERM, -1},
    {"a folder is removed", remove_a_file, EPERM, KILLED},
    {"another process is signalled", signal_the_parent, EPERM, -1},
    {"a process is made", make_a_process, EPERM, -1},
    {"a port is opened", open_a_port, EPERM, KILLED},
    {"raw packets", take_raw_packets, EPERM, KILLED},
    {"memory", take_memory, 0, 0},
    {"memory that was written is run", run_what_was_written, EPERM, KILLED},
    {"memory to be written and run", take_memory_to_write_and_run, EPERM, KILLED},
    {"Redis is connected to", connect_to_redis, 0, 0},
    {"a name is resolved in a thread", resolve_a_name_in_a_thread, 0, 0},
};

static void a_worker_may_do_what_serving_takes_and_nothing_else(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        int expected = LEDIG_SANITIZED ? attempts[i].outcome_with_sanitizers : attempts[i].outcome;
        if (expected < 0) continue;
        int outcome = run(attempts[i].attempt);
        if (outcome != expected) fail_msg("%s: %d, and not %d", attempts[i].what, outcome, expected);
    }
}

static void there_is_no_way_out(void **state) {
    (void)state;
    /* a second filter can only forbid more */
    assert_int_equal(run(sandbox_enter), LEDIG_SANITIZED ? KILLED : EPERM);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_may_do_what_serving_takes_and_nothing_else),
        cmocka_unit_test(there_is_no_way_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
