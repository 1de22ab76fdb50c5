/* One line of the log, put together from a format and its values in such a way that no value can pass for more than it
 * is: none ends the line, ends its quotes, or begins a field. Pure; allocates nothing. */
#ifndef LEDIG_LOG_LINE_H
#define LEDIG_LOG_LINE_H

#include <stdarg.h>
#include <stddef.h>

struct log_line {
    char *text; /* the caller's; no zero at its end */
    size_t size, length;
};

/* Appends, as much as there is room for. `format` is ours and stands as it is; of printf's conversions it may have %s,
 * %.*s, %.Ns, %d, %u, %x with l, ll or z, and %%. In the values of %s, `"` and `\` are escaped by a backslash; control
 * characters, line ends of Unicode, marks that turn the direction of writing, and bytes that are no UTF-8 come as `?`;
 * outside of quotes spaces, `=` and `"` too.
 */
void log_line_append(struct log_line *line, const char *format, va_list values) __attribute__((format(printf, 2, 0)));

#endif
