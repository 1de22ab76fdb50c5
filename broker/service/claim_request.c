#include "broker/service/claim_request.h"
#include "broker/service/agents.h"
#include "broker/service/claims.h"
#include "broker/service/json_reader.h"
#include "protocol/errors.h"
#include "protocol/limits.h"

#include <string.h>

static bool read_excluded(struct json_reader *reader, struct claim_request *request) {
    const json_t *list = json_object_get(request->document, "exclude"), *one;
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

static bool read_all(struct json_reader *reader, struct claim_request *request) {
    const json_t *map = request->document;
    int64_t lease_ms, wait_ms;
    enum strategy strategy;
    if (!json_reader_text(reader, map, "call", LEDIG_NAME_CHARS_MAX, &request->call) ||
        !json_reader_id(reader, map, "router", &request->router) ||
        !json_reader_text(reader, map, "strategy", LEDIG_WORD_CHARS_MAX, &request->strategy) ||
        !json_reader_number(reader, map, "lease_ms", CLAIM_LEASE_MS_MAX, &lease_ms) ||
        !json_reader_number(reader, map, "wait_ms", CLAIM_WAIT_MS_MAX, &wait_ms) || !read_excluded(reader, request))
        return false;
    request->lease_ms = (uint32_t)lease_ms;
    request->wait_ms = (uint32_t)wait_ms;
    if (!request->call) return json_reader_fail(reader, "call", "is needed: the router's own id of the call");
    if (!json_reader_is_call(request->call))
        return json_reader_fail(reader, "call", "must be 1 to 120 characters, none of them a control character");
    return strategy_parse(request->strategy, &strategy) ||
           json_reader_fail(reader, "strategy", "must be longest_idle, round_robin, fewest_calls or ring_all");
}

int claim_request_read(const uint8_t *body, size_t length, struct claim_request *request, const char **field,
                       const char **why) {
    struct json_reader reader = {0};
    *request = (struct claim_request){0};
    *field = NULL;
    if (length > CLAIM_BODY_BYTES_MAX) {
        *why = "the body is larger than 16 KiB";
        return LEDIG_ETOO_LARGE;
    }
    request->document = json_loadb((const char *)body, length, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(request->document)) {
        *why = "the body is no JSON object, or has a key twice";
        return LEDIG_EBAD_REQUEST;
    }
    if (read_all(&reader, request)) return 0;
    *field = reader.field;
    *why = reader.why;
    return LEDIG_EBAD_REQUEST;
}

void claim_request_free(struct claim_request *request) {
    json_decref(request->document);
    request->document = NULL;
}

bool claim_request_excludes(const struct claim_request *request, const char *user) {
    for (size_t i = 0; i < request->excluded_count; i++)
        if (strcmp(request->excluded[i], user) == 0) return true;
    return false;
}
