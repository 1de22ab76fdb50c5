/* A time zone: what the clocks of a place show at a moment, and when they show it. Made from the bytes of a TZif file
 * (RFC 8536, versions 1 to 4: a table of changes, and a rule for what comes after it), which are not trusted. It reads
 * no file and knows no names. Pure; whoever parsed it closes it. NULL is UTC, wherever a zone is asked for. */
#ifndef LEDIG_MODEL_ZONE_H
#define LEDIG_MODEL_ZONE_H

#include <stddef.h>
#include <stdint.h>

#define ZONE_BYTES_MAX 65536        /* of a file; the longest there are have 4 KB */
#define ZONE_CHANGES_MAX 4096       /* likewise some 240 */
#define ZONE_OFFSET_S_MAX 93600     /* 26 hours, as in RFC 8536 */
#define ZONE_MS_MAX 253402300799999 /* the end of the year 9999: what is asked beyond it counts as that */

struct zone;

/* LEDIG_EDAMAGED, LEDIG_EUNSUPPORTED (it counts leap seconds), LEDIG_ENO_MEMORY. */
int zone_parse(const uint8_t *bytes, size_t length, struct zone **zone);
void zone_close(struct zone *zone); /* NULL is fine */

struct zone_time {
    int64_t day; /* since 1970-01-01 */
    int32_t ms;  /* of the day, as the clock shows it */
};
struct zone_time zone_local(const struct zone *zone, int64_t at_ms);

/* The first moment at which the clocks show so many minutes after the midnight that begins the day, or later: of a time
 * that is skipped the moment after the gap, of one that comes twice the first. Never falls as the time rises. */
int64_t zone_instant(const struct zone *zone, int64_t day, int32_t minutes);

/* Where zones are found by their names: "Europe/Oslo". The zone stays as long as the source. NULL: there is none. */
struct zone_source {
    const struct zone *(*find)(void *arg, const char *name);
    void *arg;
};

#endif
