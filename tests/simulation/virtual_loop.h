/* The part of libuv that the broker's store and service use, in virtual time: linked instead of it, so that many
 * workers run in one process, each on a loop and with a clock of its own. Never waits and never does I/O: what comes
 * from outside is handed to a loop by virtual_loop_deliver. Loops belong to whoever opened them. */
#ifndef LEDIG_SIMULATION_VIRTUAL_LOOP_H
#define LEDIG_SIMULATION_VIRTUAL_LOOP_H

#include "tests/simulation/timeline.h"

#include <uv.h>

#define VIRTUAL_HANDLES_MAX 64

struct delivery;

struct virtual_loop {
    uv_loop_t uv; /* first; its `data` is the owner's */
    struct timeline *timeline;
    int64_t clock_us;         /* its monotonic clock less that of the timeline */
    int64_t wall_us;          /* its wall clock less that of the timeline */
    int64_t paused_until_us;  /* the process gets no processor until then */
    uint64_t now_ms, started; /* as uv_now; timers started so far */
    uv_handle_t *handles[VIRTUAL_HANDLES_MAX];
    size_t handle_count;
    struct delivery *first, *last; /* what it has not taken yet */
    struct event *wake;
    bool detached;
};

void virtual_loop_open(struct virtual_loop *loop, struct timeline *timeline, int64_t clock_us, int64_t wall_us);

void virtual_loop_close(struct virtual_loop *loop); /* after virtual_loop_run_out */

/* Calls `take` on the loop, as soon as it runs, then lets the loop do what that led to. In the order of the calls.
 * False where it is detached: then `take` is never called. */
bool virtual_loop_deliver(struct virtual_loop *loop, void (*take)(void *arg), void *arg);

/* It stands still until then. */
void virtual_loop_pause(struct virtual_loop *loop, int64_t until_us);

/* From here on it is no part of the world any more, and its clock its own. Calls `first` on it, which closes what there
 * is, then whatever was delivered before, and goes on until all its handles are closed. */
void virtual_loop_run_out(struct virtual_loop *loop, void (*first)(void *arg), void *arg);

/* The loop whose code runs: NULL outside of all. libuv's clock and random numbers know no loop. */
struct virtual_loop *virtual_loop_current(void);

#endif
