#include "bench/rounds.h"
#include "bench/report.h"

#include <stdio.h>

#define NAME_CHARS 40

enum measure { BY_CPU, BY_WALL, BUSY };

static const double *member(const struct round *round, enum measure measure) {
    return measure == BY_WALL ? &round->sends_per_s : measure == BY_CPU ? &round->sends_per_cpu_s : &round->busy;
}

struct comparison {
    struct spread broker, limit, pairs;
    double ratio, ratio_best;
};

static struct comparison compare(const struct rounds *rounds, enum measure measure) {
    double pairs[ROUNDS_MAX] = {0};
    for (uint32_t i = 0; i < rounds->count; i++)
        pairs[i] = *member(&rounds->broker[i], measure) / *member(&rounds->limit[i], measure);
    struct comparison comparison = {
        .broker = spread_of(member(rounds->broker, measure), sizeof *rounds->broker, rounds->count),
        .limit = spread_of(member(rounds->limit, measure), sizeof *rounds->limit, rounds->count),
        .pairs = spread_of(pairs, sizeof *pairs, rounds->count)};
    comparison.ratio = comparison.broker.median / comparison.limit.median;
    comparison.ratio_best = comparison.broker.high / comparison.limit.high;
    return comparison;
}

static json_t *spread_report(const struct spread *spread) {
    json_t *object = json_object();
    report_number(object, "median", spread->median);
    report_number(object, "low", spread->low);
    report_number(object, "high", spread->high);
    return object;
}

static void add_ratios(json_t *object, const struct comparison *comparison) {
    report_number(object, "ratio", comparison->ratio);
    report_number(object, "ratio_best", comparison->ratio_best);
}

static json_t *comparison_report(const struct comparison *comparison) {
    json_t *object = json_object();
    add_ratios(object, comparison);
    json_object_set_new(object, "broker", spread_report(&comparison->broker));
    json_object_set_new(object, "limit", spread_report(&comparison->limit));
    json_object_set_new(object, "pairs", spread_report(&comparison->pairs));
    return object;
}

static const char *unit(const struct rounds *rounds) {
    return rounds->unit ? rounds->unit : "sends";
}

json_t *rounds_report(const struct rounds *rounds) {
    json_t *object = json_object();
    char by_wall[NAME_CHARS], by_cpu[NAME_CHARS];
    snprintf(by_wall, sizeof by_wall, "%s_per_s", unit(rounds));
    snprintf(by_cpu, sizeof by_cpu, "%s_per_cpu_s", unit(rounds));
    struct comparison wall = compare(rounds, BY_WALL), cpu = compare(rounds, BY_CPU), busy = compare(rounds, BUSY);
    report_count(object, "rounds", rounds->count);
    add_ratios(object, &cpu);
    json_object_set_new(object, by_wall, comparison_report(&wall));
    json_object_set_new(object, by_cpu, comparison_report(&cpu));
    json_object_set_new(object, "broker_busy", spread_report(&busy.broker));
    json_object_set_new(object, "limit_busy", spread_report(&busy.limit));
    return object;
}

void rounds_print(const struct rounds *rounds) {
    static const char *const names[] = {"a core-second", "a second"};
    char name[NAME_CHARS], broker[REPORT_GROUPED_CHARS], limit[REPORT_GROUPED_CHARS];
    printf("against %s, %u rounds of each in turn\n", rounds->other ? rounds->other : "the raw send() loop",
           (unsigned)rounds->count);
    printf("  %-22s %10s %10s   %-8s %-8s %s\n", "", "broker", "limit", "ratio", "best", "pairs");
    for (enum measure measure = BY_CPU; measure <= BY_WALL; measure++) {
        struct comparison comparison = compare(rounds, measure);
        snprintf(name, sizeof name, "%s %s", unit(rounds), names[measure]);
        printf("  %-22s %10s %10s   %-8.3f %-8.3f %.3f to %.3f\n", name,
               report_grouped(comparison.broker.median, broker), report_grouped(comparison.limit.median, limit),
               comparison.ratio, comparison.ratio_best, comparison.pairs.low, comparison.pairs.high);
    }
    struct comparison busy = compare(rounds, BUSY);
    printf("  %-22s %8.0f %% %8.0f %%\n", "core in use", busy.broker.median * 100, busy.limit.median * 100);
}
