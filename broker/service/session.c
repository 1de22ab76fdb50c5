#include "broker/service/session.h"
#include "broker/log.h"
#include "broker/service/attendance.h"
#include "broker/service/join.h"
#include "broker/service/me.h"
#include "broker/service/requests.h"
#include "broker/service/route_watch.h"
#include "broker/service/router_link.h"
#include "broker/service/router_requests.h"
#include "broker/service/tenant_state.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define DRAIN_SPREAD_MS 2000 /* those who are sent away come back spread over this time */

/* ---- The list of those with a deadline ---- */

static void set_deadline(struct session *session, uint32_t after_ms) {
    struct service *service = session->service;
    session->deadline_ms = uv_now(service->loop) + after_ms;
    if (session->has_deadline) return;
    session->has_deadline = true;
    DL_PREPEND2(service->with_deadline, session, before, after);
}

void session_clear_deadline(struct session *session) {
    if (!session->has_deadline) return;
    session->has_deadline = false;
    DL_DELETE2(session->service->with_deadline, session, before, after);
}

/* ---- Coming and going ---- */

struct session *session_open(struct service *service, struct connection *connection, enum encoding encoding) {
    struct session *session = session_room_take(&service->room);
    if (!session) return NULL;
    session->service = service;
    session->connection = connection;
    session->encoding = (uint8_t)encoding;
    session->sent_at_ms = session->heard_at_ms = (uint32_t)uv_now(service->loop);
    service->connections++;
    service->metrics->connections_taken++;
    set_deadline(session, service->options.hello_ms);
    return session;
}

static void leave_audience(struct session *session) {
    fanout_owe_no_more(session);
    if (session->is_live) audience_leave(session);
}

static void free_outbox(struct session *session) {
    if (!session->outbox) return;
    buffer_free(session->outbox);
    free(session->outbox);
    session->outbox = NULL;
}

void session_set_audience(struct session *session, struct audience *audience, struct filter *favourites) {
    bool was_live = session->is_live;
    if (was_live) leave_audience(session);
    audience_release(session->audience);
    filter_release(session->favourites);
    session->audience = audience;
    session->favourites = favourites;
    if (was_live && audience_join(session) != 0)
        session_end(session, LEDIG_EUNAVAILABLE, "out of memory", DROP_unavailable);
}

void session_free(struct session *session) {
    session_clear_deadline(session);
    requests_orphan(session);
    free_outbox(session);
    session_set_audience(session, NULL, NULL);
    if (session->tenant) tenant_release(session->tenant);
    if (session->link) router_link_close(session->link);
    join_forget(session);
    free(session->device);
    session_room_give(&session->service->room, session);
}

static void end_choking(struct session *session) {
    if (session->choked) session->service->metrics->choked--;
    session->choked = false;
}

void session_closed(struct session *session, bool given_up) {
    if (given_up && session->stage != SESSION_ENDING && !session->ended) session->service->metrics->drops[DROP_stall]++;
    end_choking(session);
    session->connection = NULL;
    session->service->connections--;
    if (session->stage == SESSION_JOINING) { /* join.c holds it, and frees it */
        session_clear_deadline(session);
        return;
    }
    leave_audience(session);
    requests_orphan(session);
    free_outbox(session);
    if (!session->attendee) {
        session_free(session);
        return;
    }
    session->stage = SESSION_DETACHED;
    set_deadline(session, session->service->options.grace_ms);
}

void session_end(struct session *session, int error, const char *why, enum metrics_drop reason) {
    static const uint16_t codes[] = {
#define X(name, code) code,
        METRICS_DROPS(X)
#undef X
    };
    if (!session->connection || session->stage == SESSION_ENDING || session->ended) return;
    if (error) session_error(session, 0, error, NULL, why, 0);
    leave_audience(session);
    session_clear_deadline(session);
    if (session->stage == SESSION_JOINING)
        session->ended = true; /* join.c still holds it */
    else
        session->stage = SESSION_ENDING;
    session->service->metrics->drops[reason]++;
    connection_close(session->connection, codes[reason], why);
}

