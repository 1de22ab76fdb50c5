#include "broker/service/e164.h"

int e164_parse_in(const struct numbering_plan *plan, const char *text, size_t length, char number[static E164_BYTES]) {
    char dialled[NUMBERING_DIALLED_MAX + 1];
    int error = numbering_read(text, length, dialled);
    return error ? error : numbering_complete(plan, dialled, number);
}

int e164_parse(const char *text, size_t length, char number[static E164_BYTES]) {
    return e164_parse_in(NULL, text, length, number);
}
