#include "broker/service/activity.h"
#include "broker/service/hashing.h"
#include "broker/service/http_problem.h"
#include "broker/service/json_reader.h"
#include "broker/service/login_state.h"
#include "broker/service/number_index.h"
#include "broker/service/security.h"

#include <stdlib.h>
#include <string.h>

#define REFRESH_CHARS_MAX (2 * LEDIG_ID_CHARS_MAX + LOGIN_ID_CHARS + SECRET_CHARS + 3)

/* ---- Its life ---- */

struct login *login_open(struct service *service, struct http_exchange *exchange, const struct http_request *request) {
    json_t *document = NULL;
    if (request->length <= LOGIN_BODY_BYTES_MAX)
        document = request->length == 0
                       ? json_object()
                       : json_loadb((const char *)request->body, request->length, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(document)) {
        json_decref(document);
        http_problem(exchange, request->length > LOGIN_BODY_BYTES_MAX ? LEDIG_ETOO_LARGE : LEDIG_EBAD_REQUEST, NULL,
                     "the body is no JSON object");
        return NULL;
    }
    struct login *login = calloc(1, sizeof *login);
    if (!login) {
        json_decref(document);
        http_problem(exchange, LEDIG_ENO_MEMORY, NULL, NULL);
        return NULL;
    }
    login->service = service;
    login->exchange = exchange;
    login->document = document;
    login->now_ms = service_now_ms(service);
    return login;
}

void login_close(struct login *login) {
    json_decref(login->document);
    explicit_bzero(login, sizeof *login);
    free(login);
}

void login_refuse(struct login *login, int error, const char *field, const char *why) {
    http_problem(login->exchange, error, field, why);
    login_close(login);
}

void login_refuse_all(struct login *login) {
    login_refuse(login, LEDIG_EUNAUTHORIZED, NULL, NULL);
}

bool login_take_token(struct login *login, const struct http_request *request) {
    const struct token_claims *claims = request->claims;
    if (!claims || !claims->login[0]) {
        login_refuse_all(login);
        return false;
    }
    strcpy(login->user, claims->user);
    snprintf(login->company, sizeof login->company, "%.*s", LEDIG_ID_CHARS_MAX, claims->companies); /* a person's one */
    strcpy(login->login, claims->login);
    return true;
}

/* ---- The commit ---- */

static int apply(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct login *login = arg;
    login->refused = !entities[0].current;
    login->is_reused = false;
    if (login->refused) return UPDATE_NOTHING;
    const char *role = entities[0].current->profile.role;
    if (!role || !role_parse(role, &login->role)) login->role = ROLE_MEMBER;
    entities[1].next.access.id = login->user;
    return login->apply(login, entities, count, arena);
}

static void on_committed(void *arg, int error, uint64_t version) {
    struct login *login = arg;
    (void)version;
    if (!error && login->is_reused)
        security_note(login->service, login->company, SECURITY_TOKEN_REUSED, NULL, login->user);
    if (error)
        login_refuse(login, error, NULL, NULL);
    else if (login->refused && login->is_for_another)
        login_refuse(login, LEDIG_ENOT_FOUND, "user", "no such person in this company");
    else if (login->refused)
        login_refuse_all(login);
    else
        login->committed(login);
}

void login_commit(struct login *login, update_apply apply_, void (*committed)(struct login *login)) {
    struct update_target targets[] = {{RECORD_PROFILE, login->user}, {RECORD_ACCESS, login->user}};
    login->apply = apply_;
    login->committed = committed;
    int error = login->service->closing
                    ? LEDIG_EUNAVAILABLE
                    : update_start(login->service, login->company, targets, 2, apply, on_committed, login);
    if (error) login_refuse(login, LEDIG_EUNAVAILABLE, NULL, NULL);
}

/* ---- What the person is told of ---- */

#define REFUSED_TOLD 5 /* in a row: more than a slip of the finger */

int login_note(const struct login *login, struct update_entity *profile, const char *what, const char *device,
               struct arena *arena) {
    const char *kept = device ? arena_text(arena, device, strlen(device)) : NULL;
    if (device && !kept) return LEDIG_ENO_MEMORY;
    return activity_note(profile,
                         &(struct activity_record){.what = what, .at = service_now_ms(login->service), .device = kept},
                         NULL, arena);
}

struct refusal {
    char company[LEDIG_ID_CHARS_MAX + 1], user[LEDIG_ID_CHARS_MAX + 1];
    struct service *service;
    int64_t now_ms;
    bool is_told;
};

