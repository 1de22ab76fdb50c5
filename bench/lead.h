/* The lead of a fan-out that is one change after the other: the next one is asked for as soon as no more deliveries
 * than this are under way. Too small, and the server waits while a change makes its way to it; too large, and frames
 * carry two changes. It is sought while rounds run: up slowly while next to no frame carries two, down fast where more
 * do. */
#ifndef LEDIG_BENCH_LEAD_H
#define LEDIG_BENCH_LEAD_H

#include <stdint.h>

struct lead {
    uint64_t deliveries; /* read it */
    uint64_t each, most;
};

/* Half a change of `subscribers` deliveries to begin with, and never more than so many whole ones. */
void lead_open(struct lead *lead, uint32_t subscribers, uint32_t changes_max);

/* After a change: so many frames have come since the last one, and so many of them carried two. */
void lead_adjust(struct lead *lead, uint64_t frames, uint64_t merged);

#endif
