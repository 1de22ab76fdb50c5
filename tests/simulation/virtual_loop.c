#include "tests/simulation/virtual_loop.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FLAG_ACTIVE 1u
#define FLAG_CLOSING 2u
#define TURNS_MAX 10000 /* without time passing: then it spins */

struct delivery {
    struct delivery *next;
    void (*take)(void *arg);
    void *arg;
};

static struct virtual_loop *current; /* uv_hrtime and uv_random are not told whose they are */

struct virtual_loop *virtual_loop_current(void) {
    return current;
}

static struct virtual_loop *loop_of(const uv_loop_t *uv) {
    return (struct virtual_loop *)(uintptr_t)uv;
}

static int64_t clock_us(const struct virtual_loop *loop) {
    return loop->timeline->now_us + loop->clock_us;
}

void virtual_loop_open(struct virtual_loop *loop, struct timeline *timeline, int64_t clock, int64_t wall) {
    *loop = (struct virtual_loop){.timeline = timeline, .clock_us = clock, .wall_us = wall};
    loop->now_ms = (uint64_t)clock_us(loop) / 1000;
}

void virtual_loop_close(struct virtual_loop *loop) {
    timeline_cancel(loop->wake);
    loop->wake = NULL;
    if (loop->handle_count > 0 || loop->first) abort(); /* it was not run out */
}

/* ---- Handles ---- */

static void handle_init(uv_loop_t *uv, uv_handle_t *handle, uv_handle_type type) {
    struct virtual_loop *loop = loop_of(uv);
    void *data = handle->data;
    if (loop->handle_count == VIRTUAL_HANDLES_MAX) abort();
    handle->data = data; /* may be set before the handle is, as with libuv */
    handle->loop = uv;
    handle->type = type;
    handle->flags = 0;
    handle->close_cb = NULL;
    loop->handles[loop->handle_count++] = handle;
}

static void set_active(uv_handle_t *handle, bool active) {
    handle->flags = active ? handle->flags | FLAG_ACTIVE : handle->flags & ~FLAG_ACTIVE;
}

int uv_is_active(const uv_handle_t *handle) {
    return (handle->flags & FLAG_ACTIVE) != 0;
}

void uv_close(uv_handle_t *handle, uv_close_cb closed) {
    if (handle->flags & FLAG_CLOSING) abort();
    set_active(handle, false);
    handle->flags |= FLAG_CLOSING;
    handle->close_cb = closed;
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer) {
    handle_init(loop, (uv_handle_t *)timer, UV_TIMER);
    return 0;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t timeout, uint64_t repeat) {
    struct virtual_loop *loop = loop_of(timer->loop);
    if (timer->flags & FLAG_CLOSING) return UV_EINVAL;
    timer->timer_cb = callback;
    timer->timeout = loop->now_ms + timeout;
    timer->repeat = repeat;
    timer->start_id = loop->started++;
    set_active((uv_handle_t *)timer, true);
    return 0;
}

int uv_timer_stop(uv_timer_t *timer) {
    set_active((uv_handle_t *)timer, false);
    return 0;
}

int uv_idle_init(uv_loop_t *loop, uv_idle_t *idle) {
    handle_init(loop, (uv_handle_t *)idle, UV_IDLE);
    return 0;
}

int uv_idle_start(uv_idle_t *idle, uv_idle_cb callback) {
    if (uv_is_active((uv_handle_t *)idle)) return 0;
    idle->idle_cb = callback;
    set_active((uv_handle_t *)idle, true);
    return 0;
}

int uv_idle_stop(uv_idle_t *idle) {
    set_active((uv_handle_t *)idle, false);
    return 0;
}

int uv_prepare_init(uv_loop_t *loop, uv_prepare_t *prepare) {
    handle_init(loop, (uv_handle_t *)prepare, UV_PREPARE);
    return 0;
}

int uv_prepare_start(uv_prepare_t *prepare, uv_prepare_cb callback) {
    if (uv_is_active((uv_handle_t *)prepare)) return 0;
    prepare->prepare_cb = callback;
    set_active((uv_handle_t *)prepare, true);
    return 0;
}

