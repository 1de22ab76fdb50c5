/* When to connect again after the line has ended, and whether at all: the table of close codes of the protocol, and
 * back-off with full jitter (a random wait below a bound that doubles), so that many clients do not come back as one.
 * Pure: clock and random numbers are passed in. */
#ifndef LEDIG_CLIENT_RETRY_H
#define LEDIG_CLIENT_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#define RETRY_TOLD_MS_MAX 600000 /* no broker can send us away for longer */

struct retry {
    uint32_t base_ms, max_ms, fault_ms;
    uint32_t failures; /* in a row */
    bool token_asked;  /* the caller has given a fresh token, and it has not been accepted yet */
};

enum retry_action { RETRY_LATER, RETRY_WITH_TOKEN, RETRY_NEVER };

struct retry_verdict {
    enum retry_action action;
    uint32_t wait_ms; /* RETRY_LATER */
    int error;        /* LEDIG_E…: why the line ended */
};

/* The line ended with this close code (0 = without one). `told_ms` is what the broker said in `bye` or `error`, 0 where
 * it said nothing. Counts the failure. */
struct retry_verdict retry_after(struct retry *retry, uint16_t close_code, uint32_t told_ms, uint64_t random);

/* The broker has accepted the token. */
void retry_accepted(struct retry *retry);

/* The connection has lasted: the next failure is a first one. */
void retry_settled(struct retry *retry);

#endif
