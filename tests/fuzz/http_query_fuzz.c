/* Any text as the query of a URL. A value that was taken, and is escaped again, must be taken as the same. */
#include "broker/service/http_exchange.h"
#include "protocol/shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    char value[64], again[64], escaped[8 + 3 * sizeof value] = "to=";
    char *query = malloc(length + 1);
    if (length > 0) memcpy(query, bytes, length);
    query[length] = '\0';
    struct http_request request = {.query = query};
    int result = http_query(&request, "to", value, sizeof value);
    if (result == 0) {
        if (shape_characters(value, strlen(value)) < 0) abort();
        for (size_t i = 0; value[i]; i++)
            snprintf(escaped + strlen(escaped), 4, "%%%02X", (unsigned)(unsigned char)value[i]);
        request.query = escaped;
        if (http_query(&request, "to", again, sizeof again) != 0 || strcmp(value, again) != 0) abort();
    } else if (result > 0) {
        abort();
    }
    free(query);
    return 0;
}
