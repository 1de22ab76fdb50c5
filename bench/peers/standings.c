#include "bench/peers/standings.h"

#include <stdio.h>

#define LABEL_CHARS 64

/* Of the rounds of one contender in one mode. */
struct standing {
    double median, best, per_cpu_s, server, generator;
};

#define SPREAD(rounds, count, field) spread_of(&(rounds)->field, sizeof *(rounds), count)

static struct standing stand(const struct standings *standings, uint32_t contender, enum contender_mode mode) {
    const struct contender_round *rounds = standings->contender[contender].rounds[mode];
    const uint32_t count = standings->rounds;
    const struct spread deliveries = SPREAD(rounds, count, deliveries_per_s);
    struct standing standing = {.median = deliveries.median,
                                .best = deliveries.high,
                                .per_cpu_s = SPREAD(rounds, count, deliveries_per_cpu_s).median,
                                .server = SPREAD(rounds, count, server).median,
                                .generator = SPREAD(rounds, count, generator).median};
    return standing;
}

/* ---- For programs ---- */

static const char *const words[] = {"fanout", "burst"};

static void add_number(json_t *object, enum contender_mode mode, const char *what, double value) {
    char name[LABEL_CHARS];
    snprintf(name, sizeof name, "%s_%s", words[mode], what);
    report_number(object, name, value);
}

static json_t *contender_report(const struct standings *standings, uint32_t contender) {
    const struct contender *one = &standings->contender[contender];
    json_t *object = json_object();
    json_object_set_new(object, "name", json_string(one->name));
    json_object_set_new(object, "key", json_string(one->key));
    json_object_set_new(object, "version", json_string(one->version));
    json_object_set_new(object, "transport", json_string(one->transport));
    for (enum contender_mode mode = 0; mode < CONTENDER_MODES; mode++) {
        const struct standing standing = stand(standings, contender, mode), ledig = stand(standings, 0, mode);
        add_number(object, mode, "deliveries_per_s", standing.median);
        add_number(object, mode, "deliveries_per_s_best", standing.best);
        add_number(object, mode, "deliveries_per_cpu_s", standing.per_cpu_s);
        add_number(object, mode, "server_cpu", standing.server);
        add_number(object, mode, "generator_cpu", standing.generator);
        add_number(object, mode, "ratio", standing.median / ledig.median);
        add_number(object, mode, "ratio_best", standing.best / ledig.best);
        add_number(object, mode, "ratio_by_cpu", standing.per_cpu_s / ledig.per_cpu_s);
    }
    if (contender == 0) return object; /* Ledig's are at the top of the report */
    report_count(object, "wrong_views", audience_wrong_views(&one->audience));
    report_count(object, "lost", (int64_t)audience_lost(&one->audience));
    report_count(object, "dropped", one->audience.dropped);
    report_count(object, "broken_messages", (int64_t)one->audience.broken);
    return object;
}

json_t *standings_report(const struct standings *standings) {
    json_t *array = json_array();
    for (uint32_t i = 0; i < standings->count; i++)
        json_array_append_new(array, contender_report(standings, i));
    return array;
}

/* ---- For people ---- */

static void print_row(const struct standings *standings, uint32_t contender, enum contender_mode mode) {
    const struct contender *one = &standings->contender[contender];
    const struct standing standing = stand(standings, contender, mode), ledig = stand(standings, 0, mode);
    char label[LABEL_CHARS], text[3][REPORT_GROUPED_CHARS];
    snprintf(label, sizeof label, "%s %s, %s", one->name, one->version, one->transport);
    printf("    %-28s %12s %12s %12s %6.0f %% %7.0f %% %8.2f %8.2f\n", label, report_grouped(standing.median, text[0]),
           report_grouped(standing.best, text[1]), report_grouped(standing.per_cpu_s, text[2]), standing.server * 100,
           standing.generator * 100, standing.median / ledig.median, standing.per_cpu_s / ledig.per_cpu_s);
}

void standings_print(const struct standings *standings) {
    static const char *const titles[] = {"fan-out, one change at a time", "burst, as fast as taken"};
    printf("%-32s %12s %12s %12s %8s %9s %8s %8s\n", "deliveries a second", "median", "best", "a core-sec.", "server",
           "generator", "ratio", "by cpu");
    for (enum contender_mode mode = 0; mode < CONTENDER_MODES; mode++) {
        printf("  %s\n", titles[mode]);
        for (uint32_t i = 0; i < standings->count; i++)
            print_row(standings, i, mode);
    }
}
