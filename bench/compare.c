#include "bench/compare.h"
#include "bench/report.h"
#include "bench/terminal.h"
#include "protocol/errors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PATH_CHARS 96
#define ENTRY_CHARS 32   /* a name of one in a list */
#define DEPTH_MAX 8      /* of objects in a report; ours have four */
#define SAME_PERCENT 1.0 /* no two runs agree to the last digit */

/* By the first of these names that a figure's path holds. */
static const struct {
    const char *name;
    bool more_is_better;
} directions[] = {
    {"deliveries_per_s", true},
    {"deliveries_per_cpu_s", true},
    {"frames_per_s", true},
    {"sends_per_s", true},
    {"sends_per_cpu_s", true},
    {"bytes_per_s", true},
    {"answers_per_s", true},
    {"claims_per_s", true},
    {"commits_per_s", true},
    {"commits_per_cpu_s", true},
    {"requests_per_s", true},
    {"requests_per_cpu_s", true},
    {"changes_per_s", true},
    {"ratio", true},
    {"ratio_best", true},
    {"latency_ms", false},
    {"bytes_per_connection", false},
    {"broker_rss_bytes", false},
    {"broker_cpu_s", false},
    {"cpu_s", false},
    {"rss_bytes", false},
    {"wrong_views", false},
    {"lost", false},
    {"refused", false},
    {"disconnected", false},
    {"broken_frames", false},
    {"dropped", false},
    {"wrong_answers", false},
    {"answers_per_router_cpu_s", true},
    {"replica_bytes", false},
    {"bytes_per_s_twice_as_much", true},
    {"burst_deliveries_per_s", true},
    {"burst_changes_per_s", true},
    {"bytes_of_the_limit", true},
    {"bytes_of_the_limit_by_cpu", true},
    {"p99_of_the_floor", false},
    {"idle_cpu_percent_per_10000", false},
    {"rss_growth_bytes", false},
    {"broker_us_per_change", false},
    {"fanout_deliveries_per_s", true},
    {"fanout_deliveries_per_cpu_s", true},
    {"burst_deliveries_per_cpu_s", true},
};

/* What a run is, not what it found. Whole objects are compared word by word. */
static const char *const conditions[] = {"versions",      "cores",     "build",      "subscribers", "companies",
                                         "publishers",    "rate",      "generators", "workers",     "tls",
                                         "payload_bytes", "in_flight", "rounds",     "change_rate", "connections",
                                         "saturate",      "seed",      "day"};

static bool is_condition(const char *name) {
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++)
        if (strcmp(conditions[i], name) == 0) return true;
    return strcmp(name, "seconds") == 0; /* never the same to the last digit, and no merit */
}

int compare_load(const char *path, const char *scenario, json_t **earlier) {
    json_error_t fault;
    json_t *object = json_load_file(path, 0, &fault);
    *earlier = NULL;
    if (!object && fault.line < 0) return complain(LEDIG_EBAD_REQUEST, "%s", fault.text); /* names the file */
    if (!object)
        return complain(LEDIG_EBAD_REQUEST, "%s is no report of an earlier run: %s (line %d)", path, fault.text,
                        fault.line);
    const char *other = json_string_value(json_object_get(object, "scenario"));
    if (other && strcmp(other, scenario) == 0) {
        *earlier = object;
        return 0;
    }
    int error = other ? complain(LEDIG_EBAD_REQUEST, "%s is of the scenario %.40s, which cannot be compared with %s",
                                 path, other, scenario)
                      : complain(LEDIG_EBAD_REQUEST, "%s is no report of an earlier run: it names no scenario", path);
    json_decref(object);
    return error;
}

/* ---- Judging ---- */

/* Whether a part of the dotted path is this name. */
static bool path_has(const char *path, const char *name) {
    size_t length = strlen(name);
    for (const char *part = path; part; part = strchr(part, '.')) {
        if (*part == '.') part++;
        if (strncmp(part, name, length) == 0 && (part[length] == '\0' || part[length] == '.')) return true;
    }
    return false;
}

enum compare_change compare_judge(const char *path, double before, double now) {
    for (size_t i = 0; i < sizeof directions / sizeof *directions; i++) {
        if (!path_has(path, directions[i].name)) continue;
        if (fabs(now - before) <= fabs(before) * SAME_PERCENT / 100) return COMPARE_SAME;
        return (now > before) == directions[i].more_is_better ? COMPARE_BETTER : COMPARE_WORSE;
    }
    return COMPARE_UNJUDGED;
}

static void add_condition(json_t *found, const char *path, const json_t *earlier, const json_t *present) {
    const char *name;
    json_t *value;
    if (!json_is_object(present)) {
        if (json_equal(earlier, present) || (json_is_number(earlier) && json_is_number(present) &&
                                             json_number_value(earlier) == json_number_value(present)))
            return;
        json_object_set_new(found, path, json_pack("[O?, O?]", earlier, present));
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)present, name, value) { /* the macro wants no const; it only reads */
        char inner[PATH_CHARS];
        snprintf(inner, sizeof inner, "%s.%s", path, name);
        add_condition(found, inner, json_object_get(earlier, name), value);
    }
}

