#include "broker/service/me_api.h"
#include "broker/service/activity.h"
#include "broker/service/api_path.h"
#include "broker/service/caller.h"
#include "broker/service/http_problem.h"
#include "broker/service/json_reader.h"
#include "broker/service/member_change.h"
#include "broker/service/request.h"
#include "broker/service/roster_rules.h"
#include "broker/service/subject.h"

#include <stdlib.h>
#include <string.h>

/* Every change here is of these, in this order. */
enum { PROFILE, STATE, ACCESS, COMPANY, TARGETS };

struct own {
    struct request *request; /* whose; its arena has the texts */
    struct http_exchange *exchange;
    json_t *document;
    struct token_claims claims;
    update_apply apply;
    void (*done)(struct own *own, uint64_t version);
    bool refused; /* by the apply: the log-in stands no more */
    const char *name;
    char contact[4 * LEDIG_NAME_CHARS_MAX + 1];
    struct subject_question question;
};

static void own_close(struct own *own) {
    if (own->request) request_close(own->request);
    json_decref(own->document);
    free(own);
}

static void own_refuse(struct own *own, int error, const char *field, const char *why) {
    http_problem(own->exchange, error, field, why);
    own_close(own);
}

/* ---- Who asks? ---- */

/* As company_admits says of a replica; here by the record itself, which is never behind. */
static bool is_admitted(const struct own *own, const struct update_entity *entity) {
    const struct access_record *access = entity->current ? &entity->current->access : NULL;
    const struct device_known *devices = access ? access->devices.at : NULL;
    if (!access) return own->claims.login[0] == '\0';
    if (own->claims.issued_at_ms + TOKEN_GRAIN_MS <= access->not_before) return false;
    if (own->claims.login[0] == '\0') return true;
    for (uint32_t i = 0; i < access->devices.count; i++)
        if (strcmp(devices[i].login, own->claims.login) == 0) return true;
    return false;
}

static struct own *own_open(struct service *service, struct http_exchange *exchange,
                            const struct http_request *request) {
    const struct token_claims *claims = request->claims;
    struct fault fault;
    json_t *document = request->length == 0
                           ? json_object()
                           : json_reader_open(request->body, request->length, ME_BODY_BYTES_MAX, &fault);
    if (!document && request->length > 0) {
        http_fault(exchange, &fault);
        return NULL;
    }
    struct own *own = calloc(1, sizeof *own);
    if (own) own->request = request_begin_own(service, claims->companies, claims->user);
    if (!own || !own->request) {
        free(own);
        json_decref(document);
        http_problem(exchange, LEDIG_ENO_MEMORY, NULL, NULL);
        return NULL;
    }
    own->exchange = exchange;
    own->document = document;
    own->claims = *claims;
    return own;
}

/* ---- The commit ---- */

static int apply(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct own *own = arg;
    own->refused = !entities[PROFILE].current || !is_admitted(own, &entities[ACCESS]);
    if (own->refused) return UPDATE_NOTHING;
    const char *contact = entities[COMPANY].current ? entities[COMPANY].current->company.contact : NULL;
    snprintf(own->contact, sizeof own->contact, "%s", contact ? contact : "");
    return own->apply(own, entities, count, arena);
}

static void on_committed(void *arg, int error, uint64_t version) {
    struct own *own = arg;
    if (error)
        own_refuse(own, error, NULL, NULL);
    else if (own->refused)
        own_refuse(own, LEDIG_EUNAUTHORIZED, NULL, NULL);
    else
        own->done(own, version);
}

static void commit(struct own *own, update_apply apply_, void (*done)(struct own *own, uint64_t version)) {
    struct request *request = own->request;
    struct update_target targets[TARGETS] = {[PROFILE] = {RECORD_PROFILE, request->user},
                                             [STATE] = {RECORD_STATE, request->user},
                                             [ACCESS] = {RECORD_ACCESS, request->user},
                                             [COMPANY] = {RECORD_COMPANY, request->company}};
    own->apply = apply_;
    own->done = done;
    int error = request->service->closing
                    ? LEDIG_EUNAVAILABLE
                    : update_start(request->service, request->company, targets, TARGETS, apply, on_committed, own);
    if (error) own_refuse(own, LEDIG_EUNAVAILABLE, NULL, NULL);
}

