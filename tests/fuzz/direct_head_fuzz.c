/* Any bytes on a routers' connection. What is read as a request lies within them, and its texts hold nothing that would
 * have to be decoded. */
#include "broker/front/direct_head.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    char *copy = malloc(length ? length : 1);
    if (!copy) return 0;
    if (length > 0) memcpy(copy, bytes, length);
    struct http_request request;
    size_t used = 0;
    if (direct_head_read(copy, length, &request, &used)) {
        if (used == 0 || used > length || request.length > used) abort();
        if (request.path[0] != '/' || strpbrk(request.path, "% ?\\") || strstr(request.path, "/.")) abort();
        if (strlen(request.query) + strlen(request.bearer) + strlen(request.content_type) > used) abort();
        if (request.length > 0 && (const char *)request.body + request.length != copy + used) abort();
    }
    free(copy);
    return 0;
}
