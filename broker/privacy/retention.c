#include "broker/privacy/retention.h"

#include <string.h>

#define DAY_MS 86400000LL

static const struct {
    const char *name, *log;
    int64_t days, days_max;
} kinds[RETENTION_COUNT] = {
#define RETENTION(kind, log, what, purpose, ground, days, days_max, setting) {#kind, log, days, days_max},
#include "broker/privacy/retention.def"
#undef RETENTION
};

static int64_t set_none(const struct company_record *settings) {
    (void)settings;
    return 0;
}

static int64_t set_call_history_days(const struct company_record *settings) {
    return settings->call_history_days;
}

static int64_t set_activity_days(const struct company_record *settings) {
    return settings->activity_days;
}

enum retention_kind retention_of_log(const char *log) {
    for (size_t i = 0; i < RETENTION_COUNT; i++) {
        size_t length = strlen(kinds[i].log);
        bool is_prefix = kinds[i].log[length - 1] == ':';
        if (is_prefix ? strncmp(log, kinds[i].log, length) == 0 : strcmp(log, kinds[i].log) == 0)
            return (enum retention_kind)i;
    }
    return RETENTION_COUNT;
}

const char *retention_name(enum retention_kind kind) {
    return kinds[kind].name;
}

int64_t retention_days(enum retention_kind kind, const struct company_record *settings) {
    static int64_t (*const set[RETENTION_COUNT])(const struct company_record *) = {
#define RETENTION(kind, log, what, purpose, ground, days, days_max, setting) set_##setting,
#include "broker/privacy/retention.def"
#undef RETENTION
    };
    int64_t days = settings ? set[kind](settings) : 0;
    if (days <= 0) return kinds[kind].days;
    return days < kinds[kind].days_max ? days : kinds[kind].days_max;
}

int64_t retention_begins_at(enum retention_kind kind, const struct company_record *settings, int64_t now_ms) {
    return now_ms - retention_days(kind, settings) * DAY_MS;
}
