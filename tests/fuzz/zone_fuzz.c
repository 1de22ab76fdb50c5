/* Any bytes as a file of a time zone. What is taken for one shows a time of day at any moment, and for any time of day
 * the first moment that shows it or a later one. */
#include "broker/model/zone.h"
#include "protocol/errors.h"

#include <stdbool.h>
#include <stdlib.h>

#define DAY_MS INT64_C(86400000)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void must(bool holds) {
    if (!holds) abort();
}

static int64_t shown_ms(const struct zone *zone, int64_t at_ms) {
    struct zone_time local = zone_local(zone, at_ms);
    must(local.ms >= 0 && local.ms < DAY_MS);
    must(local.day * DAY_MS + local.ms - at_ms < ZONE_OFFSET_S_MAX * 1000);
    must(local.day * DAY_MS + local.ms - at_ms > -ZONE_OFFSET_S_MAX * 1000);
    return local.day * DAY_MS + local.ms;
}

static void check_day(const struct zone *zone, int64_t day) {
    int64_t before = INT64_MIN;
    for (int32_t minutes = 0; minutes <= 2880; minutes += 95) {
        int64_t at_ms = zone_instant(zone, day, minutes), wanted_ms = day * DAY_MS + minutes * INT64_C(60000);
        must(at_ms >= before);
        must(shown_ms(zone, at_ms) >= wanted_ms);
        must(shown_ms(zone, at_ms - 1000) < wanted_ms);
        before = at_ms;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static const int64_t days[] = {-30000, 0, 20781, 20900, 24855, 50000};
    struct zone *zone;
    int error = zone_parse(bytes, length, &zone);
    must(error == 0 || error == LEDIG_EDAMAGED || error == LEDIG_EUNSUPPORTED);
    for (size_t i = 0; error == 0 && i < sizeof days / sizeof *days; i++)
        check_day(zone, days[i]);
    zone_close(zone);
    return 0;
}