int uv_prepare_stop(uv_prepare_t *prepare) {
    set_active((uv_handle_t *)prepare, false);
    return 0;
}

/* ---- Clocks and chance ---- */

uint64_t uv_now(const uv_loop_t *loop) {
    return loop_of(loop)->now_ms;
}

uint64_t uv_hrtime(void) {
    return current ? (uint64_t)clock_us(current) * 1000 : 1;
}

uint64_t uv_metrics_idle_time(uv_loop_t *loop) {
    return (uint64_t)clock_us(loop_of(loop)) * 1000; /* what it does takes no time */
}

int uv_loop_configure(uv_loop_t *loop, uv_loop_option option, ...) {
    (void)loop;
    (void)option;
    return 0;
}

int uv_random(uv_loop_t *loop, uv_random_t *request, void *bytes, size_t length, unsigned flags, uv_random_cb done) {
    (void)loop;
    (void)request;
    (void)flags;
    if (done || !current) return UV_EINVAL;
    for (size_t i = 0; i < length; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)(dice_next(current->timeline->dice) >> 56);
    return 0;
}

/* The wall clock of the machine on which the loop runs: --wrap=clock_gettime leads here. Outside of all loops it is the
 * real one, for libFuzzer. */
int __real_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time) {
    if (!current) return __real_clock_gettime(clock, time);
    if (clock != CLOCK_REALTIME) abort();
    int64_t wall_us = current->timeline->now_us + current->wall_us;
    *time = (struct timespec){.tv_sec = wall_us / 1000000, .tv_nsec = wall_us % 1000000 * 1000};
    return 0;
}

/* ---- A turn ---- */

static uv_timer_t *first_timer(const struct virtual_loop *loop) {
    uv_timer_t *first = NULL;
    for (size_t i = 0; i < loop->handle_count; i++) {
        uv_timer_t *timer = (uv_timer_t *)loop->handles[i];
        if (timer->type != UV_TIMER || !uv_is_active(loop->handles[i])) continue;
        if (!first || timer->timeout < first->timeout ||
            (timer->timeout == first->timeout && timer->start_id < first->start_id))
            first = timer;
    }
    return first;
}

static void run_timers(struct virtual_loop *loop) {
    uint64_t until = loop->started; /* one that is started meanwhile waits for the next turn */
    for (uv_timer_t *timer; (timer = first_timer(loop)) && timer->timeout <= loop->now_ms;) {
        if (timer->start_id >= until) return;
        uv_timer_stop(timer);
        if (timer->repeat) uv_timer_start(timer, timer->timer_cb, timer->repeat, timer->repeat);
        timer->timer_cb(timer);
    }
}

static void run_type(struct virtual_loop *loop, uv_handle_type type) {
    uv_handle_t *handles[VIRTUAL_HANDLES_MAX];
    size_t count = loop->handle_count;
    memcpy(handles, loop->handles, count * sizeof *handles);
    for (size_t i = 0; i < count; i++) { /* handles are freed only when they are closed, at the end of a turn */
        if (handles[i]->type != type || !uv_is_active(handles[i])) continue;
        if (type == UV_IDLE)
            ((uv_idle_t *)handles[i])->idle_cb((uv_idle_t *)handles[i]);
        else
            ((uv_prepare_t *)handles[i])->prepare_cb((uv_prepare_t *)handles[i]);
    }
}

static void run_closing(struct virtual_loop *loop) {
    for (size_t i = 0; i < loop->handle_count;) {
        uv_handle_t *handle = loop->handles[i];
        if (!(handle->flags & FLAG_CLOSING)) {
            i++;
            continue;
        }
        memmove(&loop->handles[i], &loop->handles[i + 1], (--loop->handle_count - i) * sizeof *loop->handles);
        if (handle->close_cb) handle->close_cb(handle);
    }
}

