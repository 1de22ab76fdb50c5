#include "broker/service/join.h"
#include "broker/identity/permissions.h"
#include "broker/identity/provider.h"
#include "broker/service/attendance.h"
#include "broker/service/me.h"
#include "broker/service/tenant_state.h"

#include <stdlib.h>
#include <string.h>

#define RETRY_MS 2000 /* for one whose company could not be loaded; apps spread it by their own back-off */

static void go_on(struct session *session);

/* ---- Who is it? ---- */

/* The constant that says the same; NULL for none. */
static const char *find_kind(const char *kind) {
    static const char *const kinds[] = {"mobile", "desktop", "web", "deskphone"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kind, kinds[i]) == 0) return kinds[i];
    return NULL;
}

static void refuse_field(struct session *session, const char *field, const char *why) {
    session_error(session, 0, LEDIG_EBAD_REQUEST, field, why, 0);
    session_end(session, 0, "bad hello", DROP_bad_message);
}

static bool take_device(struct session *session, const struct message_hello *hello) {
    enum presence state = PRESENCE_ACTIVE;
    if (!hello->device) {
        refuse_field(session, "device", "is missing");
        return false;
    }
    if (hello->state && !presence_parse(hello->state, &state)) {
        refuse_field(session, "state", "must be active, idle or background");
        return false;
    }
    const char *kind = find_kind(hello->device->kind);
    if (!kind) {
        refuse_field(session, "kind", "must be mobile, desktop, web or deskphone");
        return false;
    }
    struct session_device *device = calloc(1, sizeof *device + strlen(hello->device->id) + 1);
    if (!device) return false;
    session->device = device;
    device->kind = kind;
    strcpy(device->id, hello->device->id);
    session->state = (uint8_t)state;
    session->state_at_ms = session->joined_at_ms = service_now_ms(session->service);
    uint64_t random[2] = {0};
    uv_random(NULL, NULL, random, sizeof random, 0, NULL);
    snprintf(device->session, sizeof device->session, "%016llx", (unsigned long long)random[0]);
    return true;
}

/* A copy in one block. */
static bool keep_ids(const struct texts *ids, struct texts *kept) {
    size_t bytes = ids->count * sizeof *ids->at;
    *kept = *ids;
    for (uint32_t i = 0; i < ids->count; i++)
        bytes += strlen(ids->at[i]) + 1;
    kept->at = NULL;
    if (ids->count == 0) return true;
    char **at = malloc(bytes), *text = (char *)(at + ids->count);
    if (!at) return false;
    for (uint32_t i = 0; i < ids->count; i++) {
        at[i] = strcpy(text, ids->at[i]);
        text += strlen(text) + 1;
    }
    kept->at = (const char *const *)at;
    return true;
}

void join_forget(struct session *session) {
    struct session_hello *hello = session->hello;
    if (!hello) return;
    free((void *)(uintptr_t)hello->follow.at);
    free((void *)(uintptr_t)hello->favourites.at);
    free(hello);
    session->hello = NULL;
}

/* `user` "": the token is still to be checked, and is kept. */
static bool take_hello(struct session *session, const struct message_hello *hello, const char *user) {
    const char *epoch = hello->resume ? hello->resume->epoch : "", *token = user[0] ? "" : hello->token;
    size_t token_bytes = strlen(token) + 1, epoch_bytes = strlen(epoch) + 1;
    struct session_hello *kept = calloc(1, sizeof *kept + token_bytes + epoch_bytes);
    if (!kept) return false;
    session->hello = kept;
    strcpy(kept->user, user);
    if (!user[0]) kept->token = memcpy(kept->texts, token, token_bytes);
    if (hello->resume) {
        kept->resumes = true;
        kept->place = (struct place){.epoch = memcpy(kept->texts + token_bytes, epoch, epoch_bytes),
                                     .version = (uint64_t)hello->resume->version,
                                     .now_ms = hello->resume->now,
                                     .more = hello->resume->more};
    }
    if (!keep_ids(&hello->follow, &kept->follow) || !keep_ids(&hello->favourites, &kept->favourites)) return false;
    if (!hello->follow.present) kept->follow.all = true;
    return true;
}

