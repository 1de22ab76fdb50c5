/* One worker of the broker: the real service and store on a virtual loop, with a clock of its own, that can die at any
 * moment and be started again. Requests come to it as from its port. Owned by the run. */
#ifndef LEDIG_SIMULATION_BROKER_H
#define LEDIG_SIMULATION_BROKER_H

#include "broker/service/http_exchange.h"
#include "broker/service/service.h"
#include "tests/simulation/network.h"
#include "tests/simulation/trace.h"

struct broker {
    struct network *network;
    struct trace *trace;
    const struct token_key *key;
    int number;
    bool serves_apps;      /* requests then come to it as from the apps' port */
    struct worker *worker; /* the process; NULL while there is none */
};

/* A request under way. The asker's callback comes once, by the network, unless it has hung up: `status` 0 where the
 * worker has died. */
struct ask;
typedef void (*ask_done)(void *arg, int status, const char *body, size_t length);

void broker_start(struct broker *broker); /* with a clock that is up to ten seconds off */
void broker_crash(struct broker *broker);
void broker_pause(struct broker *broker, int64_t for_us); /* it gets no processor for so long */
bool broker_is_up(const struct broker *broker);

/* Calls `take` on its loop, as what comes from outside. Only while it is up. */
void broker_deliver(struct broker *broker, void (*take)(void *arg), void *arg);
struct service *broker_service(const struct broker *broker); /* only while it is up, for what is delivered */

/* The time of record as this worker takes it; only while it is up. */
int64_t broker_now_ms(const struct broker *broker);

/* Asks. `text` is copied. Where the worker is down, the answer is status 0. */
struct ask *broker_ask(struct broker *broker, enum http_method method, const char *path, const char *bearer,
                       const char *text, ask_done done, void *arg);
void ask_hang_up(struct ask *ask); /* then the callback does not come any more, and the ask is gone for the asker */

#endif