static bool is_told(int64_t count) {
    while (count > REFUSED_TOLD && count % 2 == 0)
        count /= 2;
    return count == REFUSED_TOLD;
}

static int apply_refusal(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct refusal *refusal = arg;
    struct access_record *access = &entities[1].next.access;
    (void)count;
    if (!entities[0].current || !entities[1].current || !access->password) return UPDATE_NOTHING;
    access->refused++;
    entities[1].action = STORE_WRITE;
    refusal->is_told = is_told(access->refused);
    if (!refusal->is_told) return 0;
    struct activity_record activity = {.what = "login_refused", .at = refusal->now_ms, .times = access->refused};
    return activity_note(&entities[0], &activity, NULL, arena);
}

static void on_refusal_kept(void *arg, int error, uint64_t version) {
    struct refusal *refusal = arg;
    (void)version;
    if (!error && refusal->is_told) /* the rest was answered before */
        security_note(refusal->service, refusal->company, SECURITY_LOGIN_REFUSED, NULL, refusal->user);
    free(arg);
}

void login_count_refused(const struct login *login) {
    struct refusal *refusal = malloc(sizeof *refusal);
    struct update_target targets[] = {{RECORD_PROFILE, login->user}, {RECORD_ACCESS, login->user}};
    if (!refusal) return;
    strcpy(refusal->company, login->company);
    strcpy(refusal->user, login->user);
    refusal->now_ms = login->now_ms;
    refusal->service = login->service;
    refusal->is_told = false;
    if (login->service->closing ||
        update_start(login->service, refusal->company, targets, 2, apply_refusal, on_refusal_kept, refusal) != 0)
        free(refusal);
}

/* ---- Devices ---- */

struct device_known *login_devices(const struct access_record *access, struct arena *arena) {
    struct device_known *devices = arena_take(arena, (access->devices.count + 1u) * sizeof *devices);
    if (devices && access->devices.count > 0)
        memcpy(devices, access->devices.at, access->devices.count * sizeof *devices);
    return devices;
}

int login_add_device(const struct login *login, struct access_record *access, struct arena *arena) {
    struct device_known *devices = login_devices(access, arena);
    if (!devices) return LEDIG_ENO_MEMORY;
    uint32_t count = 0;
    for (uint32_t i = 0; i < access->devices.count; i++) /* those that would have to log in anew are forgotten */
        if (devices[i].seen_at + REFRESH_UNUSED_MS_MAX > login->now_ms) devices[count++] = devices[i];
    uint32_t at = count;
    for (uint32_t i = 0; i < count && at == count; i++)
        if (strcmp(devices[i].device, login->device) == 0) at = i;
    if (at == LOGINS_MAX)
        for (uint32_t i = at = 0; i < count; i++)
            if (devices[i].seen_at < devices[at].seen_at) at = i;
    devices[at] = (struct device_known){.login = login->login,
                                        .device = login->device,
                                        .kind = login->kind,
                                        .os = login->os,
                                        .app = login->app,
                                        .token = login->secret_hash,
                                        .at = login->now_ms,
                                        .seen_at = login->now_ms};
    access->devices = (struct list){devices, at == count ? count + 1 : count, true};
    return 0;
}

/* ---- The answer ---- */

void login_answer_tokens(struct login *login) {
    struct token_claims claims = {
        .role = login->role, .issued_at_ms = login->now_ms, .expires_at_ms = login->now_ms + ACCESS_TTL_MS};
    char token[LEDIG_TOKEN_CHARS_MAX + 1], refresh[REFRESH_CHARS_MAX + 1];
    strcpy(claims.user, login->user);
    strcpy(claims.companies, login->company);
    strcpy(claims.login, login->login);
    int error = token_mint(login->service->key, &claims, token);
    if (error) {
        login_refuse(login, LEDIG_EUNAVAILABLE, NULL, NULL);
        return;
    }
    snprintf(refresh, sizeof refresh, "%s:%s:%s:%s", login->company, login->user, login->login, login->secret);
    http_answer_json(login->exchange, 200,
                     json_pack("{s:s,s:s,s:s,s:s,s:I,s:s,s:s}", "user", login->user, "company", login->company, "role",
                               role_name(login->role), "token", token, "expires_at", (json_int_t)claims.expires_at_ms,
                               "refresh", refresh, "login", login->login));
    explicit_bzero(token, sizeof token);
    explicit_bzero(refresh, sizeof refresh);
    login_close(login);
}

