#include "bench/lead.h"

#define MERGED_PERCENT 10 /* frames that may carry two changes */

void lead_open(struct lead *lead, uint32_t subscribers, uint32_t changes_max) {
    *lead = (struct lead){subscribers / 2, subscribers, (uint64_t)changes_max * subscribers};
}

void lead_adjust(struct lead *lead, uint64_t frames, uint64_t merged) {
    const uint64_t up = lead->each / 64 + 1, down = lead->each / 16 + 1;
    if (merged * 100 > frames * MERGED_PERCENT)
        lead->deliveries -= lead->deliveries < down ? lead->deliveries : down;
    else
        lead->deliveries = lead->deliveries + up < lead->most ? lead->deliveries + up : lead->most;
}
