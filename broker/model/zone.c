#include "broker/model/zone.h"
#include "broker/model/date.h"
#include "broker/model/zone_rule.h"
#include "protocol/errors.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define DAY_S 86400
#define HEAD_BYTES 44
#define TYPE_BYTES 6
#define TYPES_MAX 256

struct zone_change {
    int64_t at_s;
    int32_t offset_s; /* from then on */
};

struct zone {
    int32_t first_offset_s; /* before the first change */
    bool has_rule;
    struct zone_rule rule; /* after the last one */
    size_t count;
    struct zone_change changes[];
};

/* ---- The file ---- */

static uint32_t number(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int64_t time_at(const uint8_t *at, size_t bytes) {
    if (bytes == 4) return (int32_t)number(at);
    return (int64_t)((uint64_t)number(at) << 32 | number(at + 4));
}

struct block { /* one of the two tables: times of 4 or of 8 bytes */
    size_t times, types, leaps;
    size_t time_bytes;
    size_t length; /* behind the head */
    const uint8_t *bytes;
};

/* Reads the head, and checks that all that it counts is there. */
static bool read_block(const uint8_t *bytes, size_t length, size_t time_bytes, struct block *block) {
    if (length < HEAD_BYTES || memcmp(bytes, "TZif", 4) != 0) return false;
    size_t counts[6]; /* isut, isstd, leap, time, type, char */
    for (size_t i = 0; i < 6; i++) {
        counts[i] = number(bytes + 20 + 4 * i);
        if (counts[i] > ZONE_BYTES_MAX) return false;
    }
    *block = (struct block){counts[3], counts[4], counts[2], time_bytes, 0, bytes + HEAD_BYTES};
    block->length = counts[3] * (time_bytes + 1) + counts[4] * TYPE_BYTES + counts[5] + counts[2] * (time_bytes + 4) +
                    counts[1] + counts[0];
    return block->length <= length - HEAD_BYTES;
}

static bool read_offset(const struct block *block, size_t type, int32_t *offset_s) {
    if (type >= block->types) return false;
    *offset_s = (int32_t)number(block->bytes + block->times * (block->time_bytes + 1) + type * TYPE_BYTES);
    return *offset_s > -ZONE_OFFSET_S_MAX && *offset_s < ZONE_OFFSET_S_MAX;
}

static int read_changes(const struct block *block, struct zone *zone) {
    const uint8_t *types = block->bytes + block->times * block->time_bytes;
    if (!read_offset(block, 0, &zone->first_offset_s)) return LEDIG_EDAMAGED;
    zone->count = block->times;
    for (size_t i = 0; i < zone->count; i++) {
        struct zone_change *change = &zone->changes[i];
        change->at_s = time_at(block->bytes + i * block->time_bytes, block->time_bytes);
        if (i > 0 && change->at_s <= zone->changes[i - 1].at_s) return LEDIG_EDAMAGED;
        if (!read_offset(block, types[i], &change->offset_s)) return LEDIG_EDAMAGED;
    }
    return 0;
}

/* Between two line ends; may be empty. */
static int read_rule(const uint8_t *bytes, size_t length, struct zone *zone) {
    if (length < 2 || bytes[0] != '\n') return LEDIG_EDAMAGED;
    const uint8_t *end = memchr(bytes + 1, '\n', length - 1);
    if (end == NULL) return LEDIG_EDAMAGED;
    size_t text_length = (size_t)(end - bytes) - 1;
    if (text_length == 0) return 0;
    zone->has_rule = true;
    return zone_rule_parse((const char *)bytes + 1, text_length, &zone->rule) ? 0 : LEDIG_EDAMAGED;
}

int zone_parse(const uint8_t *bytes, size_t length, struct zone **zone) {
    struct block block;
    *zone = NULL;
    if (length > ZONE_BYTES_MAX || !read_block(bytes, length, 4, &block)) return LEDIG_EDAMAGED;
    bool has_second = bytes[4] >= '2'; /* version */
    const uint8_t *second = block.bytes + block.length;
    size_t left = length - (size_t)(second - bytes);
    if (has_second && !read_block(second, left, 8, &block)) return LEDIG_EDAMAGED;
    if (block.types == 0 || block.types > TYPES_MAX || block.times > ZONE_CHANGES_MAX) return LEDIG_EDAMAGED;
    if (block.leaps > 0) return LEDIG_EUNSUPPORTED;
    struct zone *made = calloc(1, sizeof *made + block.times * sizeof *made->changes);
    if (made == NULL) return LEDIG_ENO_MEMORY;
    const uint8_t *rule = block.bytes + block.length;
    int error = read_changes(&block, made);
    if (error == 0 && has_second) error = read_rule(rule, length - (size_t)(rule - bytes), made);
    if (error != 0)
        free(made);
    else
        *zone = made;
    return error;
}

void zone_close(struct zone *zone) {
    free(zone);
}

/* ---- What the clocks show ---- */

/* How many changes there were by then. */
static size_t changes_until(const struct zone *zone, int64_t at_s) {
    size_t low = 0, high = zone->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (zone->changes[middle].at_s <= at_s)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct zone_segment segment_at(const struct zone *zone, int64_t at_s) {
    struct zone_segment segment = {0, INT64_MIN, INT64_MAX};
    if (zone == NULL) return segment;
    size_t passed = changes_until(zone, at_s);
    if (passed == zone->count && zone->has_rule) return zone_rule_segment(&zone->rule, at_s);
    segment.offset_s = passed > 0 ? zone->changes[passed - 1].offset_s : zone->first_offset_s;
    if (passed < zone->count) segment.until_s = zone->changes[passed].at_s;
    return segment;
}

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

struct zone_time zone_local(const struct zone *zone, int64_t at_ms) {
    if (at_ms > ZONE_MS_MAX) at_ms = ZONE_MS_MAX;
    if (at_ms < -ZONE_MS_MAX) at_ms = -ZONE_MS_MAX;
    int64_t local_ms = at_ms + segment_at(zone, floor_div(at_ms, 1000)).offset_s * INT64_C(1000);
    int64_t day = floor_div(local_ms, DAY_S * INT64_C(1000));
    return (struct zone_time){day, (int32_t)(local_ms - day * DAY_S * INT64_C(1000))};
}

/* From the earliest moment at which it could be that late anywhere, one offset after the other. */
int64_t zone_instant(const struct zone *zone, int64_t day, int32_t minutes) {
    if (day > DATE_DAY_MAX) day = DATE_DAY_MAX;
    if (day < -DATE_DAY_MAX) day = -DATE_DAY_MAX;
    int64_t local_s = day * DAY_S + minutes * INT64_C(60), from_s = local_s - ZONE_OFFSET_S_MAX;
    for (;;) {
        struct zone_segment segment = segment_at(zone, from_s);
        int64_t at_s = local_s - segment.offset_s;
        if (at_s < from_s) at_s = from_s;
        if (at_s < segment.until_s) return at_s * 1000;
        from_s = segment.until_s;
    }
}
