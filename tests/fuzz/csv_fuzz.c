/* Any bytes as a file of comma-separated values, and as an employer's file. What was read and is written again must
 * read as the same. */
#include "broker/service/csv.h"
#include "broker/service/roster.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void append_quoted(struct buffer *text, const char *field) {
    buffer_append(text, "\"", 1);
    for (; *field; field++) {
        buffer_append(text, field, 1);
        if (*field == '"') buffer_append(text, field, 1);
    }
    buffer_append(text, "\"", 1);
}

static void check_written_again(const struct csv *csv) {
    static struct csv again;
    struct buffer text = {0};
    for (size_t i = 0; i < csv->count; i++) {
        if (strlen(csv->fields[i]) != csv->lengths[i]) abort();
        if (i > 0) buffer_append(&text, ",", 1);
        append_quoted(&text, csv->fields[i]);
    }
    csv_open(&again, text.bytes, text.length);
    if (csv_next(&again) != 1 || again.count != csv->count) abort();
    for (size_t i = 0; i < csv->count; i++)
        if (strcmp(csv->fields[i], again.fields[i]) != 0) abort();
    if (csv_next(&again) != 0) abort();
    buffer_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static struct csv csv;
    int result;
    csv_open(&csv, bytes, length);
    while ((result = csv_next(&csv)) != 0) {
        if (result == 1)
            check_written_again(&csv);
        else if (!csv.why)
            abort();
    }
    struct roster *roster = roster_open("acme", bytes, length);
    if (!roster) return 0;
    while (roster_read(roster, 7) == 1)
        ;
    if (roster->fault_count == 0)
        for (size_t i = 0; i < roster->count; i++)
            if (!shape_is_id(roster->entries[i].id)) abort();
    roster_close(roster);
    return 0;
}
