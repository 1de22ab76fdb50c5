/* Virtual time, and what shall happen when. Things of the same moment happen in an order that the dice choose. Never
 * looks at a real clock. Owns its events; what they are given is the caller's. */
#ifndef LEDIG_SIMULATION_TIMELINE_H
#define LEDIG_SIMULATION_TIMELINE_H

#include "tests/simulation/dice.h"

#include <stddef.h>

struct event;

struct timeline {
    int64_t now_us; /* since the beginning */
    struct dice *dice;
    struct event **heap;
    size_t count, capacity;
};

void timeline_open(struct timeline *timeline, struct dice *dice);
void timeline_close(struct timeline *timeline); /* forgets what has not happened yet */

/* Never happens before now. The event is good for timeline_cancel until it happens. */
struct event *timeline_at(struct timeline *timeline, int64_t at_us, void (*happen)(void *arg), void *arg);
void timeline_cancel(struct event *event); /* NULL is fine */

/* Moves time on to the next event and lets it happen; false where there is none. */
bool timeline_step(struct timeline *timeline);

#endif