void session_drain(struct session *session) {
    uint32_t random = 0;
    uv_random(NULL, NULL, &random, sizeof random, 0, NULL);
    struct message message = {.type = MESSAGE_bye,
                              .bye = {.reason = "drain", .retry_ms = 1 + random % DRAIN_SPREAD_MS}};
    session_send(session, &message);
    session_end(session, 0, "drain", DROP_drain);
}

bool session_set_state(struct session *session, enum presence state) {
    if (session->state == (uint8_t)state) return false;
    int64_t now_ms = service_now_ms(session->service);
    bool declining = session->state_before > session->state && now_ms < session->state_at_ms + SESSION_DECLINE_MS;
    session->state_before = declining ? session->state_before : session->state;
    session->state = (uint8_t)state;
    session->state_at_ms = now_ms;
    return true;
}

/* ---- Sending ---- */

bool session_is_free(const struct session *session) {
    return session->connection && !session->outbox && !session->choked;
}

static void become_choked(struct session *session) {
    if (!session->choked) {
        session->choked_at_ms = (uint32_t)uv_now(session->service->loop);
        session->service->metrics->choked++;
    }
    session->choked = true;
    connection_want_writable(session->connection);
}

void session_send_shared(struct session *session, uint8_t *payload, size_t length) {
    session->sent_at_ms = (uint32_t)uv_now(session->service->loop);
    /* a dead one counts as choked, until session_closed */
    if (connection_send(session->connection, payload, length) != 0) become_choked(session);
}

/* A client that does not take its answers is not read from until it does. */
static void keep(struct session *session, const struct buffer *message) {
    uint32_t length = (uint32_t)(message->length - CONNECTION_HEADROOM);
    if (!session->outbox) session->outbox = calloc(1, sizeof *session->outbox);
    if (session->outbox && session->outbox->length > SESSION_OUTBOX_BYTES_MAX) {
        session_end(session, 0, "answers are not taken", DROP_stall);
        return;
    }
    if (!session->outbox) {
        session_end(session, 0, "out of memory", DROP_unavailable);
        return;
    }
    buffer_append(session->outbox, &length, sizeof length);
    buffer_append(session->outbox, message->bytes, message->length);
    if (session->outbox->failed) { /* half an answer is none, and what is acknowledged must not be lost unseen */
        free_outbox(session);
        session_end(session, 0, "out of memory", DROP_unavailable);
        return;
    }
    connection_pause(session->connection, true);
    connection_want_writable(session->connection);
}

void session_send(struct session *session, const struct message *message) {
    struct buffer *scratch = &session->service->scratch;
    static const uint8_t headroom[CONNECTION_HEADROOM];
    if (!session->connection || session->stage == SESSION_ENDING) return;
    buffer_clear(scratch);
    buffer_append(scratch, headroom, sizeof headroom);
    if (message_encode((enum encoding)session->encoding, message, scratch) != 0) {
        log_event(LOG_ERROR, "encode_failed", "type=%s", message_type_name(message->type));
        return;
    }
    if (session_is_free(session))
        session_send_shared(session, scratch->bytes + sizeof headroom, scratch->length - sizeof headroom);
    else
        keep(session, scratch);
}

void session_send_frame(struct session *session, struct buffer *frame) {
    if (!session->connection || session->stage == SESSION_ENDING) return;
    if (session_is_free(session))
        session_send_shared(session, frame->bytes + CONNECTION_HEADROOM, frame->length - CONNECTION_HEADROOM);
    else
        keep(session, frame);
}

