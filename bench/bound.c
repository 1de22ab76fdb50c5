#include "bench/bound.h"

#include <math.h>
#include <stdio.h>

static double seen(double share) {
    return share > 0 ? share : 0;
}

char *bound_tell(const struct bound_use *use, char text[static BOUND_CHARS]) {
    const double others = seen(use->redis) + seen(use->router), beside = use->shares_core ? use->broker : 0;
    if (!use->broker_is_seen)
        snprintf(text, BOUND_CHARS, "unknown: the broker's processes cannot be seen");
    else if (use->shares_core && use->broker + use->generator >= BOUND_SHARE)
        snprintf(text, BOUND_CHARS, "the only core (broker %.0f %%, generator %.0f %%)", use->broker * 100,
                 use->generator * 100);
    else if (use->broker >= BOUND_SHARE)
        snprintf(text, BOUND_CHARS, "the broker's core (%.0f %%)", use->broker * 100);
    else if (use->generator >= BOUND_SHARE)
        snprintf(text, BOUND_CHARS, "the generator's core (%.0f %%): the broker could have done more",
                 use->generator * 100);
    else if (seen(use->redis) >= BOUND_SHARE)
        snprintf(text, BOUND_CHARS, "Redis (%.0f %% of a core)", use->redis * 100);
    else if (seen(use->router) >= BOUND_SHARE)
        snprintf(text, BOUND_CHARS, "the router worker (%.0f %% of a core)", use->router * 100);
    else if (use->others_squeeze && use->generator + others + beside >= BOUND_SHARE)
        snprintf(text, BOUND_CHARS,
                 "the generator's core (%.0f %%), where %s mostly runs too (%.0f %%): the broker could have done more",
                 use->generator * 100, seen(use->router) > seen(use->redis) ? "the router worker" : "Redis",
                 fmax(seen(use->router), seen(use->redis)) * 100);
    else
        snprintf(text, BOUND_CHARS, "no processor: the schedule, or the way of each change through Redis to the disk");
    return text;
}
