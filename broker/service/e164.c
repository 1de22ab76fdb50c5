#include "broker/service/e164.h"
#include "protocol/errors.h"

#include <stdbool.h>
#include <string.h>

static bool is_filler(char c) {
    return c == ' ' || c == '\t' || c == '-' || c == '(' || c == ')';
}

int e164_parse(const char *text, size_t length, char number[static E164_BYTES]) {
    char bare[E164_BYTES + 1]; /* one more than a plus and its digits: 00 in place of the plus */
    size_t count = 0;
    for (size_t i = 0; i < length; i++) {
        if (is_filler(text[i])) continue;
        bool is_digit = text[i] >= '0' && text[i] <= '9';
        if (!is_digit && !(text[i] == '+' && count == 0)) return LEDIG_EBAD_REQUEST;
        if (count == sizeof bare - 1) return LEDIG_EBAD_REQUEST;
        bare[count++] = text[i];
    }
    bare[count] = '\0';
    const char *digits = bare;
    if (bare[0] == '+')
        digits = bare + 1;
    else if (strncmp(bare, "00", 2) == 0)
        digits = bare + 2;
    else
        return LEDIG_EBAD_REQUEST;
    size_t digit_count = strlen(digits);
    /* no country's code begins with a zero */
    if (digit_count < E164_DIGITS_MIN || digit_count > E164_DIGITS_MAX || digits[0] == '0') return LEDIG_EBAD_REQUEST;
    number[0] = '+';
    memcpy(number + 1, digits, digit_count + 1);
    return 0;
}