static bool find_audience(struct session *session) {
    const struct session_hello *hello = session->hello;
    struct filter *favourites = NULL;
    struct audience *audience = audience_hold(session->tenant, &hello->follow, NULL, hello->user);
    if (audience && hello->favourites.count > 0)
        favourites = filter_create(tenant_company(session->tenant), &hello->favourites, NULL, NULL);
    if (audience && (favourites || hello->favourites.count == 0)) {
        session_set_audience(session, audience, favourites);
        return true;
    }
    audience_release(audience);
    return false;
}

void join_begin(struct session *session, const struct message_hello *hello) {
    struct service *service = session->service;
    struct token_claims claims;
    session_clear_deadline(session);
    bool is_own = token_check(service->key, hello->token, service_now_ms(service), &claims) == 0;
    if (!is_own && !(hello->company && provider_may_have_made(hello->token))) {
        session_end(session, LEDIG_EUNAUTHORIZED, NULL, DROP_unauthorized);
        return;
    }
    if (!permission_allows(PERMISSION_app_hello, claims.role)) {
        session_end(session, LEDIG_EFORBIDDEN, "this is not a person's token", DROP_forbidden);
        return;
    }
    if (is_own && hello->company && strcmp(hello->company, claims.companies) != 0) {
        session_end(session, LEDIG_EFORBIDDEN, "no such person in this company", DROP_forbidden);
        return;
    }
    if (!take_device(session, hello)) {
        session_end(session, 0, "bad hello", DROP_bad_message);
        return;
    }
    if (is_own) session_take_claims(session, &claims);
    session->tenant = tenant_hold(service, is_own ? claims.companies : hello->company);
    if (!session->tenant || !take_hello(session, hello, claims.user)) {
        session_end(session, LEDIG_EUNAVAILABLE, "out of memory", DROP_unavailable);
        return;
    }
    session->stage = SESSION_JOINING;
    connection_pause(session->connection, true);
    go_on(session);
}

/* ---- Is the replica there, and new enough? ---- */

static bool is_behind(const struct session *session) {
    const struct session_hello *hello = session->hello;
    const struct company *company = tenant_company(session->tenant);
    if (!hello->resumes) return false;
    /* an epoch that is not ours may be newer than ours, and the frames of a series newer than the place */
    return hello->place.more || strcmp(hello->place.epoch, company_epoch(company)) != 0 ||
           hello->place.version > company_version(company);
}

static void end_joining(struct session *session, int error, const char *why, enum metrics_drop reason,
                        uint32_t retry_ms) {
    session->stage = SESSION_NEW;
    if (error) session_error(session, 0, error, NULL, why, retry_ms);
    session_end(session, 0, why, reason);
}

static void on_caught_up(void *arg, int error) {
    struct session *session = arg;
    if (!session->connection) { /* broken off meanwhile; session_closed left it to us */
        session_free(session);
        return;
    }
    if (session->ended) { /* for what came behind its hello; the connection goes soon */
        session->stage = SESSION_ENDING;
        return;
    }
    if (error && !tenant_is_ready(session->tenant)) {
        end_joining(session, LEDIG_EUNAVAILABLE, NULL, DROP_unavailable, RETRY_MS);
        return;
    }
    go_on(session);
}

static void wait_for(struct session *session, bool fresh) {
    if (tenant_when_ready(session->tenant, fresh, on_caught_up, session) != 0)
        end_joining(session, LEDIG_EUNAVAILABLE, "out of memory", DROP_unavailable, RETRY_MS);
}

/* ---- Welcome ---- */

