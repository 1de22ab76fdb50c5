/* What one worker counts and measures. Plain fields in one struct that the worker owns and lends to the service, the
 * store and the front: the hot path is `metrics->frames++`. It allocates nothing, calls nothing, and never holds
 * anything about a company, a person, a number or a device. Of one thread; all rows stand in metrics.def. */
#ifndef LEDIG_METRICS_H
#define LEDIG_METRICS_H

#include "broker/limits/limits.h"
#include "protocol/message.h"

#include <stdint.h>

/* X(name, code): why the broker ends a connection, and the code of the WebSocket's close frame (RFC 6455, section 7.4;
 * from 4400 on our own) */
#define METRICS_DROPS(X)                                                                                               \
    X(stall, 1008) /* took nothing for stall_ms */                                                                     \
    X(no_sign_of_life, 1001)                                                                                           \
    X(drain, 1001)       /* the worker ends */                                                                         \
    X(unavailable, 1001) /* the store is away, or memory is out */                                                     \
    X(wrong_kind, 1003)  /* text for msgpack, or the other way */                                                      \
    X(bad_data, 1007)    /* no message at all */                                                                       \
    X(bad_message, 1008) /* a hello that cannot be, or in the wrong place */                                           \
    X(too_large, 1009)                                                                                                 \
    X(unauthorized, 4401)                                                                                              \
    X(forbidden, 4403)                                                                                                 \
    X(no_hello, 4408)                                                                                                  \
    X(replaced, 4409)     /* the same device, or router, came again */                                                 \
    X(router_ended, 4410) /* was silent for too long: it takes a new id */                                             \
    X(rate_limited, 4429)

enum metrics_drop {
#define X(name, code) DROP_##name,
    METRICS_DROPS(X)
#undef X
        METRICS_DROP_COUNT
};

enum metrics_join { JOIN_NOTHING, JOIN_RESUMED, METRICS_JOIN_COUNT };

#define METRICS_STATUS_COUNT 6 /* by the first digit of an HTTP status */

#define METRICS_ERROR_COUNT (-LEDIG_EUNSUPPORTED + 1) /* those with a name on the wire, by their negative value */

#define METRICS_BUCKETS 25 /* bucket i holds values up to 2^i: 16 s in µs */

struct metrics_histogram {
    uint64_t sum;
    uint64_t buckets[METRICS_BUCKETS + 1]; /* not cumulative; the last is for all that is larger */
};

struct metrics {
#define COUNTER(field, name, unit, help) uint64_t field;
#define COUNTERS(field, size, label, name, help) uint64_t field[size];
#define GAUGE(field, name, unit, help) uint64_t field;
#define HISTOGRAM(field, name, unit, first, help) struct metrics_histogram field;
#include "broker/metrics/metrics.def"
#undef COUNTER
#undef COUNTERS
#undef GAUGE
#undef HISTOGRAM
};

static inline void metrics_observe(struct metrics_histogram *histogram, uint64_t value) {
    unsigned bucket = value <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(value - 1);
    histogram->sum += value;
    histogram->buckets[bucket > METRICS_BUCKETS ? METRICS_BUCKETS : bucket]++;
}

/* One that was answered to a peer; those without a name on the wire are answered as `unavailable`. */
static inline void metrics_error(struct metrics *metrics, int error) {
    bool named = error < 0 && error >= LEDIG_EUNSUPPORTED;
    metrics->errors[named ? -error : -LEDIG_EUNAVAILABLE]++;
}

/* Adds the counters and histograms of a worker that has ended; its gauges are gone with it. */
void metrics_add_counters(struct metrics *sum, const struct metrics *ended);

#endif
