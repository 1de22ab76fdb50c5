#include "tests/simulation/broker.h"

#include "broker/service/people_api.h"
#include "broker/service/router_api.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define SKEW_US_MAX 10000000
#define UPTIME_US_MAX 1000000000000 /* of the machine: its monotonic clock began some days ago */
#define PATH_BYTES 512

struct worker {
    struct virtual_loop loop; /* first */
    struct port port;
    struct broker *broker;
    struct service *service;
    struct http_exchange *exchanges; /* that have no answer */
    bool closed;
};

struct http_exchange {
    struct http_exchange *prev, *next; /* of its worker, until it is answered */
    struct worker *worker;             /* NULL: dead, or answered */
    struct ask *ask;                   /* NULL: nobody waits for it */
};

struct ask {
    struct network *network;
    struct broker *broker;
    struct http_exchange *exchange; /* NULL: not yet there, or answered */
    ask_done done;                  /* NULL: hung up */
    void *arg;
    enum http_method method;
    char *path, *bearer, *text;
    int status;
    char *answer;
    size_t length;
};

/* ---- The worker ---- */

static void on_start(void *arg) {
    struct worker *worker = arg;
    struct service_options options = {.redis_url = "redis://127.0.0.1:6379",
                                      .number_sweep_ms = UINT32_MAX,
                                      .history_sweep_ms = UINT32_MAX,
                                      .serves_apps = worker->broker->serves_apps};
    if (service_open((uv_loop_t *)&worker->loop, &options, worker->broker->key, &worker->service) != 0) abort();
}

void broker_start(struct broker *broker) {
    struct dice *dice = broker->network->dice;
    struct worker *worker = store_allocate(sizeof *worker);
    int64_t skew_us = dice_between(dice, -SKEW_US_MAX, SKEW_US_MAX);
    broker->worker = worker;
    worker->broker = broker;
    virtual_loop_open(&worker->loop, broker->network->timeline, dice_between(dice, 1000000, UPTIME_US_MAX),
                      broker->network->redis->began_ms * 1000 + skew_us);
    worker->port = (struct port){.network = broker->network, .loop = &worker->loop};
    worker->loop.uv.data = &worker->port;
    trace_line(broker->trace, "worker %d starts, its clock %+lld ms", broker->number, (long long)skew_us / 1000);
    virtual_loop_deliver(&worker->loop, on_start, worker);
}

static void on_closed(void *arg) {
    ((struct worker *)arg)->closed = true;
}

/* What is left is cleared away where nobody sees it: not one byte of that leaves the dead process. */
static void clear_away(void *arg) {
    struct worker *worker = arg;
    network_cut(&worker->port);
    service_drain(worker->service);
    service_close(worker->service, on_closed, worker);
}

static void arrive(struct ask *ask, int status);

void broker_crash(struct broker *broker) {
    struct worker *worker = broker->worker;
    struct http_exchange *exchange, *next;
    trace_line(broker->trace, "worker %d dies", broker->number);
    broker->worker = NULL;
    worker->port.is_dead = true;
    DL_FOREACH_SAFE(worker->exchanges, exchange, next) {
        DL_DELETE(worker->exchanges, exchange);
        exchange->worker = NULL;
        struct ask *ask = exchange->ask;
        exchange->ask = NULL;
        if (!ask) continue;
        ask->exchange = NULL;
        arrive(ask, 0);
    }
    virtual_loop_run_out(&worker->loop, clear_away, worker);
    if (!worker->closed) abort();
    virtual_loop_close(&worker->loop);
    free(worker);
}

void broker_pause(struct broker *broker, int64_t for_us) {
    if (!broker->worker) return;
    trace_line(broker->trace, "worker %d stands still for %lld ms", broker->number, (long long)for_us / 1000);
    virtual_loop_pause(&broker->worker->loop, broker->network->timeline->now_us + for_us);
}

bool broker_is_up(const struct broker *broker) {
    return broker->worker != NULL;
}

void broker_deliver(struct broker *broker, void (*take)(void *arg), void *arg) {
    virtual_loop_deliver(&broker->worker->loop, take, arg);
}

