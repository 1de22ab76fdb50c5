#include "broker/metrics/metrics_text.h"
#include "broker/metrics/report.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The text of one worker with these metrics, ended by a zero. */
static char *text_of(const struct metrics *metrics) {
    struct metrics_source *source = calloc(1, sizeof *source);
    struct buffer text = {0};
    assert_non_null(source);
    strcpy(source->worker, "app/0");
    source->metrics = *metrics;
    metrics_text_workers(&text, source, 1);
    buffer_append(&text, "", 1);
    assert_false(text.failed);
    free(source);
    return (char *)text.bytes;
}

static void assert_says(const struct metrics *metrics, const char *line) {
    char *text = text_of(metrics);
    if (!strstr(text, line)) fail_msg("no line: %s", line);
    free(text);
}

static void a_value_lies_in_the_first_bucket_that_is_as_large(void **state) {
    (void)state;
    struct metrics_histogram histogram = {0};
    static const struct {
        uint64_t value;
        unsigned bucket;
    } cases[] = {{0, 0}, {1, 0}, {2, 1}, {3, 2}, {4, 2}, {5, 3}, {1 << 24, 24}, {(1 << 24) + 1, 25}, {UINT64_MAX, 25}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t before = histogram.buckets[cases[i].bucket];
        metrics_observe(&histogram, cases[i].value);
        assert_int_equal(histogram.buckets[cases[i].bucket], before + 1);
    }
}

static void buckets_are_cumulative_and_times_in_seconds(void **state) {
    (void)state;
    struct metrics metrics = {0};
    metrics_observe(&metrics.route_us, 60);
    metrics_observe(&metrics.route_us, 100);
    metrics_observe(&metrics.route_us, 20000000);
    assert_says(&metrics, "ledig_route_answer_seconds_bucket{worker=\"app/0\",le=\"0.000064\"} 1\n");
    assert_says(&metrics, "ledig_route_answer_seconds_bucket{worker=\"app/0\",le=\"0.000128\"} 2\n");
    assert_says(&metrics, "ledig_route_answer_seconds_bucket{worker=\"app/0\",le=\"16.777216\"} 2\n");
    assert_says(&metrics, "ledig_route_answer_seconds_bucket{worker=\"app/0\",le=\"+Inf\"} 3\n");
    assert_says(&metrics, "ledig_route_answer_seconds_sum{worker=\"app/0\"} 20.00016\n");
    assert_says(&metrics, "ledig_route_answer_seconds_count{worker=\"app/0\"} 3\n");
}

static void labels_come_from_our_own_tables(void **state) {
    (void)state;
    struct metrics metrics = {.drops[DROP_stall] = 7, .joins[JOIN_RESUMED] = 8, .requests[MESSAGE_set] = 9};
    metrics_error(&metrics, LEDIG_ENOT_FOUND);
    metrics_error(&metrics, LEDIG_ENO_MEMORY); /* has no name on the wire */
    assert_says(&metrics, "ledig_drops_total{worker=\"app/0\",reason=\"stall\"} 7\n");
    assert_says(&metrics, "ledig_joins_total{worker=\"app/0\",from=\"place\"} 8\n");
    assert_says(&metrics, "ledig_requests_total{worker=\"app/0\",type=\"set\"} 9\n");
    assert_says(&metrics, "ledig_errors_total{worker=\"app/0\",code=\"not_found\"} 1\n");
    assert_says(&metrics, "ledig_errors_total{worker=\"app/0\",code=\"unavailable\"} 1\n");
}

static void what_an_ended_worker_counted_stays_and_what_it_had_goes(void **state) {
    (void)state;
    struct metrics ended = {.frames = 5, .connections = 3, .drops[DROP_drain] = 2},
                   sum = {.frames = 1, .connections = 4};
    metrics_observe(&ended.flush_frames, 3);
    metrics_add_counters(&sum, &ended);
    assert_int_equal(sum.frames, 6);
    assert_int_equal(sum.drops[DROP_drain], 2);
    assert_int_equal(sum.flush_frames.buckets[2], 1);
    assert_int_equal(sum.connections, 4);
}

static void a_report_goes_through_a_pipe_whole_or_not_at_all(void **state) {
    (void)state;
    int ends[2];
    struct metrics metrics = {.frames = 42};
    struct report report;
    unsigned written = 0;
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    while (report_write(ends[1], true, 7, &metrics) == 0)
        written++;
    assert_int_equal(report_write(ends[1], true, 7, &metrics), LEDIG_EUNAVAILABLE);
    for (unsigned i = 0; i < written; i++) {
        assert_int_equal(read(ends[0], &report, sizeof report), sizeof report);
        assert_true(report_is_good(&report));
        assert_int_equal(report.metrics.frames, 42);
    }
    assert_int_equal(read(ends[0], &report, sizeof report), -1);
    close(ends[0]);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(report_write(ends[1], true, 7, &metrics), LEDIG_EIO);
    close(ends[1]);
    report.bytes--;
    assert_false(report_is_good(&report)); /* of another program */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_lies_in_the_first_bucket_that_is_as_large),
        cmocka_unit_test(buckets_are_cumulative_and_times_in_seconds),
        cmocka_unit_test(labels_come_from_our_own_tables),
        cmocka_unit_test(what_an_ended_worker_counted_stays_and_what_it_had_goes),
        cmocka_unit_test(a_report_goes_through_a_pipe_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
