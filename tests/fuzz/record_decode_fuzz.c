/* Any bytes as a stored record. What decodes can be kept, encodes to what decodes again to the same, and, where it is a
 * state or a company, gives a view at any time. */
#include "broker/model/availability.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void must(bool holds) {
    if (!holds) abort();
}

/* Of every schedule, whatever it says. */
static void check_hours(const struct company_record *company, int64_t now_ms) {
    const struct schedule *schedules = company->schedules.at;
    for (uint32_t i = 0; i < company->schedules.count; i++) {
        struct hours hours, again;
        schedule_hours(&schedules[i], company, NULL, now_ms, &hours);
        must(hours.since >= 0 && hours.since <= now_ms && hours.until > now_ms);
        if (hours.until > ZONE_MS_MAX) continue;
        schedule_hours(&schedules[i], company, NULL, now_ms + (hours.until - now_ms) / 2, &again);
        must(again.is_open == hours.is_open && again.since == hours.since && again.until == hours.until);
    }
    struct profile_record profile = {.id = "x", .schedule = company->schedule, .department = company->name};
    schedule_of(company, &profile);
}

static void check_view(const struct record *record) {
    static const int64_t times[] = {0, 1, 1800000000000, NEVER - 1};
    struct leases *leases = leases_create();
    must(leases != NULL);
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        struct view view = {.valid_until = NEVER};
        if (record->kind == RECORD_STATE)
            availability_derive(&record->state, NULL, times[i], leases, &view);
        else
            check_hours(&record->company, times[i]);
        must(view.valid_from <= times[i] && view.valid_until > times[i]);
        must(availability_name(view.availability) != NULL);
    }
    leases_free(leases);
}

static void check_kept(const struct record *record, const struct buffer *encoded) {
    struct buffer again = {0};
    struct record kept = {.kind = record->kind};
    void *copy = record_keep(record);
    must(copy != NULL);
    memcpy(&kept.company, copy, record_shape(record->kind)->size);
    must(record_encode(&kept, &again) == 0);
    must(again.length == encoded->length && memcmp(again.bytes, encoded->bytes, again.length) == 0);
    buffer_free(&again);
    free(copy);
}

static void check_again(const struct buffer *encoded, struct arena *arena) {
    struct buffer again = {0};
    struct record record;
    must(record_decode(encoded->bytes, encoded->length, arena, &record) == 0);
    must(record_encode(&record, &again) == 0);
    must(again.length == encoded->length && memcmp(again.bytes, encoded->bytes, again.length) == 0);
    buffer_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct arena *arena = arena_create();
    struct record record;
    must(arena != NULL);
    int error = record_decode(bytes, length, arena, &record);
    if (error) {
        must(error == LEDIG_EDAMAGED || error == LEDIG_EUNSUPPORTED);
    } else {
        struct buffer encoded = {0};
        must(record_id(&record) != NULL && record_encode(&record, &encoded) == 0);
        check_kept(&record, &encoded);
        if (encoded.length <= RECORD_BYTES_MAX) check_again(&encoded, arena);
        if (record.kind == RECORD_STATE || record.kind == RECORD_COMPANY) check_view(&record);
        buffer_free(&encoded);
    }
    arena_free(arena);
    return 0;
}
