#include "clients/cli/wire_text.h"
#include "protocol/errors.h"
#include "protocol/shape.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The first control character (C0, DEL, C1) of a text that is UTF-8, or 0. */
static unsigned control_in(const char *text) {
    for (const uint8_t *at = (const uint8_t *)text; *at; at++) {
        if (*at < 0x20 || *at == 0x7f) return *at;
        if (*at == 0xc2 && at[1] < 0xa0) return at[1];
    }
    return 0;
}

int wire_text_check(const char *text, size_t chars_max, char fault[static WIRE_TEXT_FAULT_BYTES]) {
    long characters = shape_characters(text, strlen(text));
    unsigned control = characters < 0 ? 0 : control_in(text);
    if (characters < 0)
        snprintf(fault, WIRE_TEXT_FAULT_BYTES, "is not valid UTF-8");
    else if ((unsigned long)characters > chars_max)
        snprintf(fault, WIRE_TEXT_FAULT_BYTES, "is longer than %zu characters: it has %ld", chars_max, characters);
    else if (control)
        snprintf(fault, WIRE_TEXT_FAULT_BYTES, "has a control character in it: U+%04X", control);
    else
        return 0;
    return LEDIG_EBAD_REQUEST;
}