json_t *compare_conditions(const json_t *earlier, const json_t *present) {
    json_t *found = json_object();
    for (size_t i = 0; found && i < sizeof conditions / sizeof *conditions; i++) {
        const json_t *a = json_object_get(earlier, conditions[i]), *b = json_object_get(present, conditions[i]);
        if (a || b) add_condition(found, conditions[i], a, b ? b : json_null());
    }
    return found;
}

/* ---- Printing ---- */

struct table {
    FILE *out;
    bool colour;
};

static void write_value(double value, char *text, size_t size) {
    char grouped[REPORT_GROUPED_CHARS];
    if (value == 0 || fabs(value) >= 1000)
        snprintf(text, size, "%s", report_grouped(value, grouped));
    else
        snprintf(text, size, fabs(value) >= 100 ? "%.1f" : "%.3f", value);
}

static void print_row(const struct table *table, const char *path, double before, double now) {
    static const struct {
        const char *word, *colour;
    } marks[] = {[COMPARE_SAME] = {"same", ""},
                 [COMPARE_BETTER] = {"better", "\033[32m"},
                 [COMPARE_WORSE] = {"worse", "\033[31m"},
                 [COMPARE_UNJUDGED] = {"", ""}};
    char a[48], b[48], percent[32] = "";
    enum compare_change change = compare_judge(path, before, now);
    write_value(before, a, sizeof a);
    write_value(now, b, sizeof b);
    if (before != 0)
        snprintf(percent, sizeof percent, "%+.1f %%", (now - before) * 100 / fabs(before));
    else if (now == 0)
        snprintf(percent, sizeof percent, "0.0 %%");
    const bool painted = table->colour && *marks[change].colour;
    fprintf(table->out, "  %-44s %15s %15s %11s  %s%s%s\n", path, a, b, percent, painted ? marks[change].colour : "",
            marks[change].word, painted ? "\033[0m" : "");
}

/* What tells one entry of a list from the others: its key, or of what size it is. */
static void name_entry(const json_t *entry, size_t nth, char name[static ENTRY_CHARS]) {
    const char *key = json_string_value(json_object_get(entry, "key"));
    const json_t *connected = json_object_get(entry, "connected"), *followers = json_object_get(entry, "followers");
    if (key)
        snprintf(name, ENTRY_CHARS, "%s", key);
    else if (connected && followers)
        snprintf(name, ENTRY_CHARS, "%lld of %lld", (long long)json_integer_value(followers),
                 (long long)json_integer_value(connected));
    else
        snprintf(name, ENTRY_CHARS, "%zu", nth);
}

/* The entry of that name, or NULL. */
static const json_t *find_entry(const json_t *list, const char *name) {
    json_t *entry;
    size_t nth;
    json_array_foreach(list, nth, entry) {
        char other[ENTRY_CHARS];
        name_entry(entry, nth, other);
        if (strcmp(other, name) == 0) return entry;
    }
    return NULL;
}

/* A figure, or all that an object or a list holds. */
static void print_figures(const struct table *table, const char *path, const json_t *earlier, const json_t *present,
                          unsigned depth) {
    const char *name;
    json_t *value;
    char inner[PATH_CHARS];
    size_t nth;
    if (json_is_number(present) && json_is_number(earlier))
        print_row(table, path, json_number_value(earlier), json_number_value(present));
    if (depth == DEPTH_MAX) return;
    json_object_foreach((json_t *)(uintptr_t)present, name, value) { /* as above */
        if (is_condition(name)) continue;
        snprintf(inner, sizeof inner, "%s%s%s", path, *path ? "." : "", name);
        print_figures(table, inner, json_object_get(earlier, name), value, depth + 1);
    }
    json_array_foreach(present, nth, value) {
        char entry[ENTRY_CHARS];
        name_entry(value, nth, entry);
        snprintf(inner, sizeof inner, "%s.%s", path, entry);
        print_figures(table, inner, find_entry(earlier, entry), value, depth + 1);
    }
}

static void print_conditions(FILE *out, const json_t *earlier, const json_t *present) {
    json_t *found = compare_conditions(earlier, present), *pair;
    const char *name;
    if (json_object_size(found) > 0)
        fputs("  the runs differ, so the figures compare poorly:\n", out);
    else
        fputs("  same versions, cores and counts; runs at different times still differ by what else the machine did\n",
              out);
    json_object_foreach(found, name, pair) {
        char *a = json_dumps(json_array_get(pair, 0), JSON_ENCODE_ANY),
             *b = json_dumps(json_array_get(pair, 1), JSON_ENCODE_ANY);
        fprintf(out, "    %s: %s, now %s\n", name, a ? a : "?", b ? b : "?");
        free(a);
        free(b);
    }
    json_decref(found);
}

void compare_print(const json_t *earlier, const json_t *present, bool colour, FILE *out) {
    const struct table table = {out, colour};
    const char *scenario = json_string_value(json_object_get(present, "scenario"));
    fprintf(out, "compared with the earlier run of %s\n  %-44s %15s %15s %11s\n", scenario ? scenario : "?", "",
            "earlier", "now", "change");
    print_figures(&table, "", earlier, present, 0);
    print_conditions(out, earlier, present);
}
