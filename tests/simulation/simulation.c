/* simulation [--seed N] [--runs N] [--steps N] [--trace]: runs with the seeds from N on, each of so many requests and
 * crashes, the first one twice, to see that the same seed gives the same run. Exits with 1 and tells the seed and what
 * happened last where a promise was broken. */
#include "tests/simulation/world.h"

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define STEPS 2000
#define LINES_SHOWN 120

struct arguments {
    uint64_t seed, runs, steps;
    bool prints;
};

static struct arguments read_arguments(int argc, char **argv) {
    static const struct option options[] = {{"seed", required_argument, NULL, 's'},
                                            {"runs", required_argument, NULL, 'r'},
                                            {"steps", required_argument, NULL, 'n'},
                                            {"trace", no_argument, NULL, 't'},
                                            {NULL, 0, NULL, 0}};
    struct arguments arguments = {.seed = 1, .runs = 1, .steps = STEPS};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 's') arguments.seed = strtoull(optarg, NULL, 10);
        if (option == 'r') arguments.runs = strtoull(optarg, NULL, 10);
        if (option == 'n') arguments.steps = strtoull(optarg, NULL, 10);
        if (option == 't') arguments.prints = true;
        if (option == '?') exit(2);
    }
    return arguments;
}

/* Whether it was as promised. */
static bool run(uint64_t seed, const struct arguments *arguments, uint64_t *hash) {
    struct world *world = calloc(1, sizeof *world);
    if (!world) abort();
    bool good = world_run(world, seed, arguments->steps, arguments->prints);
    const struct judge *judge = &world->judge;
    *hash = world->trace.hash;
    if (!good) {
        trace_print_last(&world->trace, LINES_SHOWN);
        fprintf(stderr, "seed %" PRIu64 ": %s\n", seed, judge->fault);
    }
    printf("seed %" PRIu64 ": %s, %" PRIu64 " operations in %.0f s, %" PRIu64 " claims, %" PRIu64
           " answered; judged %" PRIu64 " orders of calls, %" PRIu64 " of agents, %" PRIu64
           " takeovers; hash %016" PRIx64 "\n",
           seed, good ? "good" : "BAD", world->operations, (double)world->timeline.now_us / 1e6, world->claims_granted,
           world->calls_answered, judge->orders_judged, judge->ranks_judged, judge->takeovers_judged, *hash);
    world_close(world);
    free(world);
    return good;
}

int main(int argc, char **argv) {
    struct arguments arguments = read_arguments(argc, argv);
    setvbuf(stdout, NULL, _IOLBF, 0);
    uint64_t first = 0, hash, bad = 0;
    json_object_seed(1); /* else it is random */
    for (uint64_t i = 0; i < arguments.runs; i++) {
        bad += !run(arguments.seed + i, &arguments, &hash);
        if (i == 0) first = hash;
    }
    run(arguments.seed, &arguments, &hash);
    if (hash != first) {
        fprintf(stderr, "seed %" PRIu64 ": two runs differ\n", arguments.seed);
        bad++;
    }
    return bad > 0;
}
