/* Bodies of requests by HTTP: the first byte says which, the rest is the body. What is refused has a fault with a field
 * or a reason; what is taken keeps its limits. */
#include "broker/service/call_event.h"
#include "broker/service/claim_request.h"
#include "broker/service/json_reader.h"
#include "broker/service/schedule_body.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void read_call(const json_t *document) {
    struct call_event event;
    struct fault fault = {0};
    int error = call_event_read(document, 1800000000000, &event, &fault);
    if (error > 0 || (error && error != fault.error)) abort();
    if (error) return;
    size_t callers = 0;
    if (event.leg_count > CALL_LEGS_MAX || event.at_ms < 0 || event.seq < 0) abort();
    for (size_t i = 0; i < event.leg_count; i++)
        callers += event.legs[i].caller;
    if (callers > 1) abort();
    if (event.at_ms > 1800000000000 + CALL_AHEAD_MS_MAX) abort();
}

static void read_claim(const json_t *document) {
    struct claim_request request;
    struct fault fault = {0};
    int error = claim_request_read(document, &request, &fault);
    if (error > 0 || (error && error != fault.error)) abort();
    if (error) return;
    if (request.excluded_count > CLAIM_EXCLUDED_MAX || request.wait_ms > CLAIM_WAIT_MS_MAX) abort();
    if (!request.call || !json_reader_is_call(request.call)) abort();
}

static void read_schedule(const json_t *document) {
    struct json_reader reader = {0};
    struct arena *arena = arena_create();
    struct schedule schedule = {0};
    if (!arena) return;
    if (schedule_body_read(&reader, document, arena, &schedule)) {
        json_decref(schedule_body_weekly(&schedule));
        json_decref(schedule_body_days(&schedule));
    } else if (!reader.why) {
        abort();
    }
    arena_free(arena);
}

static void read_login(const json_t *document) {
    struct json_reader reader = {0};
    const char *text = NULL, *id = NULL;
    int64_t number = 0;
    bool flag = false;
    if (json_reader_id(&reader, document, "company", &id) && id && !shape_is_id(id)) abort();
    if (json_reader_text(&reader, document, "password", 1024, &text) && text &&
        shape_characters(text, strlen(text)) > 1024)
        abort();
    if (json_reader_number(&reader, document, "wrap_up_ms", 3600000, &number) && (number < 0 || number > 3600000))
        abort();
    (void)json_reader_flag(&reader, document, "all", &flag);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct fault fault = {0};
    if (length == 0) return 0;
    json_t *document = json_reader_open(bytes + 1, length - 1, CALL_BODY_BYTES_MAX, &fault);
    if (!document) {
        if (!fault.error) abort();
        return 0;
    }
    switch (bytes[0] % 4) {
    case 0:
        read_call(document);
        break;
    case 1:
        read_claim(document);
        break;
    case 2:
        read_schedule(document);
        break;
    default:
        read_login(document);
    }
    json_decref(document);
    return 0;
}
