#include "broker/store/redis_store.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

#define TIMEOUT_MS 2000
#define VERIFY_MS 2000
#define COMPANY_IN_FLIGHT 32
#define LEASE_MS 10000
#define CLOCK_STEP_MS 2 /* both clocks are cut to whole milliseconds */

void *store_allocate(size_t bytes) {
    void *memory = calloc(1, bytes > 0 ? bytes : 1);
    if (memory == NULL) abort();
    return memory;
}

char *store_copy(const void *bytes, size_t length) {
    char *copy = store_allocate(length + 1);
    if (length > 0) memcpy(copy, bytes, length);
    return copy;
}

uint64_t redis_store_clock_ms(void) {
    return uv_hrtime() / 1000000;
}

/* ---- The clock of record ---- */

void clock_set(struct store *store, int64_t now_ms, uint64_t sent_ms) {
    uint64_t received_ms = redis_store_clock_ms();
    store->offset_ms = now_ms - (int64_t)(sent_ms + (received_ms - sent_ms) / 2);
    store->clock_error_ms = (int64_t)(received_ms - sent_ms) / 2 + CLOCK_STEP_MS;
    store->has_offset = true;
}

int64_t clock_of_server_ms(const struct store *store) {
    struct timespec now;
    if (store->has_offset) return (int64_t)redis_store_clock_ms() + store->offset_ms;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t store_now_ms(const struct store *store) {
    int64_t now_ms = clock_of_server_ms(store);
    if (!store->has_offset) return now_ms; /* our own clock, which may be ahead: it must not hold the other one up */
    int64_t *told = &((struct store *)(uintptr_t)store)->told_now_ms; /* what was told once stands, for const too */
    if (now_ms > *told) *told = now_ms;
    return *told;
}

int64_t store_stale_ms(const struct store *store) {
    if (store->verified_ms == 0) return INT64_MAX;
    return (int64_t)(redis_store_clock_ms() - store->verified_ms);
}

void store_measure(const struct store *store) {
    struct metrics *metrics = store->metrics;
    uint64_t since_ms = store->verified_ms != 0 ? store->verified_ms : store->opened_ms;
    metrics->store_connected = store->ready;
    metrics->store_stale_ms = redis_store_clock_ms() - since_ms;
}

bool store_is_connected(const struct store *store) {
    return store->ready;
}

/* ---- The links ---- */

static void tell_lost(struct store *store, const char *why) {
    if (store->closing || store->options.events.lost == NULL) return;
    store->options.events.lost(store->options.arg, why);
}

static void on_commands_up(void *arg) {
    struct store *store = arg;
    scripts_load(store);
    verify_begin(store);
}

static void on_commands_down(void *arg, const char *why) {
    struct store *store = arg;
    bool was_ready = store->ready;
    store->ready = false;
    uv_timer_stop(&store->verify_timer);
    verify_link_down(store);
    if (was_ready || !store->told_why) {
        store->told_why = true;
        tell_lost(store, why);
    }
}

static void on_changes_up(void *arg) {
    watch_link_up(arg);
}

static void on_changes_down(void *arg, const char *why) {
    (void)why; /* the verify batch finds what the doorbell does not tell meanwhile */
    watch_link_down(arg);
}

static void on_changes_told(void *arg, const redisReply *message) {
    watch_told(arg, message);
}

static void on_verify_timer(uv_timer_t *timer) {
    struct store *store = timer->data;
    if (store->ready) verify_begin(store);
    watch_ping(store);
}

static void send_what_waits(struct store *store) {
    struct request *request, *next;
    DL_FOREACH_SAFE(store->requests, request, next) {
        if (!request->waits) continue;
        request->waits = false;
        request->type->send(request);
    }
    changes_begin_soon(store);
}

void verify_ended(struct store *store, int error) {
    if (store->closing) return;
    if (error != 0) {
        redis_link_drop(store->commands, "the verify batch failed");
        return;
    }
    store->verified_ms = redis_store_clock_ms();
    if (store->ready) return;
    store->ready = true;
    store->told_why = true;
    store->metrics->store_connects++;
    uv_timer_start(&store->verify_timer, on_verify_timer, store->options.verify_ms, store->options.verify_ms);
    send_what_waits(store);
    if (store->options.events.connected != NULL) store->options.events.connected(store->options.arg);
}

/* ---- Opening ---- */

static int open_links(struct store *store, const struct redis_address *address) {
    struct redis_link_options options = {.address = address,
                                         .user = store->options.user,
                                         .password = store->options.password,
                                         .timeout_ms = store->options.timeout_ms,
                                         .up = on_commands_up,
                                         .down = on_commands_down,
                                         .arg = store};
    int error = redis_link_open(store->loop, &options, &store->commands);
    if (error != 0) return error;
    options.up = on_changes_up;
    options.down = on_changes_down;
    options.told = on_changes_told;
    error = redis_link_open(store->loop, &options, &store->changes);
    if (error != 0) redis_link_close(store->commands, NULL, NULL);
    return error;
}

int store_open(uv_loop_t *loop, const struct store_options *options, struct store **store) {
    struct redis_address address;
    int error = redis_address_parse(options->url, &address);
    if (error != 0) return error;
    if (options->user != NULL && options->password == NULL) return LEDIG_EBAD_REQUEST;
    struct store *made = calloc(1, sizeof *made);
    if (made == NULL) return LEDIG_ENO_MEMORY;
    made->loop = loop;
    made->options = *options;
    made->metrics = options->metrics != NULL ? options->metrics : &made->own_metrics;
    made->opened_ms = redis_store_clock_ms();
    if (made->options.timeout_ms == 0) made->options.timeout_ms = TIMEOUT_MS;
    if (made->options.verify_ms == 0) made->options.verify_ms = VERIFY_MS;
    if (made->options.company_in_flight == 0) made->options.company_in_flight = COMPANY_IN_FLIGHT;
    if (made->options.lease_ms == 0) made->options.lease_ms = LEASE_MS;
    made->opened_records = arena_create();
    error = made->opened_records != NULL ? open_links(made, &address) : LEDIG_ENO_MEMORY;
    if (error != 0) {
        arena_free(made->opened_records);
        free(made);
        return error;
    }
    made->options.url = made->options.user = made->options.password = NULL; /* the links have their copies */
    uv_timer_init(loop, &made->deadline_timer);
    uv_timer_init(loop, &made->verify_timer);
    uv_idle_init(loop, &made->begin);
    made->deadline_timer.data = made->verify_timer.data = made->begin.data = made;
    made->open_parts = 5; /* these three and the links */
    *store = made;
    return 0;
}

/* ---- Closing ---- */

/* A completion may ask for more, which then ends here too. */
static void fail_what_is_open(struct store *store) {
    while (store->deadlines != NULL) {
        struct deadline *deadline = store->deadlines;
        deadline_remove(store, deadline);
        deadline->passed(deadline, LEDIG_EUNAVAILABLE);
    }
}

static void part_closed(struct store *store) {
    if (--store->open_parts > 0) return;
    fail_what_is_open(store);
    struct store_company *company, *next;
    HASH_ITER(hh, store->companies, company, next) {
        HASH_DEL(store->companies, company);
        free(company);
    }
    void (*closed)(void *arg) = store->closed;
    void *arg = store->closed_arg;
    arena_free(store->opened_records);
    buffer_free(&store->opened);
    free(store);
    if (closed != NULL) closed(arg);
}

static void on_handle_closed(uv_handle_t *handle) {
    part_closed(handle->data);
}

static void on_link_closed(void *arg) {
    part_closed(arg);
}

static void on_closing(uv_idle_t *idle) {
    struct store *store = idle->data;
    uv_idle_stop(idle);
    fail_what_is_open(store);
    while (store->requests != NULL) {
        request_end(store->requests, LEDIG_EUNAVAILABLE);
    }
    redis_link_close(store->commands, on_link_closed, store);
    redis_link_close(store->changes, on_link_closed, store);
    store->commands = store->changes = NULL;
    uv_close((uv_handle_t *)&store->deadline_timer, on_handle_closed);
    uv_close((uv_handle_t *)&store->verify_timer, on_handle_closed);
    uv_close((uv_handle_t *)&store->begin, on_handle_closed);
}

void store_close(struct store *store, void (*closed)(void *arg), void *arg) {
    store->closing = true;
    store->ready = false;
    store->closed = closed;
    store->closed_arg = arg;
    uv_timer_stop(&store->deadline_timer);
    uv_timer_stop(&store->verify_timer);
    uv_idle_stop(&store->begin);
    uv_idle_start(&store->begin, on_closing);
}