static int apply_nothing(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    (void)arg;
    (void)entities;
    (void)count;
    (void)arena;
    return UPDATE_NOTHING;
}

static void answer_version(struct own *own, uint64_t version) {
    http_answer_json(own->exchange, 200, json_pack("{s:I}", "version", (json_int_t)version));
    own_close(own);
}

/* ---- GET /v1/me, /v1/me/export ---- */

static void tell(struct own *own, uint64_t version) {
    (void)version;
    own->question.company = own->request->company;
    own->question.user = own->request->user;
    subject_tell(own->request->service, &own->question, own->exchange);
    own_close(own);
}

static void answer_export(struct service *service, bool brief, struct http_exchange *exchange,
                          const struct http_request *request) {
    struct subject_question question = {0};
    if (!subject_take_form(request, exchange, &question)) return;
    struct own *own = own_open(service, exchange, request);
    if (!own) return;
    own->question = question;
    own->question.brief = brief;
    commit(own, apply_nothing, tell);
}

/* ---- PUT /v1/me/consents/{purpose} ---- */

static int apply_consent(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct own *own = arg;
    (void)count;
    return member_change_consent(own->request, entities, ACCESS + 1, arena);
}

static void put_consent(struct service *service, const char *purpose, struct http_exchange *exchange,
                        const struct http_request *request) {
    struct json_reader reader = {0};
    const char *text, *language;
    struct own *own = own_open(service, exchange, request);
    if (!own) return;
    const json_t *granted = json_object_get(own->document, "granted");
    if (!json_reader_text(&reader, own->document, "text", LEDIG_WORD_CHARS_MAX, &text) ||
        !json_reader_text(&reader, own->document, "language", LEDIG_WORD_CHARS_MAX, &language)) {
        own_refuse(own, LEDIG_EBAD_REQUEST, reader.field, reader.why);
        return;
    }
    own->request->consent.purpose = consent_purpose(purpose);
    own->request->consent.granted = json_is_true(granted);
    own->request->consent.text = request_text(own->request, text);
    own->request->consent.language = request_text(own->request, language);
    own->request->consent.login = own->claims.login;
    if (!own->request->consent.purpose)
        own_refuse(own, LEDIG_ENOT_FOUND, "purpose", "there are presence, call_history, analytics and marketing");
    else if (!json_is_boolean(granted))
        own_refuse(own, LEDIG_EBAD_REQUEST, "granted", "must be true or false");
    else if (!text)
        own_refuse(own, LEDIG_EBAD_REQUEST, "text", "is missing: the version of the text that was shown");
    else
        commit(own, apply_consent, answer_version);
}

/* ---- PATCH /v1/me ---- */

static int apply_name(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct own *own = arg;
    struct update_entity *profile = &entities[PROFILE];
    (void)count;
    if (shape_same_text(profile->next.profile.name, own->name)) return UPDATE_NOTHING;
    profile->next.profile.name = own->name;
    profile->action = STORE_WRITE;
    struct activity_record activity = {
        .what = "rectified", .at = service_now_ms(own->request->service), .detail = "name"};
    return activity_note(profile, &activity, NULL, arena);
}

/* Whose field it is, where it is not the person's; asked of the store, which knows whom to send them to. */
static void refuse_field(struct own *own, uint64_t version) {
    json_t *members = own->contact[0] ? json_pack("{s:s}", "contact", own->contact) : NULL;
    (void)version;
    http_problem_as(own->exchange, 403, LEDIG_EFORBIDDEN, own->name,
                    "this is for the employer to say: ask the company's contact to put it right", members);
    own_close(own);
}

