/* What is written to a terminal: text of other people made harmless, measured in columns, coloured only where a person
 * looks. Texts are UTF-8 whatever the locale says, since the protocol's are. */
#ifndef LEDIG_CLI_TERMINAL_H
#define LEDIG_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum tint { TINT_NONE, TINT_GREEN, TINT_RED, TINT_MAGENTA, TINT_YELLOW, TINT_DIM };

struct terminal {
    FILE *file;
    bool colour;
    size_t columns; /* 0 = no limit: not a terminal */
};

/* Colour and width for this file; NO_COLOR and TERM=dumb are heeded (https://no-color.org). */
void terminal_open(struct terminal *terminal, FILE *file);

/* Writes the text harmless and in a colour, cut to `columns` with an ellipsis where it is longer (0 = not cut), filled
 * up with blanks to `fill`. Returns the columns written. */
size_t terminal_put(struct terminal *terminal, enum tint tint, const char *text, size_t columns, size_t fill);

/* Copies the text with control characters, what would turn the writing direction, and broken UTF-8 made visible. Always
 * terminated; cut at a character where `size` is too small. */
void text_harmless(const char *text, char *to, size_t size);

/* Columns that a harmless text takes. */
size_t text_columns(const char *text);

#endif