static void send_outbox(struct session *session) {
    struct buffer *outbox = session->outbox;
    size_t at = 0;
    while (at < outbox->length && !session->choked) {
        uint32_t length;
        memcpy(&length, outbox->bytes + at, sizeof length);
        uint8_t *payload = outbox->bytes + at + sizeof length + CONNECTION_HEADROOM;
        at += sizeof length + CONNECTION_HEADROOM + length;
        session_send_shared(session, payload, length);
    }
    memmove(outbox->bytes, outbox->bytes + at, outbox->length - at);
    outbox->length -= at;
    if (outbox->length > 0) {
        connection_want_writable(session->connection);
        return;
    }
    free_outbox(session);
    if (session->stage == SESSION_LIVE) connection_pause(session->connection, false);
}

void session_writable(struct session *session) {
    if (connection_is_choked(session->connection)) return;
    end_choking(session);
    if (session->outbox) send_outbox(session);
    if (!session_is_free(session) || session->stage != SESSION_LIVE) return;
    if (session->link) {
        route_watch_writable(session->link->watch);
        return;
    }
    if (session->wants_me) me_send(session);
    fanout_catch_up(&session->service->fanout, session);
}

void session_error(struct session *session, uint32_t id, int error, const char *field, const char *why,
                   uint32_t retry_ms) {
    metrics_error(session->service->metrics, error);
    struct message message = {.type = MESSAGE_error,
                              .error = {.id = id,
                                        .code = ledig_error_name(error),
                                        .message = why ? why : ledig_error_meaning(error),
                                        .field = field,
                                        .retry_ms = retry_ms}};
    session_send(session, &message);
}

/* ---- Receiving ---- */

void session_refuse(struct session *session, int error, const char *why) {
    enum metrics_drop reason = error == LEDIG_ETOO_LARGE      ? DROP_too_large
                               : error == LEDIG_ERATE_LIMITED ? DROP_rate_limited
                               : error == LEDIG_EUNAVAILABLE  ? DROP_unavailable
                                                              : DROP_wrong_kind;
    session_end(session, error, why, reason);
}

/* A request that is understood so far that it can be answered leaves the connection open; bytes that are no message at
 * all come from an app that is broken, and a hello that is wrong cannot be put right on this connection. */
static void answer_fault(struct session *session, const struct message *message, uint32_t id,
                         const struct fault *fault) {
    session_error(session, id, fault->error, fault->field, fault->why, 0);
    if (id > 0 || fault->error == LEDIG_EUNSUPPORTED) return;
    session_end(session, 0, "bad message", message->type == MESSAGE_NONE ? DROP_bad_data : DROP_bad_message);
}

void session_heard(struct session *session) {
    session->heard_at_ms = (uint32_t)uv_now(session->service->loop);
    session->pinged = false;
}

void session_receive(struct session *session, const uint8_t *bytes, size_t length) {
    session_heard(session);
    if (session->stage == SESSION_ENDING) return;
    struct arena *arena = session->service->arena;
    struct message message;
    struct fault fault;
    uint32_t id = 0;
    arena_reset(arena);
    int error = message_decode((enum encoding)session->encoding, SIDE_APP, bytes, length, arena, &message, &id, &fault);
    if (error) {
        answer_fault(session, &message, id, &fault);
        return;
    }
    session->service->metrics->requests[message.type]++;
    if (session->stage == SESSION_NEW) {
        if (message.type == MESSAGE_hello && !session->service->options.serves_apps)
            router_link_join(session, &message.hello);
        else if (message.type == MESSAGE_hello)
            join_begin(session, &message.hello);
        else
            session_end(session, LEDIG_EBAD_REQUEST, "the first message must be hello", DROP_bad_message);
    } else if (session->stage == SESSION_JOINING) {
        session_error(session, id, LEDIG_ERATE_LIMITED, NULL, "wait for welcome", 1000);
    } else if (session->link) {
        router_requests_handle(session->link, id, &message);
    } else {
        requests_handle(session, id, &message);
    }
}

/* ---- Time ---- */

