#include "broker/service/http_exchange.h"
#include "protocol/errors.h"
#include "protocol/shape.h"

#include <string.h>

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* One character of what stands between the delimiters; moves `at` on. -1 for a bad escape, or one for a NUL. */
static int take_character(const char **at, const char *end) {
    char c = *(*at)++;
    if (c == '+') return ' ';
    if (c != '%') return (unsigned char)c;
    int high = *at < end ? hex_digit(**at) : -1;
    int low = high >= 0 && *at + 1 < end ? hex_digit((*at)[1]) : -1;
    if (low < 0 || (high == 0 && low == 0)) return -1;
    *at += 2;
    return high << 4 | low;
}

/* Whether the name of the parameter at `at` is this one; moves `at` behind its equals sign. */
static bool is_named(const char **at, const char *end, const char *name) {
    const char *p = *at;
    while (p < end && *p != '=') {
        if (!*name || take_character(&p, end) != (unsigned char)*name++) return false;
    }
    *at = p < end ? p + 1 : p;
    return !*name;
}

static int take_value(const char *at, const char *end, char *value, size_t size) {
    size_t length = 0;
    while (at < end) {
        int c = take_character(&at, end);
        if (c < 0) return LEDIG_EBAD_REQUEST;
        if (length + 1 >= size) return LEDIG_ETOO_LARGE;
        value[length++] = (char)c;
    }
    value[length] = '\0';
    return shape_characters(value, length) < 0 ? LEDIG_EBAD_REQUEST : 0;
}

int http_query(const struct http_request *request, const char *name, char *value, size_t size) {
    int found = LEDIG_ENOT_FOUND;
    const char *at = request->query;
    while (*at) {
        const char *end = at + strcspn(at, "&");
        if (is_named(&at, end, name)) {
            if (found != LEDIG_ENOT_FOUND) return LEDIG_EBAD_REQUEST; /* given twice: which of them is meant? */
            found = take_value(at, end, value, size);
            if (found) return found;
        }
        at = *end ? end + 1 : end;
    }
    return found;
}
