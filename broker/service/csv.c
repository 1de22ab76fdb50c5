#include "broker/service/csv.h"
#include "protocol/errors.h"
#include "protocol/shape.h"

#include <string.h>

void csv_open(struct csv *csv, const uint8_t *bytes, size_t length) {
    static const char mark[] = "\xEF\xBB\xBF";
    csv->at = (const char *)bytes;
    csv->end = csv->at + length;
    csv->line = 1;
    csv->record_line = 0;
    csv->count = 0;
    csv->why = NULL;
    if (length >= 3 && memcmp(bytes, mark, 3) == 0) csv->at += 3;
}

/* Whether a line ends here; a CR alone is a character like others. */
static size_t line_end(const struct csv *csv) {
    if (*csv->at == '\n') return 1;
    return *csv->at == '\r' && csv->at + 1 < csv->end && csv->at[1] == '\n' ? 2 : 0;
}

static void pass_line_end(struct csv *csv) {
    if (csv->at == csv->end) return;
    csv->at += line_end(csv);
    csv->line++;
}

/* Goes on behind the line on which the record began: where a quote was forgotten, the lines after it are checked too.
 */
static int give_up(struct csv *csv, const char *why) {
    csv->why = why;
    const char *end = memchr(csv->record, '\n', (size_t)(csv->end - csv->record));
    csv->at = end ? end + 1 : csv->end;
    csv->line = csv->record_line + 1;
    return LEDIG_EBAD_REQUEST;
}

/* Takes the field that begins at `at` into text[*used]; afterwards `at` stands on a comma, a line's end or the end. */
static int take_field(struct csv *csv, size_t *used) {
    char *to = csv->text + *used;
    const char *limit = csv->text + CSV_RECORD_BYTES_MAX;
    bool quoted = csv->at < csv->end && *csv->at == '"';
    if (quoted) csv->at++;
    for (;; csv->at++) {
        if (csv->at == csv->end) {
            if (quoted) return give_up(csv, "a quote is not closed");
            break;
        }
        char c = *csv->at;
        if (quoted && c == '"') {
            csv->at++;
            if (csv->at == csv->end || *csv->at != '"') break;
        } else if (!quoted && (c == ',' || line_end(csv))) {
            break;
        } else if (!quoted && c == '"') {
            return give_up(csv, "a quote stands inside of a field that is not quoted");
        }
        if (c == '\0') return give_up(csv, "a NUL character");
        if (to >= limit) return give_up(csv, quoted ? "too long, or a quote is not closed" : "the line is too long");
        if (c == '\n') csv->line++;
        *to++ = c;
    }
    if (quoted && csv->at < csv->end && *csv->at != ',' && !line_end(csv))
        return give_up(csv, "something follows a closing quote");
    csv->fields[csv->count] = csv->text + *used;
    csv->lengths[csv->count] = (size_t)(to - csv->fields[csv->count]);
    *to++ = '\0';
    *used = (size_t)(to - csv->text);
    return 0;
}

int csv_next(struct csv *csv) {
    while (csv->at < csv->end && line_end(csv))
        pass_line_end(csv);
    csv->record_line = csv->line;
    csv->record = csv->at;
    csv->count = 0;
    csv->why = NULL;
    if (csv->at == csv->end) return 0;
    size_t used = 0;
    for (;;) {
        if (csv->count == CSV_FIELDS_MAX) return give_up(csv, "too many columns");
        int error = take_field(csv, &used);
        if (error) return error;
        csv->count++;
        if (csv->at == csv->end || *csv->at != ',') break;
        csv->at++;
    }
    pass_line_end(csv);
    for (size_t i = 0; i < csv->count; i++)
        if (shape_characters(csv->fields[i], csv->lengths[i]) < 0) {
            csv->why = "not valid UTF-8";
            return LEDIG_EBAD_REQUEST;
        }
    return 1;
}