/* ---- What came ---- */

static bool is_kind(const char *kind) {
    return strcmp(kind, "mobile") == 0 || strcmp(kind, "desktop") == 0 || strcmp(kind, "web") == 0 ||
           strcmp(kind, "deskphone") == 0;
}

bool login_read_device(struct login *login, struct json_reader *reader) {
    const json_t *device = json_object_get(login->document, "device");
    if (!json_is_object(device)) return json_reader_fail(reader, "device", "must be an object with id and kind");
    if (!json_reader_text(reader, device, "id", LEDIG_DEVICE_CHARS_MAX, &login->device) ||
        !json_reader_text(reader, device, "kind", LEDIG_WORD_CHARS_MAX, &login->kind) ||
        !json_reader_text(reader, device, "os", LEDIG_DEVICE_CHARS_MAX, &login->os) ||
        !json_reader_text(reader, device, "app", LEDIG_DEVICE_CHARS_MAX, &login->app))
        return false;
    if (!login->device) return json_reader_fail(reader, "id", "is missing");
    return (login->kind && is_kind(login->kind)) ||
           json_reader_fail(reader, "kind", "must be mobile, desktop, web or deskphone");
}

bool login_read_person(struct login *login, struct json_reader *reader) {
    const char *company, *user;
    if (!json_reader_id(reader, login->document, "company", &company) ||
        !json_reader_id(reader, login->document, "user", &user))
        return false;
    if (!company) return json_reader_fail(reader, "company", "is missing");
    if (!user) return json_reader_fail(reader, "user", "is missing");
    strcpy(login->company, company);
    strcpy(login->user, user);
    return true;
}

bool login_read_password(struct login *login, struct json_reader *reader, const char *field, const char **password) {
    if (!json_reader_text(reader, login->document, field, PASSWORD_BYTES_MAX, password)) return false;
    if (!*password) return json_reader_fail(reader, field, "is missing");
    return strlen(*password) <= PASSWORD_BYTES_MAX || json_reader_fail(reader, field, "is too long");
}

/* ---- Logging in ---- */

void login_make(struct login *login) {
    login_id_make(login->login);
    secret_make(login->secret);
    secret_hash(login->secret, login->secret_hash);
}

static int apply_login(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct login *login = arg;
    struct update_entity *access = &entities[1];
    (void)count;
    const char *password = access->current ? access->current->access.password : NULL;
    login->refused = !password || strcmp(password, login->stored) != 0; /* it was changed meanwhile */
    if (login->refused) return UPDATE_NOTHING;
    if (login->fresh[0]) access->next.access.password = login->fresh;
    access->next.access.refused = 0;
    access->action = STORE_WRITE;
    int error = login_note(login, &entities[0], "login", login->device, arena);
    return error ? error : login_add_device(login, &access->next.access, arena);
}

static void on_rehashed(void *arg, const char *hash) {
    struct login *login = arg;
    if (hash) snprintf(login->fresh, sizeof login->fresh, "%s", hash);
    login_commit(login, apply_login, login_answer_tokens);
}

static void on_compared(void *arg, const char *hash) {
    struct login *login = arg;
    if (!hash) {
        http_problem(login->exchange, LEDIG_EUNAUTHORIZED, NULL, NULL);
        login_count_refused(login); /* after the answer, whose time says nothing */
        login_close(login);
        return;
    }
    login_tried_well(login);
    login_make(login);
    if (!password_is_old(hash) || hashing_make(login->service, login->password, on_rehashed, login) != 0)
        login_commit(login, apply_login, login_answer_tokens);
}

static int apply_look(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct login *login = arg;
    const char *password = entities[0].current && entities[1].current ? entities[1].current->access.password : NULL;
    (void)count;
    (void)arena;
    snprintf(login->stored, sizeof login->stored, "%s", password ? password : "");
    return UPDATE_NOTHING;
}

static void on_looked(void *arg, int error, uint64_t version) {
    struct login *login = arg;
    (void)version;
    if (!error && login->service->closing) error = LEDIG_EUNAVAILABLE;
    if (!error) error = hashing_compare(login->service, login->known, login->stored, login->compared, login);
    if (error) login_refuse(login, error, NULL, NULL);
}