static void send_welcome(struct session *session, bool resumed) {
    static const char *const features[] = {"hello", "set",     "device", "follow", "queue", "ask",
                                           "find",  "consent", "calls",  "usage",  "token", "activity"};
    const struct service *service = session->service;
    struct part_limits limits = {.message_bytes = LEDIG_MESSAGE_BYTES_MAX,
                                 .note_chars = LEDIG_NOTE_CHARS_MAX,
                                 .ask_count = LEDIG_ASK_COUNT_MAX,
                                 .follow_count = LEDIG_FOLLOW_COUNT_MAX};
    struct message message = {
        .type = MESSAGE_welcome,
        .welcome = {.user = session->attendee->user,
                    .company = session->tenant->id,
                    .session = session->device->session,
                    .now = service_now_ms(service),
                    .epoch = company_epoch(tenant_company(session->tenant)),
                    .ping_ms = service->options.ping_ms,
                    .resumed = resumed,
                    .limits = &limits,
                    .features = {.at = features, .count = sizeof features / sizeof *features, .present = true}}};
    session_send(session, &message);
}

static void become_live(struct session *session) {
    const struct session_hello *hello = session->hello;
    struct company *company = tenant_company(session->tenant);
    bool resumed = hello->resumes && company_resume(company, session->audience->filter, &hello->place,
                                                    service_now_ms(session->service), &session->cursor);
    if (!resumed) session->cursor = 0;
    session->service->metrics->joins[resumed ? JOIN_RESUMED : JOIN_NOTHING]++;
    session->stage = SESSION_LIVE;
    send_welcome(session, resumed);
    me_send(session);
    session->wants_frame = true;
    join_forget(session);
    if (session->stage != SESSION_LIVE) return; /* took nothing */
    if (audience_join(session) != 0) {
        session_end(session, LEDIG_EUNAVAILABLE, "out of memory", DROP_unavailable);
        return;
    }
    fanout_owe(session);
    connection_pause(session->connection, session->outbox != NULL);
}

/* What the token says may be newer than what the replica has heard: the log-in was a moment ago. */
static bool is_admitted(const struct session *session) {
    return company_admits(tenant_company(session->tenant), session->hello->user, session->device->login,
                          session->device->issued_at_ms);
}

/* Who it is that brings a token of the company's identity provider. False: nobody. */
static bool is_known(struct session *session) {
    struct session_hello *hello = session->hello;
    struct token_claims claims;
    if (hello->user[0]) return true;
    if (provider_check(company_settings(tenant_company(session->tenant)), hello->token,
                       service_now_ms(session->service), &claims) != 0)
        return false;
    strcpy(hello->user, claims.user);
    session_take_claims(session, &claims);
    return true;
}

static void go_on(struct session *session) {
    struct tenant *tenant = session->tenant;
    if (session->service->draining) {
        session->stage = SESSION_NEW;
        session_drain(session);
        return;
    }
    if (!tenant_is_ready(tenant)) {
        wait_for(session, false);
        return;
    }
    bool is_somebody = is_known(session); /* a key may be new as well */
    if (!session->caught_up && (is_behind(session) || !is_somebody || !is_admitted(session))) {
        session->caught_up = true;
        wait_for(session, true);
        return;
    }
    if (!is_somebody) {
        session->stage = SESSION_NEW;
        session_end(session, LEDIG_EUNAUTHORIZED, NULL, DROP_unauthorized);
        return;
    }
    /* somebody who has left, and a company that does not exist, look the same */
    if (!company_member(tenant_company(tenant), session->hello->user)) {
        end_joining(session, LEDIG_EFORBIDDEN, "no such person in this company", DROP_forbidden, 0);
        return;
    }
    if (!is_admitted(session)) {
        session->stage = SESSION_NEW;
        session_end(session, LEDIG_EUNAUTHORIZED, NULL, DROP_unauthorized);
        return;
    }
    int error = find_audience(session) ? attendance_join(session, session->hello->user) : LEDIG_ENO_MEMORY;
    if (error == LEDIG_ERATE_LIMITED) {
        end_joining(session, error, "too many devices at once", DROP_rate_limited, session->service->options.grace_ms);
        return;
    }
    if (error) {
        end_joining(session, LEDIG_EUNAVAILABLE, "out of memory", DROP_unavailable, RETRY_MS);
        return;
    }
    become_live(session);
}
