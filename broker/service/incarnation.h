/* This worker's own lease: what its sessions hang on. It is taken when the store first answers, and renewed; where the
 * store refuses, since it has ended meanwhile, a new one is taken and every session is committed again under it. */
#ifndef LEDIG_SERVICE_INCARNATION_H
#define LEDIG_SERVICE_INCARNATION_H

#include "protocol/limits.h"
#include <stdbool.h>
#include <uv.h>

struct service;

struct incarnation {
    char id[LEDIG_ID_CHARS_MAX + 1]; /* "" = none yet */
    bool asking;                     /* a request to the store is open */
    uv_timer_t timer;
};

/* Starts the timer; the service's store must be open. */
int incarnation_open(struct service *service);

/* The store answers (again): take or renew at once. */
void incarnation_refresh(struct service *service);

#endif