struct service *broker_service(const struct broker *broker) {
    return broker->worker->service;
}

int64_t broker_now_ms(const struct broker *broker) {
    return service_now_ms(broker->worker->service);
}

/* ---- A request ---- */

static void ask_free(struct ask *ask) {
    free(ask->path);
    free(ask->bearer);
    free(ask->text);
    free(ask->answer);
    free(ask);
}

static void on_arrival(void *arg) {
    struct ask *ask = arg;
    if (ask->done) ask->done(ask->arg, ask->status, ask->answer ? ask->answer : "", ask->length);
    ask_free(ask);
}

static void arrive(struct ask *ask, int status) {
    ask->status = status;
    timeline_at(ask->network->timeline, ask->network->timeline->now_us + network_way_us(ask->network), on_arrival, ask);
}

struct handing {
    struct worker *worker;
    struct ask *ask;
};

static void hand_over(void *arg) {
    struct handing *handing = arg;
    struct worker *worker = handing->worker;
    struct ask *ask = handing->ask;
    free(handing);
    if (worker->port.is_dead) {
        arrive(ask, 0);
        return;
    }
    struct http_exchange *exchange = store_allocate(sizeof *exchange);
    *exchange = (struct http_exchange){.worker = worker, .ask = ask};
    ask->exchange = exchange;
    DL_APPEND(worker->exchanges, exchange);
    struct http_request request = {.method = ask->method,
                                   .path = ask->path,
                                   .query = "",
                                   .bearer = ask->bearer,
                                   .content_type = "application/json",
                                   .body = (const uint8_t *)ask->text,
                                   .length = strlen(ask->text)};
    if (!ask->done) { /* hung up on the way */
        exchange->ask = NULL;
        ask->exchange = NULL;
    }
    if (ask->broker->serves_apps)
        people_api_handle(worker->service, exchange, &request);
    else
        router_api_handle(worker->service, exchange, &request);
    if (!ask->done) ask_free(ask);
}

static void at_worker(void *arg) {
    struct ask *ask = arg;
    struct worker *worker = ask->broker->worker;
    if (!worker) {
        arrive(ask, 0);
        return;
    }
    struct handing *handing = store_allocate(sizeof *handing);
    *handing = (struct handing){worker, ask};
    virtual_loop_deliver(&worker->loop, hand_over, handing);
}

struct ask *broker_ask(struct broker *broker, enum http_method method, const char *path, const char *bearer,
                       const char *text, ask_done done, void *arg) {
    struct ask *ask = store_allocate(sizeof *ask);
    *ask = (struct ask){.network = broker->network,
                        .broker = broker,
                        .done = done,
                        .arg = arg,
                        .method = method,
                        .path = store_copy(path, strlen(path)),
                        .bearer = store_copy(bearer, strlen(bearer)),
                        .text = store_copy(text, strlen(text))};
    timeline_at(broker->network->timeline, broker->network->timeline->now_us + network_way_us(broker->network),
                at_worker, ask);
    return ask;
}

void ask_hang_up(struct ask *ask) {
    ask->done = NULL;
    if (!ask->exchange) return; /* on its way there or back: it ends with the arrival */
    ask->exchange->ask = NULL;
    ask_free(ask);
}

/* ---- http_exchange.h ---- */

void http_answer(struct http_exchange *exchange, int status, const char *content_type, const void *body,
                 size_t length) {
    struct ask *ask = exchange->ask;
    (void)content_type;
    if (exchange->worker) DL_DELETE(exchange->worker->exchanges, exchange);
    free(exchange);
    if (!ask) return;
    ask->exchange = NULL;
    ask->answer = store_copy(body, length);
    ask->length = length;
    arrive(ask, status);
}

void http_retry_after(struct http_exchange *exchange, uint32_t retry_ms) {
    (void)exchange; /* routers here come again when they like */
    (void)retry_ms;
}

bool http_is_abandoned(const struct http_exchange *exchange) {
    return !exchange->ask;
}