static void patch(struct own *own) {
    static const char *const theirs[] = {"numbers", "department", "role", "queues", "schedule", "user", "company"};
    struct json_reader reader = {0};
    const char *field, *name, *reason;
    json_t *value;
    json_object_foreach(own->document, field, value) {
        for (size_t i = 0; i < sizeof theirs / sizeof *theirs && !own->name; i++)
            if (strcmp(field, theirs[i]) == 0) own->name = theirs[i];
        if (!own->name && strcmp(field, "name") != 0) {
            own_refuse(own, LEDIG_EBAD_REQUEST, NULL, "there is no field of that name");
            return;
        }
    }
    if (own->name) {
        commit(own, apply_nothing, refuse_field);
        return;
    }
    if (!json_reader_text(&reader, own->document, "name", LEDIG_NAME_CHARS_MAX, &name)) {
        own_refuse(own, LEDIG_EBAD_REQUEST, reader.field, reader.why);
        return;
    }
    reason = name ? roster_rules_text(name, strlen(name)) : "is missing";
    if (reason) {
        own_refuse(own, LEDIG_EBAD_REQUEST, "name", reason);
        return;
    }
    own->name = request_text(own->request, name);
    commit(own, apply_name, answer_version);
}

/* ---- DELETE /v1/me ---- */

/* All that rests on the person's consent, and all that lets them in. What the employer has provisioned stays until the
 * employer takes it out; and that each purpose was answered with no. */
static int apply_erasure(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct own *own = arg;
    struct profile_record *profile = &entities[PROFILE].next.profile;
    const struct consent *old = profile->consents.at;
    struct consent *list = arena_take(arena, (profile->consents.count + 1u) * sizeof *list);
    int64_t now_ms = service_now_ms(own->request->service);
    (void)count;
    if (!list) return LEDIG_ENO_MEMORY;
    for (uint32_t i = 0; i < profile->consents.count; i++)
        list[i] = (struct consent){.purpose = old[i].purpose, .text = old[i].text, .at = now_ms};
    profile->consents.at = list;
    profile->log_key = profile->activity_key = NULL;
    entities[PROFILE].forgets_calls = entities[PROFILE].forgets_activities = true;
    entities[PROFILE].action = STORE_WRITE;
    if (entities[STATE].current) entities[STATE].action = STORE_TOMBSTONE;
    entities[ACCESS].next.access = (struct access_record){.id = own->request->user, .not_before = now_ms};
    entities[ACCESS].action = STORE_WRITE;
    return 0;
}

static void answer_gone(struct own *own, uint64_t version) {
    (void)version;
    http_answer(own->exchange, 204, "application/json", "", 0);
    own_close(own);
}

static void handle_self(struct service *service, struct http_exchange *exchange, const struct http_request *request) {
    if (request->method == HTTP_GET) {
        answer_export(service, true, exchange, request);
        return;
    }
    struct own *own = own_open(service, exchange, request);
    if (!own) return;
    if (request->method == HTTP_PATCH)
        patch(own);
    else
        commit(own, apply_erasure, answer_gone);
}

static const char self[] = "/v1/me", export[] = "/v1/me/export", consents[] = "/v1/me/consents/";

/* PERMISSION_none: the path has no such method. */
static enum permission permission_of(const struct http_request *request) {
    enum http_method method = request->method;
    if (strcmp(request->path, export) == 0) return method == HTTP_GET ? PERMISSION_me_export : PERMISSION_none;
    if (strncmp(request->path, consents, strlen(consents)) == 0)
        return method == HTTP_PUT ? PERMISSION_me_consent : PERMISSION_none;
    return method == HTTP_GET      ? PERMISSION_me_tell
           : method == HTTP_PATCH  ? PERMISSION_me_change
           : method == HTTP_DELETE ? PERMISSION_me_erase
                                   : PERMISSION_none;
}

static void answer(void *arg, struct http_exchange *exchange, const struct http_request *request) {
    enum permission permission = permission_of(request);
    if (!caller_may(exchange, request, permission, NULL)) return;
    if (permission == PERMISSION_me_export)
        answer_export(arg, false, exchange, request);
    else if (permission == PERMISSION_me_consent)
        put_consent(arg, request->path + strlen(consents), exchange, request);
    else
        handle_self(arg, exchange, request);
}

bool me_api_handle(struct service *service, struct http_exchange *exchange, const struct http_request *request) {
    bool is_self = strcmp(request->path, self) == 0, is_export = strcmp(request->path, export) == 0;
    if (!is_self && !is_export && strncmp(request->path, consents, strlen(consents)) != 0) return false;
    if (permission_of(request) == PERMISSION_none)
        api_refuse_method(exchange, is_self ? "GET, PATCH, DELETE" : is_export ? "GET" : "PUT");
    else
        caller_identify(service, exchange, request, answer);
    return true;
}
