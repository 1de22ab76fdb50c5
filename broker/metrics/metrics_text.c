#include "broker/metrics/metrics_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE_BYTES_MAX 512 /* a HELP line is the longest */

enum unit { ONE, MS, US }; /* in decimal digits behind the point: 0, 3, 6 */

static void __attribute__((format(printf, 2, 3))) add_line(struct buffer *text, const char *format, ...) {
    char line[LINE_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof line)
        text->failed = true; /* a line of our own table is too long */
    else
        buffer_append(text, line, (size_t)length);
}

/* ---- Values ---- */

struct value {
    char text[32];
};

/* In the base unit, exactly, without zeros at the end. */
static struct value print_value(uint64_t value, enum unit unit) {
    struct value out;
    uint64_t scale = unit == US ? 1000000 : unit == MS ? 1000 : 1;
    snprintf(out.text, sizeof out.text, "%" PRIu64, value / scale);
    if (value % scale == 0) return out;
    size_t length = strlen(out.text);
    snprintf(out.text + length, sizeof out.text - length, ".%0*" PRIu64, unit == US ? 6 : 3, value % scale);
    for (char *end = out.text + strlen(out.text) - 1; *end == '0'; end--)
        *end = '\0';
    return out;
}

/* ---- What stands in a label ---- */

static const char *label_reason(size_t i) {
    static const char *const names[] = {
#define X(name, code) #name,
        METRICS_DROPS(X)
#undef X
    };
    return names[i];
}

static const char *label_type(size_t i) {
    static const char *const names[MESSAGE_TYPE_COUNT] = {
#define MESSAGE(name, side, meaning) [MESSAGE_##name] = SIDE_##side == SIDE_APP ? #name : NULL,
#define FIELD(owner, name, kind, required, max, of, meaning)
#define END(owner)
#define MESSAGES_WITHOUT_PARTS
#include "protocol/messages.def"
#undef MESSAGES_WITHOUT_PARTS
#undef MESSAGE
#undef FIELD
#undef END
    };
    return names[i];
}

static const char *label_code(size_t i) {
    return i == 0 ? NULL : ledig_error_name(-(int)i);
}

static const char *label_from(size_t i) {
    return i == JOIN_RESUMED ? "place" : "nothing";
}

static const char *label_status(size_t i) {
    static const char *const classes[METRICS_STATUS_COUNT] = {NULL, NULL, "2xx", NULL, "4xx", "5xx"};
    return classes[i];
}

static const char *label_limit(size_t i) {
    static const char *const names[] = {
#define RATE(name, flag, standard, meaning) #name,
#define CEILING(name, flag, standard, meaning) #name,
#include "broker/limits/limits.def"
#undef RATE
#undef CEILING
    };
    return names[i];
}

/* ---- Families ---- */

void metrics_text_family(struct buffer *text, const char *name, enum metrics_type type, const char *help) {
    static const char *const types[] = {
        [METRICS_COUNTER] = "counter", [METRICS_GAUGE] = "gauge", [METRICS_HISTOGRAM] = "histogram"};
    add_line(text, "# HELP ledig_%s %s\n# TYPE ledig_%s %s\n", name, help, name, types[type]);
}

void metrics_text_sample(struct buffer *text, const char *name, const char *labels, uint64_t value) {
    add_line(text, "ledig_%s%s %" PRIu64 "\n", name, labels, value);
}

static void add_one(struct buffer *text, const char *name, enum unit unit, const char *worker, uint64_t value) {
    add_line(text, "ledig_%s{worker=\"%s\"} %s\n", name, worker, print_value(value, unit).text);
}

static void add_labelled(struct buffer *text, const char *name, const char *label, const char *(*label_of)(size_t),
                         const char *worker, const uint64_t *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (label_of(i))
            add_line(text, "ledig_%s{worker=\"%s\",%s=\"%s\"} %" PRIu64 "\n", name, worker, label, label_of(i),
                     values[i]);
}

static void add_histogram(struct buffer *text, const char *name, enum unit unit, unsigned first, const char *worker,
                          const struct metrics_histogram *histogram) {
    uint64_t count = 0;
    for (unsigned i = 0; i < METRICS_BUCKETS; i++) {
        count += histogram->buckets[i];
        if (i >= first)
            add_line(text, "ledig_%s_bucket{worker=\"%s\",le=\"%s\"} %" PRIu64 "\n", name, worker,
                     print_value(1ull << i, unit).text, count);
    }
    count += histogram->buckets[METRICS_BUCKETS];
    add_line(text, "ledig_%s_bucket{worker=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, worker, count);
    add_line(text, "ledig_%s_sum{worker=\"%s\"} %s\n", name, worker, print_value(histogram->sum, unit).text);
    add_line(text, "ledig_%s_count{worker=\"%s\"} %" PRIu64 "\n", name, worker, count);
}

#define EACH_SOURCE(source) for (const struct metrics_source *source = sources; source < sources + count; source++)

void metrics_text_workers(struct buffer *text, const struct metrics_source *sources, size_t count) {
#define COUNTER(field, name, unit, help)                                                                               \
    metrics_text_family(text, #name, METRICS_COUNTER, help);                                                           \
    EACH_SOURCE(s) add_one(text, #name, unit, s->worker, s->metrics.field);
#define COUNTERS(field, size, label, name, help)                                                                       \
    metrics_text_family(text, #name, METRICS_COUNTER, help);                                                           \
    EACH_SOURCE(s) add_labelled(text, #name, #label, label_##label, s->worker, s->metrics.field, size);
#define GAUGE(field, name, unit, help)                                                                                 \
    metrics_text_family(text, #name, METRICS_GAUGE, help);                                                             \
    EACH_SOURCE(s) add_one(text, #name, unit, s->worker, s->metrics.field);
#define HISTOGRAM(field, name, unit, first, help)                                                                      \
    metrics_text_family(text, #name, METRICS_HISTOGRAM, help);                                                         \
    EACH_SOURCE(s) add_histogram(text, #name, unit, first, s->worker, &s->metrics.field);
#include "broker/metrics/metrics.def"
#undef COUNTER
#undef COUNTERS
#undef GAUGE
#undef HISTOGRAM
}
