#include "bench/generators.h"
#include "bench/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define POLL_NS 5000000
#define LOOK_NS 100000000
#define DONE 0
#define FAILED 1
#define LATE 2 /* not all of it */

/* ---- One of the others ---- */

struct mark { /* where counting began */
    struct tally tally;
    uint64_t changes;
    int64_t cpu_ns;
};

static struct tally since(const struct tally *now, const struct tally *then) {
    return (struct tally){now->frames - then->frames, now->wire_bytes - then->wire_bytes,
                          now->deliveries - then->deliveries, now->merged - then->merged};
}

static void tell_counts(const struct crowd *crowd, const struct mark *mark, struct generator_count *count) {
    count->tally = since(&crowd->tally, &mark->tally);
    count->cpu_ns = clock_cpu_ns() - mark->cpu_ns;
    count->last_delivery_ns = crowd->last_delivery_ns;
    count->changes = crowd->changes - mark->changes;
    count->refused = crowd->refused;
    count->broken = crowd->broken;
    count->gone = crowd->gone;
    count->resumed = crowd->resumed;
    count->resumed_sessions = crowd->resumed_sessions;
    count->latency_us = crowd->latency_us;
    count->return_us = crowd->return_us;
    count->passed_us = crowd->passed_us;
}

static uint8_t obey(struct crowd *crowd, enum order order, struct mark *mark, struct shift *shift,
                    struct generator_count *count) {
    int64_t ended_ns;
    int error;
    switch (order) {
    case ORDER_CATCH_UP:
        error = crowd_catch_up(crowd);
        return error == 0 ? DONE : error == LEDIG_ENO_MEMORY ? FAILED : LATE; /* the check finds what is missing */
    case ORDER_BEGIN:
        *mark = (struct mark){crowd->tally, crowd->changes, clock_cpu_ns()};
        crowd->latency_us = crowd->return_us = crowd->passed_us = (struct histogram){0};
        crowd->resumed = crowd->resumed_sessions = 0;
        return DONE;
    case ORDER_END:
        tell_counts(crowd, mark, count);
        return DONE;
    case ORDER_BREAK_OFF:
        for (uint32_t i = 0; i < crowd->options.subscribers; i++)
            crowd_break_off(crowd, &crowd->subscriber[i]); /* those elsewhere are not live here */
        return DONE;
    case ORDER_RETURN:
        crowd->storm_began_ns = clock_now_ns();
        crowd_reconnect(crowd, CROWD_STORM_AT_ONCE);
        return DONE;
    case ORDER_CAST:
        return shift_open(shift, crowd, crowd->options.seed, crowd->options.day_s) == 0 ? DONE : FAILED;
    case ORDER_DAY:
        error = shift_play(shift, &ended_ns);
        count->shift = shift->count;
        return error == 0 ? DONE : FAILED;
    case ORDER_CHECK:
        error = crowd_check(crowd, &count->verdict);
        count->gone = crowd->gone;
        count->broken = crowd->broken;
        return error == 0 ? DONE : FAILED;
    default:
        return FAILED;
    }
}

/* Reads what comes, and does as told, until the first process closes its end. Returns the exit code. */
static int serve(struct crowd *crowd, int channel, struct generator_count *count) {
    struct mark mark = {0};
    struct shift shift = {0};
    uint8_t order, outcome = DONE;
    if (crowd_connect(crowd) != 0 || crowd_consent(crowd) != 0 || crowd_heed(crowd, channel) != 0) return 1;
    if (send(channel, &outcome, 1, MSG_NOSIGNAL) != 1) return 1;
    for (;;) {
        crowd_turn(crowd, INT64_MAX);
        atomic_store_explicit(&count->live, crowd->live, memory_order_relaxed);
        if (crowd->out_of_memory) return complain(1, "out of memory");
        ssize_t got = recv(channel, &order, 1, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (got <= 0) return 0;
        outcome = obey(crowd, (enum order)order, &mark, &shift, count);
        atomic_store_explicit(&count->live, crowd->live, memory_order_relaxed);
        if (send(channel, &outcome, 1, MSG_NOSIGNAL) != 1) return 1;
    }
}

static _Noreturn void become_generator(struct generators *generators, uint32_t rank, int channel, int core,
                                       struct crowd_options *options) {
    struct crowd *crowd = calloc(1, sizeof *crowd);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    terminal_leave();
    options->share.rank = rank;
    if (!crowd || cores_pin(core) != 0 || crowd_open(crowd, options) != 0) _exit(1);
    _exit(serve(crowd, channel, &generators->counts[rank]));
}

/* ---- The first ---- */

static int start_one(struct generators *generators, uint32_t rank, const struct cores *cores,
                     struct crowd_options *options) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return LEDIG_EIO;
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        for (uint32_t i = 1; i < rank; i++)
            close(generators->channel[i]); /* or they would not see the first process close it */
        become_generator(generators, rank, ends[1], cores_of_generator(cores, rank), options);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return LEDIG_EIO;
    }
    generators->pid[rank] = pid;
    generators->channel[rank] = ends[0];
    return 0;
}

