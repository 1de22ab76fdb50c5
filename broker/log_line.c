#include "broker/log_line.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#define NUMBER_CHARS_MAX 32

static void put(struct log_line *line, const char *bytes, size_t length) {
    if (length > line->size - line->length) line->size = line->length; /* it is full; a character is never cut */
    if (line->size == line->length) return;
    memcpy(line->text + line->length, bytes, length);
    line->length += length;
}

/* ---- Text ---- */

/* Bytes of the character that begins here, of `left`; 0 where it is no UTF-8 (RFC 3629), or one that ends lines or
 * steers a terminal: C0, DEL, C1, U+2028 and U+2029, and those that turn the direction of writing. */
static size_t harmless(const unsigned char *at, size_t left) {
    uint32_t code = at[0];
    size_t length = code < 0x80 ? 1 : code >= 0xf0 && code < 0xf5 ? 4 : code >= 0xe0 ? 3 : code >= 0xc2 ? 2 : 0;
    if (length == 0 || length > left || code >= 0xf5) return 0;
    if (length == 1) return code >= ' ' && code != 127 ? 1 : 0;
    code &= 0x7fu >> length;
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (at[i] & 0x3fu);
    }
    bool overlong = code < (length == 3 ? 0x800u : length == 4 ? 0x10000u : 0x80u);
    bool surrogate = code >= 0xd800 && code < 0xe000;
    bool turns = (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
    return overlong || surrogate || turns || code > 0x10ffff || code < 0xa0 || code == 0x2028 || code == 0x2029
               ? 0
               : length;
}

/* Outside of quotes a space would begin a field, and an equals sign make one. */
static void put_text(struct log_line *line, const char *text, size_t length, bool is_quoted) {
    for (size_t at = 0; at < length;) {
        size_t bytes = harmless((const unsigned char *)text + at, length - at);
        if (!is_quoted && strchr(" =\"", text[at])) bytes = 0;
        if (bytes == 0) put(line, "?", 1);
        if (bytes == 1 && (text[at] == '"' || text[at] == '\\'))
            put(line, text[at] == '"' ? "\\\"" : "\\\\", 2);
        else
            put(line, text + at, bytes);
        at += bytes ? bytes : 1;
    }
}

/* ---- Conversions ---- */

struct conversion {
    int precision; /* of text; -1 = all of it */
    int longs;     /* l, ll */
    bool of_size;  /* z */
    char kind;
    bool is_quoted; /* stands between quotes */
};

/* Reads what stands behind a %; returns where it ends. */
static const char *read_conversion(const char *at, struct conversion *conversion, va_list *values) {
    *conversion = (struct conversion){.precision = -1, .is_quoted = conversion->is_quoted};
    if (*at == '.' && at[1] == '*') {
        conversion->precision = va_arg(*values, int);
        at += 2;
    } else if (*at == '.') {
        char *end;
        conversion->precision = (int)strtol(at + 1, &end, 10);
        at = end;
    }
    for (; *at == 'l' || *at == 'z'; at++) {
        if (*at == 'l') conversion->longs++;
        if (*at == 'z') conversion->of_size = true;
    }
    conversion->kind = *at;
    return *at ? at + 1 : at;
}

static void put_signed(struct log_line *line, const struct conversion *conversion, va_list *values) {
    char text[NUMBER_CHARS_MAX];
    intmax_t value = conversion->of_size      ? (intmax_t)va_arg(*values, ssize_t)
                     : conversion->longs >= 2 ? va_arg(*values, long long)
                     : conversion->longs == 1 ? va_arg(*values, long)
                                              : va_arg(*values, int);
    put(line, text, (size_t)snprintf(text, sizeof text, "%jd", value));
}

static void put_unsigned(struct log_line *line, const struct conversion *conversion, va_list *values) {
    char text[NUMBER_CHARS_MAX];
    uintmax_t value = conversion->of_size      ? va_arg(*values, size_t)
                      : conversion->longs >= 2 ? va_arg(*values, unsigned long long)
                      : conversion->longs == 1 ? va_arg(*values, unsigned long)
                                               : va_arg(*values, unsigned);
    put(line, text, (size_t)snprintf(text, sizeof text, conversion->kind == 'x' ? "%jx" : "%ju", value));
}

static void put_value(struct log_line *line, const struct conversion *conversion, va_list *values) {
    const char *text;
    switch (conversion->kind) {
    case 'd':
        put_signed(line, conversion, values);
        return;
    case 'u':
    case 'x':
        put_unsigned(line, conversion, values);
        return;
    case 's':
        text = va_arg(*values, const char *);
        if (!text) text = "";
        put_text(line, text, conversion->precision >= 0 ? strnlen(text, (size_t)conversion->precision) : strlen(text),
                 conversion->is_quoted);
        return;
    case '%':
        put(line, "%", 1);
        return;
    default:
        abort(); /* a format of ours that is not among those of the header: the first test of that line ends here */
    }
}

void log_line_append(struct log_line *line, const char *format, va_list values) {
    struct conversion conversion = {.is_quoted = false};
    va_list left;
    va_copy(left, values);
    while (*format) {
        size_t plain = strcspn(format, "%");
        put(line, format, plain);
        for (size_t i = 0; i < plain; i++)
            if (format[i] == '"') conversion.is_quoted = !conversion.is_quoted;
        format += plain;
        if (*format != '%') break;
        format = read_conversion(format + 1, &conversion, &left);
        put_value(line, &conversion, &left);
    }
    va_end(left);
}
