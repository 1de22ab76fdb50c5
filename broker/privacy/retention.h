/* How long what is kept. Pure: says from when on an entry of a log is over age; who deletes is the sweep
 * (service/retention_sweep.h). */
#ifndef LEDIG_PRIVACY_RETENTION_H
#define LEDIG_PRIVACY_RETENTION_H

#include "broker/model/record.h"

#define AUDIT_LOG "audit"       /* the company's: what went outside, and what was set on behalf of another */
#define SECURITY_LOG "security" /* the company's: what looks like an attack or misuse */

enum retention_kind {
#define RETENTION(kind, log, what, purpose, ground, days, days_max, setting) RETENTION_##kind,
#include "broker/privacy/retention.def"
#undef RETENTION
    RETENTION_COUNT
};

enum { /* RETENTION_DAYS_calls, RETENTION_DAYS_MAX_calls, … */
#define RETENTION(kind, log, what, purpose, ground, days, days_max, setting)                                           \
    RETENTION_DAYS_##kind = days, RETENTION_DAYS_MAX_##kind = days_max,
#include "broker/privacy/retention.def"
#undef RETENTION
};

/* The kind of a log; RETENTION_COUNT for one that is not known, which is left alone. */
enum retention_kind retention_of_log(const char *log);

const char *retention_name(enum retention_kind kind);

/* For so many days an entry is kept; `settings` NULL = the default. What is set above the most is held to that. */
int64_t retention_days(enum retention_kind kind, const struct company_record *settings);

/* What was before this is over age. */
int64_t retention_begins_at(enum retention_kind kind, const struct company_record *settings, int64_t now_ms);

#endif
