#include "clients/cli/terminal.h"

#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#define TEXT_BYTES_MAX 2048

/* Takes one character; 0xfffd and one byte where it is broken. */
static uint32_t next_character(const char **at) {
    const uint8_t *bytes = (const uint8_t *)*at;
    size_t length = bytes[0] < 0x80 ? 1 : bytes[0] < 0xc2 ? 0 : bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
    if (length == 4 && bytes[0] > 0xf4) length = 0;
    uint32_t character = length < 2 ? bytes[0] : bytes[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            length = 0;
        else
            character = character << 6 | (bytes[i] & 0x3fu);
    }
    *at += length ? length : 1;
    return length ? character : 0xfffd;
}

/* Controls (C0, DEL, C1), line and paragraph separators, and what turns the writing direction (Unicode 15, 23.1
 * and 2.10: embeddings, overrides, isolates, marks): what could fool the eye or the terminal. */
static bool is_harmful(uint32_t c) {
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
           c == 0x200e || c == 0x200f || c == 0x061c || c == 0xfeff;
}

static size_t put_character(uint32_t c, const char *from, size_t length, char *to, size_t room) {
    char escaped[12];
    if (c == 0xfffd) {
        from = "\xef\xbf\xbd";
        length = 3;
    } else if (is_harmful(c)) {
        length = (size_t)snprintf(escaped, sizeof escaped, c < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned)c);
        from = escaped;
    }
    if (length >= room) return 0;
    memcpy(to, from, length);
    return length;
}

void text_harmless(const char *text, char *to, size_t size) {
    size_t used = 0;
    while (*text) {
        const char *from = text;
        uint32_t c = next_character(&text);
        size_t length = put_character(c, from, (size_t)(text - from), to + used, size - used);
        if (length == 0) break;
        used += length;
    }
    to[used] = 0;
}

static size_t character_columns(uint32_t c) {
    int columns = wcwidth((wchar_t)c);
    return columns < 0 ? 1 : (size_t)columns;
}

size_t text_columns(const char *text) {
    size_t columns = 0;
    while (*text)
        columns += character_columns(next_character(&text));
    return columns;
}

/* Cuts in place; what is cut off is told by an ellipsis. */
static void cut(char *text, size_t columns) {
    if (columns == 0 || text_columns(text) <= columns) return;
    size_t used = 0;
    const char *at = text;
    for (;;) {
        const char *next = at;
        size_t more = character_columns(next_character(&next));
        if (used + more > columns - 1) break;
        used += more;
        at = next;
    }
    memcpy(text + (at - text), "\xe2\x80\xa6", 4);
}

void terminal_open(struct terminal *terminal, FILE *file) {
    /* for wcwidth alone: in LC_ALL=C it knows no letter beyond ASCII */
    setlocale(LC_CTYPE, "C.UTF-8");
    struct winsize size = {0};
    const char *kind = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    bool is_terminal = isatty(fileno(file));
    *terminal = (struct terminal){.file = file};
    if (!is_terminal) return;
    terminal->colour = kind && strcmp(kind, "dumb") != 0 && !(no_colour && no_colour[0]);
    if (ioctl(fileno(file), TIOCGWINSZ, &size) == 0) terminal->columns = size.ws_col;
}

size_t terminal_put(struct terminal *terminal, enum tint tint, const char *text, size_t columns, size_t fill) {
    static const char *const codes[] = {"", "\x1b[32m", "\x1b[31m", "\x1b[35m", "\x1b[33m", "\x1b[2m"};
    char harmless[TEXT_BYTES_MAX];
    text_harmless(text, harmless, sizeof harmless - 4);
    cut(harmless, columns);
    bool tinted = terminal->colour && tint != TINT_NONE;
    fprintf(terminal->file, "%s%s%s", tinted ? codes[tint] : "", harmless, tinted ? "\x1b[0m" : "");
    size_t written = text_columns(harmless);
    for (; written < fill; written++)
        fputc(' ', terminal->file);
    return written;
}