void login_compare(struct login *login, const char *password, void (*compared)(void *login, const char *hash)) {
    struct update_target targets[] = {{RECORD_PROFILE, login->user}, {RECORD_ACCESS, login->user}};
    login->known = password;
    login->compared = compared;
    if (update_start(login->service, login->company, targets, 2, apply_look, on_looked, login) != 0)
        login_refuse(login, LEDIG_EUNAVAILABLE, NULL, NULL);
}

/* The person's id stands in their record; where the number is nobody's here, as much is read in vain. */
static void on_profile(void *arg, int error, const struct store_head *head, const struct store_record *records,
                       size_t count) {
    struct login *login = arg;
    struct arena *arena = error ? NULL : arena_create();
    struct record *record = arena ? arena_take(arena, sizeof *record) : NULL;
    (void)head;
    (void)count;
    if (!error && !record) error = LEDIG_ENO_MEMORY;
    if (!error && login->service->closing) error = LEDIG_EUNAVAILABLE;
    if (!error && records[0].bytes && record_decode(records[0].bytes, records[0].length, arena, record) == 0 &&
        record->kind == RECORD_PROFILE)
        snprintf(login->user, sizeof login->user, "%s", record->profile.id);
    arena_free(arena);
    if (error)
        login_refuse(login, error, NULL, NULL);
    else
        login_compare(login, login->password, on_compared);
}

/* Whoever is of another company, and a queue, is nobody here: what follows is the same, and takes as long. */
static void on_owner(void *arg, int error, const char *const *owners, size_t count) {
    struct login *login = arg;
    char prefix[LEDIG_ID_CHARS_MAX + sizeof "/user/"], hash[ENTITY_HASH_CHARS + 1], name[ENTITY_NAME_BYTES_MAX];
    const char *entity = name;
    int length = snprintf(prefix, sizeof prefix, "%s/user/", login->company);
    (void)count;
    if (!error && login->service->closing) error = LEDIG_EUNAVAILABLE;
    if (error) {
        login_refuse(login, error, NULL, NULL);
        return;
    }
    bool is_here = owners[0] && strncmp(owners[0], prefix, (size_t)length) == 0;
    entity_hash(login->service->names, login->number, hash); /* nobody's name */
    entity_name_hashed(RECORD_PROFILE, is_here ? owners[0] + length : hash, name);
    store_read(login->service->store, login->company, &entity, 1, on_profile, login);
}

/* A company, and a user or a number of one. */
static bool read_who(struct login *login, struct json_reader *reader) {
    const char *company, *number;
    if (!json_object_get(login->document, "number")) return login_read_person(login, reader);
    if (!json_reader_id(reader, login->document, "company", &company) ||
        !json_reader_text(reader, login->document, "number", LEDIG_NUMBER_CHARS_MAX, &number))
        return false;
    if (!company) return json_reader_fail(reader, "company", "is missing");
    if (json_object_get(login->document, "user")) return json_reader_fail(reader, "number", "or user, not both");
    if (!number || e164_parse(number, strlen(number), login->number) != 0)
        return json_reader_fail(reader, "number", "must be a plus, then 5 to 15 digits");
    strcpy(login->company, company);
    return true;
}

bool login_may_try(struct login *login, const char *what) {
    struct limits *limits = login->service->options.limits;
    char whom[LEDIG_ID_CHARS_MAX + 16];
    uint32_t retry_ms;
    snprintf(whom, sizeof whom, "%s%s", login->number[0] ? login->number : login->user, what);
    login->person = limits_person(limits, login->company, whom);
    if (limits_try(limits, login->person, uv_now(login->service->loop), &retry_ms)) return true;
    http_rate_limited(login->exchange, retry_ms, "too many tries for this person");
    login_close(login);
    return false;
}

void login_tried_well(struct login *login) {
    limits_succeed(login->service->options.limits, login->person);
}

void login_begin(struct service *service, struct http_exchange *exchange, const struct http_request *request) {
    struct json_reader reader = {0};
    struct login *login = login_open(service, exchange, request);
    if (!login) return;
    if (!read_who(login, &reader) || !login_read_password(login, &reader, "password", &login->password) ||
        !login_read_device(login, &reader)) {
        login_refuse(login, LEDIG_EBAD_REQUEST, reader.field, reader.why);
        return;
    }
    if (!login_may_try(login, "")) return;
    if (login->number[0])
        number_index_find(service, (const char *const[]){login->number}, 1, on_owner, login);
    else
        login_compare(login, login->password, on_compared);
}
