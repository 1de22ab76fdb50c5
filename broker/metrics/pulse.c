#include "broker/metrics/pulse.h"

#include <sys/resource.h>

static void on_timer(uv_timer_t *timer) {
    struct pulse *pulse = timer->data;
    uint64_t now_us = uv_hrtime() / 1000, due_us = pulse->due_ms * 1000;
    metrics_observe(&pulse->metrics->loop_lag_us, now_us > due_us ? now_us - due_us : 0);
    pulse->due_ms = uv_now(timer->loop) + PULSE_MS; /* as libuv counts, too */
}

int pulse_open(struct pulse *pulse, uv_loop_t *loop, struct metrics *metrics) {
    pulse->metrics = metrics;
    pulse->timer.data = pulse;
    pulse->began_ns = uv_hrtime();
    uv_loop_configure(loop, UV_METRICS_IDLE_TIME); /* without it the loop counts as busy */
    uv_update_time(loop);
    pulse->due_ms = uv_now(loop) + PULSE_MS;
    if (uv_timer_init(loop, &pulse->timer) != 0) return LEDIG_EIO;
    return uv_timer_start(&pulse->timer, on_timer, PULSE_MS, PULSE_MS) == 0 ? 0 : LEDIG_EIO;
}

static uint64_t microseconds(struct timeval time) {
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

void pulse_measure(const struct pulse *pulse) {
    struct rusage usage;
    uint64_t passed_ns = uv_hrtime() - pulse->began_ns, idle_ns = uv_metrics_idle_time(pulse->timer.loop);
    uint64_t busy_us = passed_ns > idle_ns ? (passed_ns - idle_ns) / 1000 : 0;
    if (busy_us > pulse->metrics->busy_us) pulse->metrics->busy_us = busy_us; /* a counter never falls */
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        pulse->metrics->cpu_us = microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
}

void pulse_close(struct pulse *pulse) {
    uv_close((uv_handle_t *)&pulse->timer, NULL);
}
