#include "bench/receiver.h"
#include "bench/limit_loop.h"
#include "bench/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct receiver_count {
    _Atomic uint64_t frames;
    _Atomic int64_t last_ns;
};

int receiver_connect(struct crowd *crowd, const struct sockaddr_in *address, uint32_t count, SSL_CTX *tls) {
    int error = 0;
    for (uint32_t i = 0; i < count && error == 0; i++) {
        int descriptor;
        error = limit_connect(address, &descriptor);
        if (error == 0) error = crowd_adopt(crowd, descriptor, 0, tls);
        if (tls && i % 64 == 0) crowd_turn(crowd, 0); /* handshakes go on meanwhile */
    }
    return error;
}

static int serve(const struct sockaddr_in *address, uint32_t count, SSL_CTX *tls, struct receiver_count *told) {
    static const struct group nobody = {.companies = 1};
    const struct crowd_options options = {.groups = &nobody, .group_count = 1, .spare_sockets = count};
    struct crowd *crowd = calloc(1, sizeof *crowd);
    if (!crowd || crowd_open(crowd, &options) != 0 || receiver_connect(crowd, address, count, tls) != 0)
        return complain(1, "the send loop's sockets could not be connected: %s", strerror(errno));
    while (crowd->gone == 0 && !crowd->out_of_memory) {
        crowd_turn(crowd, INT64_MAX);
        atomic_store_explicit(&told->last_ns, crowd->last_delivery_ns, memory_order_relaxed);
        atomic_store_explicit(&told->frames, crowd->echo.frames, memory_order_release);
    }
    return 0; /* the loop has ended */
}

int receiver_start(struct receiver *receiver, const struct sockaddr_in *address, uint32_t count, int core,
                   SSL_CTX *tls) {
    void *memory = mmap(NULL, sizeof *receiver->count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return complain(LEDIG_ENO_MEMORY, "out of memory");
    *receiver = (struct receiver){.count = memory};
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) return complain(LEDIG_EIO, "no process: %s", strerror(errno));
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        terminal_leave();
        _exit(cores_pin(core) == 0 ? serve(address, count, tls, receiver->count) : 1);
    }
    receiver->pid = pid;
    return 0;
}

void receiver_stop(struct receiver *receiver) {
    if (receiver->pid > 0) {
        kill(receiver->pid, SIGKILL);
        waitpid(receiver->pid, NULL, 0);
    }
    if (receiver->count) munmap(receiver->count, sizeof *receiver->count);
    *receiver = (struct receiver){0};
}

int receiver_look(struct receiver *receiver, uint64_t *frames, int64_t *last_ns) {
    if (waitpid(receiver->pid, NULL, WNOHANG) != 0) {
        receiver->pid = 0;
        return LEDIG_EIO;
    }
    *frames = atomic_load_explicit(&receiver->count->frames, memory_order_acquire);
    *last_ns = atomic_load_explicit(&receiver->count->last_ns, memory_order_relaxed);
    return 0;
}
