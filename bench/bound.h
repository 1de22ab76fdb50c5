/* What kept a run from being faster, told from who had how much of a core meanwhile. It measures nothing itself. */
#ifndef LEDIG_BENCH_BOUND_H
#define LEDIG_BENCH_BOUND_H

#include <stdbool.h>
#include <stddef.h>

#define BOUND_CHARS 160
#define BOUND_SHARE 0.9 /* of a core: then it is what bounds */

struct bound_use {
    double broker, generator; /* of the cores that each is pinned to, together: 1 = all of them in full */
    double redis, router;     /* of one core; negative = not to be seen */
    bool broker_is_seen;
    bool shares_core;    /* broker and generator have but one */
    bool others_squeeze; /* there are only these cores: Redis and the router worker run on the generator's */
};

/* In words, into `text`, which is also returned. */
char *bound_tell(const struct bound_use *use, char text[static BOUND_CHARS]);

#endif
