#include "broker/service/request.h"
#include "broker/service/requests.h"
#include "broker/service/tenant_state.h"

#include <stdlib.h>
#include <string.h>

struct request *request_begin_own(struct service *service, const char *company, const char *user) {
    struct request *request = calloc(1, sizeof *request);
    if (request) request->arena = arena_create();
    if (!request || !request->arena) {
        free(request);
        return NULL;
    }
    request->service = service;
    snprintf(request->company, sizeof request->company, "%s", company);
    snprintf(request->user, sizeof request->user, "%s", user);
    snprintf(request->actor, sizeof request->actor, "%s", user);
    return request;
}

struct request *request_begin(struct session *session, uint32_t id, const char *user) {
    if (session->requests_count == SESSION_REQUESTS_MAX) {
        session_error(session, id, LEDIG_ERATE_LIMITED, NULL, "too many open requests", RETRY_RATE_LIMITED_MS);
        return NULL;
    }
    struct request *request = request_begin_own(session->service, session->tenant->id, user);
    if (!request) {
        session_error(session, id, LEDIG_EUNAVAILABLE, NULL, "out of memory", RETRY_UNAVAILABLE_MS);
        return NULL;
    }
    request->session = session;
    request->id = id;
    snprintf(request->actor, sizeof request->actor, "%s", session->attendee->user);
    request->after = session->requests;
    if (request->after) request->after->before = request;
    session->requests = request;
    session->requests_count++;
    return request;
}

const char *request_text(struct request *request, const char *text) {
    return text ? arena_text(request->arena, text, strlen(text)) : NULL;
}

static void unlink_request(struct request *request) {
    struct session *session = request->session;
    if (!session) return;
    if (request->before)
        request->before->after = request->after;
    else
        session->requests = request->after;
    if (request->after) request->after->before = request->before;
    session->requests_count--;
}

void request_close(struct request *request) {
    unlink_request(request);
    arena_free(request->arena);
    free(request);
}

void request_finish(void *arg, int error, uint64_t version) {
    struct request *request = arg;
    struct session *session = request->session;
    if (session && error) {
        uint32_t retry_ms = error == LEDIG_EUNAVAILABLE ? RETRY_UNAVAILABLE_MS : 0;
        session_error(session, request->id, error, NULL, NULL, retry_ms);
    } else if (session) {
        struct message message = {.type = MESSAGE_ok, .ok = {.id = request->id, .version = (int64_t)version}};
        session_send(session, &message);
    }
    request_close(request);
}

void requests_orphan(struct session *session) {
    while (session->requests) {
        struct request *request = session->requests;
        unlink_request(request);
        request->session = NULL;
        request->before = request->after = NULL;
    }
}
