#include "broker/service/claim_request.h"
#include "broker/service/agents.h"
#include "broker/service/claims.h"
#include "broker/service/json_reader.h"
#include "protocol/errors.h"
#include "protocol/limits.h"

#include <string.h>

static int refuse(struct fault *fault, const char *field, const char *why) {
    *fault = (struct fault){.error = LEDIG_EBAD_REQUEST, .field = field, .why = why};
    return LEDIG_EBAD_REQUEST;
}

/* ---- Whatever it was read from ---- */

static int check(const struct claim_request *request, struct fault *fault) {
    enum strategy strategy;
    if (!request->call) return refuse(fault, "call", "is needed: the router's own id of the call");
    if (!json_reader_is_call(request->call))
        return refuse(fault, "call", "must be 1 to 120 characters, none of them a control character");
    if (!strategy_parse(request->strategy, &strategy))
        return refuse(fault, "strategy", "must be longest_idle, round_robin, fewest_calls, priority or ring_all");
    if (request->lease_ms > CLAIM_LEASE_MS_MAX) return refuse(fault, "lease_ms", "is longer than five minutes");
    if (request->wait_ms > CLAIM_WAIT_MS_MAX) return refuse(fault, "wait_ms", "is longer than 30 seconds");
    return 0;
}

/* ---- JSON ---- */

static bool read_excluded(struct json_reader *reader, const json_t *map, struct claim_request *request) {
    const json_t *list = json_object_get(map, "exclude"), *one;
    size_t index;
    if (!list || json_is_null(list)) return true;
    if (!json_is_array(list)) return json_reader_fail(reader, "exclude", "must be a list of users");
    if (json_array_size(list) > CLAIM_EXCLUDED_MAX) return json_reader_fail(reader, "exclude", "names more than 64");
    json_array_foreach(list, index, one) {
        if (!json_is_string(one) || !shape_is_id(json_string_value(one)))
            return json_reader_fail(reader, "exclude", "must be a list of users");
        request->excluded[request->excluded_count++] = json_string_value(one);
    }
    return true;
}

static bool read_fields(struct json_reader *reader, const json_t *map, struct claim_request *request) {
    int64_t lease_ms, wait_ms;
    if (!json_reader_text(reader, map, "call", LEDIG_NAME_CHARS_MAX, &request->call) ||
        !json_reader_id(reader, map, "router", &request->router) ||
        !json_reader_text(reader, map, "strategy", LEDIG_WORD_CHARS_MAX, &request->strategy) ||
        !json_reader_number(reader, map, "lease_ms", UINT32_MAX, &lease_ms) ||
        !json_reader_number(reader, map, "wait_ms", UINT32_MAX, &wait_ms) || !read_excluded(reader, map, request))
        return false;
    request->lease_ms = (uint32_t)lease_ms;
    request->wait_ms = (uint32_t)wait_ms;
    return true;
}

int claim_request_read(const json_t *document, struct claim_request *request, struct fault *fault) {
    struct json_reader reader = {0};
    *request = (struct claim_request){0};
    int error = json_reader_end(&reader, read_fields(&reader, document, request), fault);
    return error ? error : check(request, fault);
}

/* ---- A message ---- */

int claim_request_take(const struct message_claim *message, const char *router, struct claim_request *request,
                       struct fault *fault) {
    *request = (struct claim_request){.queue = message->queue,
                                      .call = message->call,
                                      .router = router,
                                      .strategy = message->strategy,
                                      .lease_ms = message->lease_ms,
                                      .wait_ms = message->wait_ms,
                                      .excluded_count = message->exclude.count};
    for (uint32_t i = 0; i < message->exclude.count; i++)
        request->excluded[i] = message->exclude.at[i];
    return check(request, fault);
}
