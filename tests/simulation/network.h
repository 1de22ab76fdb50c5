/* The network between workers and the model of Redis, in place of broker/store/redis_link.c: connections that come up,
 * fall and come back, commands and answers that take their time, doorbells that get lost. What was written before a
 * connection fell may still reach the server. Knows nothing of what is said. */
#ifndef LEDIG_SIMULATION_NETWORK_H
#define LEDIG_SIMULATION_NETWORK_H

#include "broker/store/redis_link.h"
#include "tests/simulation/model_redis.h"
#include "tests/simulation/virtual_loop.h"

struct wire;

struct network {
    struct timeline *timeline;
    struct dice *dice;
    struct model_redis *redis;
    struct wire *wires;
    double slow_share, lost_share; /* of the ways, and of the doorbells */
    int64_t slow_us_max;
    int64_t restless_until_us; /* something was slow or lost: until when workers may know less than they should */
};

/* A worker's end: the `data` of its loop. */
struct port {
    struct network *network;
    struct virtual_loop *loop;
    bool is_dead; /* the process is gone, or what is left of it: nothing comes or goes any more */
};

void network_open(struct network *network, struct timeline *timeline, struct dice *dice, struct model_redis *redis);
void network_close(struct network *network);

/* How long one way takes. */
int64_t network_way_us(struct network *network);

/* Workers may know less than they should for so long from now. */
void network_restless(struct network *network, int64_t for_us);

/* The server has gone: every connection falls. */
void network_server_gone(struct network *network);

/* The worker has gone. */
void network_cut(struct port *port);

/* The `published` of the model. */
void network_publish(void *network, const char *channel, const struct buffer *message);

#endif