static bool has_more(const struct virtual_loop *loop) {
    const uv_timer_t *timer = first_timer(loop);
    if (timer && timer->timeout <= loop->now_ms) return true;
    for (size_t i = 0; i < loop->handle_count; i++)
        if (loop->handles[i]->flags & FLAG_CLOSING ||
            (loop->handles[i]->type == UV_IDLE && uv_is_active(loop->handles[i])))
            return true;
    return false;
}

static void turn(struct virtual_loop *loop, struct delivery *delivery) {
    loop->now_ms = (uint64_t)clock_us(loop) / 1000;
    run_timers(loop);
    run_type(loop, UV_IDLE);
    run_type(loop, UV_PREPARE);
    if (delivery) delivery->take(delivery->arg);
    free(delivery);
    run_closing(loop);
}

static void on_wake(void *arg);

static void set_wake(struct virtual_loop *loop) {
    timeline_cancel(loop->wake);
    loop->wake = NULL;
    if (loop->detached) return;
    const uv_timer_t *timer = first_timer(loop);
    int64_t at_us = timer ? (int64_t)timer->timeout * 1000 - loop->clock_us : INT64_MAX;
    if (loop->first) at_us = loop->timeline->now_us;
    if (at_us < loop->paused_until_us) at_us = loop->paused_until_us;
    if (at_us != INT64_MAX) loop->wake = timeline_at(loop->timeline, at_us, on_wake, loop);
}

static void run(struct virtual_loop *loop) {
    struct virtual_loop *outer = current;
    current = loop;
    for (int turns = 0; turns == 0 || loop->first || has_more(loop); turns++) {
        struct delivery *delivery = loop->first;
        if (delivery) loop->first = delivery->next;
        if (!loop->first) loop->last = NULL;
        turn(loop, delivery);
        if (turns == TURNS_MAX) abort();
    }
    current = outer;
    set_wake(loop);
}

static void on_wake(void *arg) {
    struct virtual_loop *loop = arg;
    loop->wake = NULL;
    run(loop);
}

bool virtual_loop_deliver(struct virtual_loop *loop, void (*take)(void *arg), void *arg) {
    if (loop->detached) return false;
    struct delivery *delivery = calloc(1, sizeof *delivery);
    if (!delivery) abort();
    *delivery = (struct delivery){.take = take, .arg = arg};
    if (loop->last)
        loop->last->next = delivery;
    else
        loop->first = delivery;
    loop->last = delivery;
    if (current == loop) return true; /* it runs */
    if (current || loop->paused_until_us > loop->timeline->now_us)
        set_wake(loop);
    else
        run(loop);
    return true;
}

void virtual_loop_pause(struct virtual_loop *loop, int64_t until_us) {
    loop->paused_until_us = until_us;
    set_wake(loop);
}

void virtual_loop_run_out(struct virtual_loop *loop, void (*first)(void *arg), void *arg) {
    struct delivery *delivery = calloc(1, sizeof *delivery);
    if (!delivery) abort();
    *delivery = (struct delivery){.next = loop->first, .take = first, .arg = arg};
    loop->first = delivery;
    if (!loop->last) loop->last = delivery;
    loop->detached = true;
    loop->paused_until_us = 0;
    while (loop->handle_count > 0 || loop->first) {
        run(loop);
        const uv_timer_t *timer = first_timer(loop);
        if (!timer && loop->handle_count > 0) abort(); /* a handle that nobody closes */
        if (timer && (int64_t)timer->timeout * 1000 > clock_us(loop))
            loop->clock_us = (int64_t)timer->timeout * 1000 - loop->timeline->now_us;
    }
}

/* ---- Work beside the loop: done at once, and told of in the next turn ---- */

static void after_work(void *arg) {
    uv_work_t *work = arg;
    work->after_work_cb(work, 0);
}

int uv_queue_work(uv_loop_t *loop, uv_work_t *work, uv_work_cb do_work, uv_after_work_cb after) {
    work->loop = loop;
    work->work_cb = do_work;
    work->after_work_cb = after;
    do_work(work);
    return virtual_loop_deliver(loop_of(loop), after_work, work) ? 0 : UV_ECANCELED;
}
