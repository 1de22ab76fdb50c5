#include "broker/sandbox.h"
#include "protocol/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* By name, since not every machine has each of them: libseccomp passes over those that it lacks. */
static const char *const allowed[] = {
    /* sockets, and waiting */
    "accept4", "bind", "close", "connect", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait",
    "eventfd2", "getpeername", "getsockname", "getsockopt", "pipe2", "poll", "ppoll", "read", "readv", "recv",
    "recvfrom", "recvmmsg", "recvmsg", "select", "pselect6", "send", "sendmmsg", "sendmsg", "sendto", "setsockopt",
    "shutdown", "write", "writev",
    /* files: opening is below */
    "access", "dup", "faccessat", "faccessat2", "fcntl", "fstat", "fstatfs", "getcwd", "getdents64", "lseek", "lstat",
    "newfstatat", "pread64", "readlink", "readlinkat", "stat", "statfs", "statx", "ioctl",
    /* memory: mmap and mprotect are below */
    "brk", "madvise", "mincore", "mlock", "mlock2", "mremap", "munlock", "munmap",
    /* threads, and oneself */
    "exit", "exit_group", "futex", "futex_waitv", "get_robust_list", "getegid", "geteuid", "getgid", "getgroups",
    "getpgrp", "getpid", "getppid", "gettid", "getuid", "membarrier", "rseq", "rt_sigaction", "rt_sigprocmask",
    "rt_sigreturn", "rt_sigtimedwait", "sched_getaffinity", "sched_yield", "set_robust_list", "sigaltstack", "uname",
    "sysinfo", "getcpu", "getrusage", "getrlimit", "getpriority", "restart_syscall",
    /* time and chance */
    "clock_getres", "clock_gettime", "clock_nanosleep", "getrandom", "gettimeofday", "nanosleep", "time",
    "timerfd_create", "timerfd_gettime", "timerfd_settime", "times"};

static const char *const deadly[] = {"execve",
                                     "execveat",
                                     "fork",
                                     "vfork",
                                     "ptrace",
                                     "process_vm_readv",
                                     "process_vm_writev",
                                     "kcmp",
                                     "pidfd_getfd",
                                     "mount",
                                     "umount2",
                                     "move_mount",
                                     "fsopen",
                                     "open_tree",
                                     "pivot_root",
                                     "chroot",
                                     "setns",
                                     "unshare",
                                     "bpf",
                                     "perf_event_open",
                                     "userfaultfd",
                                     "init_module",
                                     "finit_module",
                                     "delete_module",
                                     "kexec_load",
                                     "kexec_file_load",
                                     "add_key",
                                     "keyctl",
                                     "request_key",
                                     "io_uring_setup",
                                     "io_uring_enter",
                                     "setuid",
                                     "setgid",
                                     "setreuid",
                                     "setregid",
                                     "setresuid",
                                     "setresgid",
                                     "setgroups",
                                     "capset",
                                     "reboot",
                                     "swapon",
                                     "swapoff",
                                     "open_by_handle_at"};

/* Looking for leaks at the end stops all threads by ptrace from a process of its own; a report reads /proc and may be
 * made readable by another program. */
static const char *const of_sanitizers[] = {"getdents",
                                            "tkill",
                                            "ptrace",
                                            "clone",
                                            "fork",
                                            "vfork",
                                            "execve",
                                            "wait4",
                                            "open",
                                            "tgkill",
                                            "prctl",
                                            "kill",
                                            "dup2",
                                            "pipe",
                                            "unlink",
                                            "personality",
                                            "sched_setaffinity",
                                            "setrlimit",
                                            "prlimit64",
                                            "process_vm_readv"};

#define COUNT(list) (sizeof(list) / sizeof *(list))

static int number(const char *name) {
    return seccomp_syscall_resolve_name(name);
}

static int add(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int call = number(names[i]);
        if (call == __NR_SCMP_ERROR) continue; /* newer than the library: then no older program makes it either */
        if (seccomp_rule_add(filter, action, call, 0) != 0) return LEDIG_EIO;
    }
    return 0;
}

