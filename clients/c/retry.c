#include "clients/c/retry.h"
#include "protocol/errors.h"

static uint32_t below(uint64_t random, uint64_t bound) {
    return bound ? (uint32_t)(random % bound) : 0;
}

static uint32_t jitter(const struct retry *retry, uint64_t random) {
    uint64_t bound = retry->base_ms;
    for (uint32_t i = 0; i < retry->failures && bound < retry->max_ms; i++)
        bound *= 2;
    return below(random, (bound < retry->max_ms ? bound : retry->max_ms) + 1);
}

static int error_of(uint16_t close_code) {
    switch (close_code) {
    case 1002:
    case 1003:
    case 1007:
    case 1008:
        return LEDIG_EBAD_REQUEST;
    case 1009:
        return LEDIG_ETOO_LARGE;
    case 4401:
        return LEDIG_EUNAUTHORIZED;
    case 4403:
        return LEDIG_EFORBIDDEN;
    case 4409:
        return LEDIG_ECONFLICT;
    case 4429:
        return LEDIG_ERATE_LIMITED;
    default:
        return LEDIG_EUNAVAILABLE;
    }
}

struct retry_verdict retry_after(struct retry *retry, uint16_t close_code, uint32_t told_ms, uint64_t random) {
    struct retry_verdict verdict = {.action = RETRY_LATER, .error = error_of(close_code)};
    if (told_ms > RETRY_TOLD_MS_MAX) told_ms = RETRY_TOLD_MS_MAX;
    switch (close_code) {
    case 4401:
        verdict.action = retry->token_asked ? RETRY_NEVER : RETRY_WITH_TOKEN;
        retry->token_asked = true;
        break;
    case 4403:
    case 4409:
        verdict.action = RETRY_NEVER;
        break;
    case 1002:
    case 1003:
    case 1007:
    case 1008:
    case 1009:
        /* a bug, of one side or the other: spread a little, so that a fleet with the same bug does not march in step */
        verdict.wait_ms = retry->fault_ms + below(random, retry->fault_ms / 10 + 1);
        if (verdict.wait_ms < told_ms) verdict.wait_ms = told_ms;
        break;
    default:
        verdict.wait_ms = told_ms ? told_ms : jitter(retry, random);
        break;
    }
    retry->failures++;
    return verdict;
}

void retry_accepted(struct retry *retry) {
    retry->token_asked = false;
}

void retry_settled(struct retry *retry) {
    retry->failures = 0;
}
