/* What a router asks for with a claim: the JSON body of POST /v1/companies/{c}/queues/{q}/claims. Owns the document
 * that its texts point into. */
#ifndef LEDIG_SERVICE_CLAIM_REQUEST_H
#define LEDIG_SERVICE_CLAIM_REQUEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLAIM_BODY_BYTES_MAX 16384
#define CLAIM_WAIT_MS_MAX 30000 /* for an agent; then the router asks again */
#define CLAIM_EXCLUDED_MAX 64   /* whom one call has already rung */

struct claim_request {
    json_t *document;
    const char *call;
    const char *router, *strategy; /* NULL = not said */
    uint32_t lease_ms;             /* 0 = not said */
    uint32_t wait_ms;              /* 0: to be answered at once */
    const char *excluded[CLAIM_EXCLUDED_MAX];
    size_t excluded_count;
};

/* 0, or LEDIG_E… with the field at fault (may be NULL) and why. To be freed in either case. */
int claim_request_read(const uint8_t *body, size_t length, struct claim_request *request, const char **field,
                       const char **why);
void claim_request_free(struct claim_request *request);

bool claim_request_excludes(const struct claim_request *request, const char *user);

#endif
