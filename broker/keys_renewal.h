/* The rotation of the master key by itself: sees when it is due, or was cut short, and then runs `ledig keys rotate`
 * (the program beside this one), which does all of it. The supervisor's, since workers may not write the keys. Only
 * with a file of keys and a private Redis: otherwise those who own the one or the other rotate. */
#ifndef LEDIG_KEYS_RENEWAL_H
#define LEDIG_KEYS_RENEWAL_H

#include "broker/config.h"

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

struct keys_renewal {
    const struct config *config;
    bool (*may_begin)(void *arg); /* the broker serves */
    void *arg;
    uv_timer_t timer;
    pid_t pid; /* 0 = none runs */
};

/* The struct is the caller's, zeroed but for what stands above the timer. */
void keys_renewal_open(struct keys_renewal *renewal, uv_loop_t *loop);

/* The SIGCHLD handler tells of every child that ended. True if it was this one. */
bool keys_renewal_reaped(struct keys_renewal *renewal, pid_t pid, int status);

/* Begins nothing more, and ends what is under way, which goes on after the next start. */
void keys_renewal_stop(struct keys_renewal *renewal);

#endif
