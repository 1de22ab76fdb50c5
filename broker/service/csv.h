/* Reads comma-separated values, one record after the other (RFC 4180), out of bytes that nobody vouches for: UTF-8 with
 * or without a byte order mark, lines that end in LF or CRLF, quoted fields. A record that is wrong is told with its
 * line and left out; reading goes on with the next line. Keeps no more than one record. The caller owns the bytes. */
#ifndef LEDIG_SERVICE_CSV_H
#define LEDIG_SERVICE_CSV_H

#include <stddef.h>
#include <stdint.h>

#define CSV_FIELDS_MAX 32          /* columns: no file of ours has more than six */
#define CSV_RECORD_BYTES_MAX 16384 /* a person with 64 queues of 64 characters is below 6 KB */

struct csv { /* needs no closing */
    const char *at, *end;
    uint32_t line; /* of `at`, from 1 */

    const char *record;                 /* where the last record begins */
    uint32_t record_line;               /* and on which line */
    size_t count;                       /* its fields */
    const char *fields[CSV_FIELDS_MAX]; /* NUL-terminated, without quotes, valid until the next record */
    size_t lengths[CSV_FIELDS_MAX];
    const char *why; /* what was wrong with it; a constant */

    char text[CSV_RECORD_BYTES_MAX + CSV_FIELDS_MAX];
};

void csv_open(struct csv *csv, const uint8_t *bytes, size_t length);

/* The next record; lines with nothing on them are passed over. 1, 0 at the end, or LEDIG_EBAD_REQUEST with `why`: then
 * the next call goes on behind the bad record. */
int csv_next(struct csv *csv);

#endif
