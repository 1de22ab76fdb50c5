/* The line of the calls that wait for an agent, as one worker sees it. Each stands with its arrival in the store, so
 * that all workers see the same line; the worker of a call that comes first claims for it as soon as an agent is free.
 * Where an agent stays free for CLAIM_TURN_MS, since the first one's worker is slow or gone, the next may, and then
 * more and more. Asks nobody: it is told when a company changes. */
#ifndef LEDIG_SERVICE_CLAIM_LINE_H
#define LEDIG_SERVICE_CLAIM_LINE_H

#include "protocol/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct claim;
struct service;
struct tenant;

struct claim_lull {              /* a queue in which nobody was free, so that not each of those who wait has to look */
    const struct tenant *tenant; /* NULL = none known */
    uint64_t place;              /* of the company's list; once it has moved, somebody may be */
    char queue[LEDIG_ID_CHARS_MAX + 1];
};

#define CLAIM_TURN_MS 200
#define CLAIM_LOOK_MS 50 /* between two looks at turns and times */

int claim_line_open(struct service *service); /* LEDIG_EIO */

/* Whether as many agents are free that it is this claim's turn. */
bool claim_line_lets(struct claim *claim, size_t free_count);

/* How many calls wait before it. */
size_t claim_line_position(const struct claim *claim);

/* Waits, until there is an agent or its time is over. False: its time is over, or the worker ends. */
bool claim_line_join(struct claim *claim);
bool claim_line_has(const struct claim *claim);
void claim_line_leave(struct claim *claim);

/* How long it may still wait; before it waits, what it asked for. */
uint32_t claim_line_left_ms(const struct claim *claim);

/* Some company has changed. */
void claim_line_moved(struct service *service);

#endif