/* Where one of the arguments must have none of these bits, or all of them. */
static int add_if(scmp_filter_ctx filter, const char *name, unsigned argument, unsigned mask, unsigned value) {
    struct scmp_arg_cmp test = SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, mask, value);
    int call = number(name);
    return call == __NR_SCMP_ERROR || seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &test) == 0 ? 0
                                                                                                          : LEDIG_EIO;
}

static int add_equal(scmp_filter_ctx filter, const char *name, unsigned argument, unsigned value) {
    return add_if(filter, name, argument, 0xffffffffu, value);
}

/* Files are read and never written: the log goes to a descriptor that is open. */
static int add_files(scmp_filter_ctx filter) {
    const unsigned writes = O_ACCMODE | O_CREAT | O_TRUNC;
    int error = add_if(filter, "openat", 2, writes, O_RDONLY);
    return error ? error : add_if(filter, "open", 1, writes, O_RDONLY);
}

/* No memory that can be written and run, neither at once nor one after the other. A library that is loaded late (by the
 * resolver of names) is mapped as its file is. */
static int add_memory(scmp_filter_ctx filter) {
    int error = add_if(filter, "mmap", 2, PROT_EXEC, 0);
    if (!error) error = add_if(filter, "mmap", 2, PROT_WRITE, 0);
    return error ? error : add_if(filter, "mprotect", 2, PROT_EXEC, 0);
}

static int add_sockets(scmp_filter_ctx filter) {
    static const unsigned families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK}; /* the last for the resolver */
    int error = 0;
    for (size_t i = 0; i < COUNT(families) && !error; i++)
        error = add_equal(filter, "socket", 0, families[i]);
    return error ? error : add_equal(filter, "socketpair", 0, AF_UNIX);
}

/* libuv starts threads for the resolver, and for what takes long. Of clone3 the flags cannot be seen, and the C library
 * takes clone where it is told that there is no such call. */
static int add_threads(scmp_filter_ctx filter) {
    int call = number("clone3");
    if (call != __NR_SCMP_ERROR && seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), call, 0) != 0) return LEDIG_EIO;
    return LEDIG_SANITIZED ? 0 : add_if(filter, "clone", 0, CLONE_THREAD, CLONE_THREAD);
}

static int add_own(scmp_filter_ctx filter) {
    int error = add_equal(filter, "tgkill", 0, (unsigned)getpid()); /* abort() */
    if (!error) error = add_equal(filter, "prctl", 0, PR_SET_NAME);
    if (!error) error = add_equal(filter, "prctl", 0, PR_SET_VMA); /* names of memory areas, of newer C libraries */
    return error ? error : add_equal(filter, "prlimit64", 0, 0);
}

static int fill(scmp_filter_ctx filter) {
    /* what is told to the kernel's log: that, and never an allowed call */
    if (seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1) != 0) return LEDIG_EIO;
    if (seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) != 0) return LEDIG_EIO;
    int error = add(filter, SCMP_ACT_ALLOW, allowed, COUNT(allowed));
    if (LEDIG_SANITIZED) {
        if (!error) error = add(filter, SCMP_ACT_ALLOW, of_sanitizers, COUNT(of_sanitizers));
    } else {
        if (!error) error = add(filter, SCMP_ACT_KILL_PROCESS, deadly, COUNT(deadly));
        if (!error) error = add_own(filter);
    }
    if (!error) error = add_threads(filter);
    if (!error) error = add_files(filter);
    if (!error) error = add_memory(filter);
    return error ? error : add_sockets(filter);
}

int sandbox_enter(void) {
    scmp_filter_ctx filter = seccomp_init(LEDIG_SANITIZED ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(EPERM));
    if (!filter) return LEDIG_ENO_MEMORY;
    int error = fill(filter), loaded = error ? 0 : seccomp_load(filter);
    seccomp_release(filter);
    if (error) return error;
    return loaded == 0 ? 0 : loaded == -EINVAL || loaded == -ECANCELED ? LEDIG_EUNSUPPORTED : LEDIG_EIO;
}