int generators_start(struct generators *generators, uint32_t processes, const struct cores *cores,
                     struct crowd_options *options) {
    *generators = (struct generators){.processes = 1};
    int error = board_open(&generators->board, crowd_publishers(options->groups, options->group_count));
    size_t bytes = processes * sizeof *generators->counts;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || error != 0) return complain(LEDIG_ENO_MEMORY, "out of memory");
    generators->counts = memory;
    crowd_mark_run(generators->run);
    options->share.processes = processes;
    options->share.board = &generators->board;
    options->share.run = generators->run;
    fflush(NULL); /* or what waits would be written twice */
    for (uint32_t rank = 1; rank < processes; rank++) {
        if (start_one(generators, rank, cores, options) != 0)
            return complain(LEDIG_EIO, "no further generator: %s", strerror(errno));
        generators->processes++;
    }
    options->share.rank = 0;
    return 0;
}

/* The answer of one of them: 1 with it, 0 not yet, or LEDIG_EIO. */
static int hear(const struct generators *generators, uint32_t rank, uint8_t *outcome) {
    ssize_t got = recv(generators->channel[rank], outcome, 1, MSG_DONTWAIT);
    if (got == 1) return 1;
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : LEDIG_EIO;
}

int generators_await(struct generators *generators, struct crowd *crowd) {
    bool late = false;
    for (uint32_t rank = 1; rank < generators->processes;) {
        uint8_t outcome;
        int heard = hear(generators, rank, &outcome);
        if (interrupt_asked()) return complain(LEDIG_EIO, "interrupted");
        if (heard < 0) return complain(LEDIG_EIO, "generator %u has ended", (unsigned)rank);
        if (heard == 0) {
            crowd_turn(crowd, clock_now_ns() + POLL_NS);
            continue;
        }
        if (outcome == FAILED) return complain(LEDIG_EIO, "generator %u could not go on", (unsigned)rank);
        late = late || outcome == LATE;
        rank++;
    }
    return late ? LEDIG_EUNAVAILABLE : 0;
}

int generators_join(struct generators *generators, struct crowd *crowd) {
    if (generators->processes < 2) return 0;
    int error = generators_await(generators, crowd);
    if (error == 0) error = generators_order(generators, crowd, ORDER_CATCH_UP);
    if (error == LEDIG_EUNAVAILABLE) complain(error, "the first changes did not reach everybody");
    return error;
}

int generators_tell(struct generators *generators, enum order order) {
    const uint8_t byte = (uint8_t)order;
    for (uint32_t rank = 1; rank < generators->processes; rank++)
        if (send(generators->channel[rank], &byte, 1, MSG_NOSIGNAL) != 1)
            return complain(LEDIG_EIO, "generator %u has ended", (unsigned)rank);
    return 0;
}

int generators_order(struct generators *generators, struct crowd *crowd, enum order order) {
    int error = generators_tell(generators, order);
    return error ? error : generators_await(generators, crowd);
}

int generators_look(struct generators *generators) {
    int64_t now_ns = clock_now_ns();
    if (generators->processes < 2 || now_ns - generators->looked_ns < LOOK_NS) return 0;
    generators->looked_ns = now_ns;
    for (uint32_t rank = 1; rank < generators->processes; rank++) {
        uint8_t byte; /* nothing comes unasked but the end */
        if (recv(generators->channel[rank], &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
            return complain(LEDIG_EIO, "generator %u has ended", (unsigned)rank);
    }
    return 0;
}

uint32_t generators_live(const struct generators *generators) {
    uint32_t sum = 0;
    for (uint32_t rank = 1; rank < generators->processes; rank++)
        sum += atomic_load_explicit(&generators->counts[rank].live, memory_order_relaxed);
    return sum;
}

void generators_stop(struct generators *generators) {
    for (uint32_t rank = 1; rank < generators->processes; rank++) {
        close(generators->channel[rank]);
        kill(generators->pid[rank], SIGKILL); /* it may be in the middle of something */
        waitpid(generators->pid[rank], NULL, 0);
    }
    if (generators->counts) munmap(generators->counts, generators->processes * sizeof *generators->counts);
    board_close(&generators->board);
    *generators = (struct generators){0};
}
