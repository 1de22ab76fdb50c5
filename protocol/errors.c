/* Names and meanings of the errors. */
#include "protocol/errors.h"

#include <stddef.h>
#include <string.h>

static const struct {
    int value;
    const char *wire, *meaning;
} errors[] = {
#define X(constant, value, wire, meaning) {value, wire, meaning},
    LEDIG_ERRORS(X)
#undef X
};

#define ERROR_COUNT (sizeof errors / sizeof errors[0])

const char *ledig_error_name(int error) {
    for (size_t i = 0; i < ERROR_COUNT; i++)
        if (errors[i].value == error && errors[i].wire[0]) return errors[i].wire;
    return "unavailable";
}

int ledig_error_from_name(const char *name) {
    for (size_t i = 0; name && i < ERROR_COUNT; i++)
        if (errors[i].wire[0] && strcmp(errors[i].wire, name) == 0) return errors[i].value;
    return LEDIG_EBAD_REQUEST;
}

const char *ledig_error_meaning(int error) {
    for (size_t i = 0; i < ERROR_COUNT; i++)
        if (errors[i].value == error) return errors[i].meaning;
    return error == 0 ? "no error" : "an unknown error";
}
