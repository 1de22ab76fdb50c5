/* What a router asks for with a claim. Only reads and checks the form; its texts are lent by what it was read from. */
#ifndef LEDIG_SERVICE_CLAIM_REQUEST_H
#define LEDIG_SERVICE_CLAIM_REQUEST_H

#include "protocol/limits.h"
#include "protocol/shape.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLAIM_BODY_BYTES_MAX 16384
#define CLAIM_WAIT_MS_MAX 30000 /* for an agent; then the router asks again */
#define CLAIM_EXCLUDED_MAX LEDIG_EXCLUDE_COUNT_MAX

struct claim_request {
    const char *queue, *call;
    const char *router, *strategy; /* NULL = not said */
    uint32_t lease_ms;             /* 0 = not said */
    uint32_t wait_ms;              /* 0: to be answered at once */
    const char *excluded[CLAIM_EXCLUDED_MAX];
    size_t excluded_count;
};

/* The body of POST /v1/companies/{c}/queues/{q}/claims; `queue` is left to the caller. 0, or LEDIG_E… as in the fault.
 */
int claim_request_read(const json_t *document, struct claim_request *request, struct fault *fault);

#endif