static void sweep_deadlines(struct service *service, uint64_t now_ms) {
    for (struct session *s = service->with_deadline, *next; s; s = next) {
        next = s->after;
        if (now_ms < s->deadline_ms) continue;
        if (s->stage == SESSION_DETACHED) {
            attendance_leave(s);
            session_free(s);
        } else {
            session_end(s, 0, "no hello in time", DROP_no_hello);
        }
    }
}

/* A client that does not answer a ping for as long as the silence before it is gone, whatever the network says. */
static bool is_dead(struct session *session, uint32_t ping_ms, uint64_t now_ms) {
    if (session->outbox) return false; /* nothing is read from it; stall_ms bounds that */
    uint64_t unheard_ms = session_ms_since(session->heard_at_ms, now_ms);
    if (unheard_ms >= 2ull * ping_ms && session->pinged) return true;
    if (unheard_ms >= ping_ms && !session->pinged) {
        session->pinged = true;
        connection_ping(session->connection);
    }
    return false;
}

void session_take_claims(struct session *session, const struct token_claims *claims) {
    struct session_device *device = session->device;
    int64_t whole_s = claims->expires_at_ms / 1000; /* tokens tell whole seconds */
    uint32_t expires_at_s = whole_s < UINT32_MAX ? (uint32_t)whole_s : UINT32_MAX;
    if (expires_at_s > session->expires_at_s) session->warned = false; /* the same token again is no news */
    session->expires_at_s = expires_at_s;
    session->role = (uint8_t)claims->role;
    if (!device) return;
    strcpy(device->login, claims->login);
    device->issued_at_ms = claims->issued_at_ms;
    device->follows_profile = token_follows_profile(claims);
}

/* Nobody keeps a session longer than the token that began it, or that took its place. */
static bool has_token(struct session *session) {
    int64_t now_s = service_now_ms(session->service) / 1000;
    if (now_s >= session->expires_at_s) {
        session_end(session, LEDIG_EUNAUTHORIZED, "the token has expired", DROP_unauthorized);
        return false;
    }
    if (session->warned || now_s < (int64_t)session->expires_at_s - SESSION_WARN_S) return true;
    session->warned = true;
    struct message message = {.type = MESSAGE_error,
                              .error = {.code = ledig_error_name(LEDIG_EUNAUTHORIZED),
                                        .message = "the token ends soon: send a fresh one in `token`",
                                        .expires_at = (int64_t)session->expires_at_s * 1000}};
    session_send(session, &message);
    return session->stage == SESSION_LIVE;
}

bool session_sweep_line(struct session *session, uint32_t ping_ms, uint64_t now_ms) {
    uint32_t stall_ms = session->service->options.stall_ms;
    if (session->choked && session_ms_since(session->choked_at_ms, now_ms) >= stall_ms) {
        session_end(session, 0, "takes nothing", DROP_stall);
        return false;
    }
    if (is_dead(session, ping_ms, now_ms)) {
        session_end(session, 0, "no sign of life", DROP_no_sign_of_life);
        return false;
    }
    return has_token(session);
}

static void sweep_one(struct session *session, uint64_t now_ms) {
    const struct service_options *options = &session->service->options;
    if (!session_sweep_line(session, options->ping_ms, now_ms)) return;
    if (session_ms_since(session->sent_at_ms, now_ms) >= options->ping_ms) session->wants_frame = true;
    if (fanout_is_due(session, now_ms)) fanout_owe(session);
}

static void sweep_live(struct tenant *tenant, uint64_t now_ms) {
    for (struct audience *audience = tenant->audiences; audience; audience = audience->next)
        for (uint32_t i = audience->count; i-- > 0;) /* from the end: one that is ended leaves the list */
            sweep_one(audience->live[i], now_ms);
}

void session_sweep(struct service *service) {
    uint64_t now_ms = uv_now(service->loop);
    struct tenant *tenant, *next;
    sweep_deadlines(service, now_ms);
    HASH_ITER(hh, service->tenants, tenant, next) sweep_live(tenant, now_ms);
}
