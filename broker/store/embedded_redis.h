/* A private Redis: starts a redis-server (or valkey-server, where only that is on the path) in a directory of its own,
 * waits until it answers, and starts it again whenever it ends.
 *
 * It has a unix socket and no TCP port, and acknowledges nothing that is not on disk. It dies with the process that
 * started it, even where that is killed, and inherits the open descriptors that are not close-on-exec (the lock of the
 * data directory). It never repairs or overwrites a log that Redis cannot read. The caller owns SIGCHLD and tells it of
 * the children that ended. Not thread-safe: the server dies with the thread that started it. */
#ifndef LEDIG_STORE_EMBEDDED_REDIS_H
#define LEDIG_STORE_EMBEDDED_REDIS_H

#include "protocol/errors.h"

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

struct embedded_redis;

struct embedded_redis_options {
    const char
        *dir; /* made with mode 0700 if missing; redis.conf, redis.sock, redis.log and appendonlydir stand here */

    /* All are called from the loop, never from inside of a function below. They may call any of these. */
    void (*ready)(void *arg, const char *url); /* it answers and has loaded its data; again after each restart */
    void (*down)(void *arg, const char *why);  /* it ended after it had been ready, or a new start failed after that; it
                                                  is  started again, with back-off */
    void (*failed)(void *arg, const char *why); /* it could not be started, or ended before it was ever ready: one line
                                                   for the operator that says what to do. Final; only stop may follow */
    void *arg;
};

/* Begins to start it; the strings are copied. 0, or LEDIG_E… where not even that could be tried (out of memory). */
int embedded_redis_start(uv_loop_t *loop, const struct embedded_redis_options *options, struct embedded_redis **redis);

/* The caller's SIGCHLD handler tells of every child that ended, with the status of waitpid. True if it was this one. */
bool embedded_redis_reaped(struct embedded_redis *redis, pid_t pid, int status);

/* 0 while none runs. */
pid_t embedded_redis_pid(const struct embedded_redis *redis);

/* Asks it to end (SIGTERM; SIGKILL after 10 s), waits until that was reaped, frees and calls `stopped` from the loop.
 * None of the options' callbacks is called any more. */
void embedded_redis_stop(struct embedded_redis *redis, void (*stopped)(void *arg), void *arg);

#endif
