/* What follows a log-in: fresh tokens, the list of one's devices, the end of one or all. */
#include "broker/service/http_problem.h"
#include "broker/service/json_reader.h"
#include "broker/service/login_state.h"

#include <string.h>

static struct device_known *find(struct device_known *devices, uint32_t count, const char *login) {
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(devices[i].login, login) == 0) return &devices[i];
    return NULL;
}

static void remove_device(struct access_record *access, struct device_known *devices, struct device_known *one) {
    struct device_known *last = &devices[access->devices.count - 1];
    for (; one < last; one++)
        *one = one[1];
    access->devices = (struct list){devices, access->devices.count - 1, true};
}

/* ---- Fresh tokens ---- */

/* Each refresh token is good once. One that comes a second time was copied: by whom cannot be told, so both are out.
 * Unless it comes again at once, and nobody has used the next one: then only its answer was lost. */
static int apply_refresh(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct login *login = arg;
    struct access_record *access = &entities[1].next.access;
    struct device_known *devices = login_devices(access, arena);
    (void)count;
    if (!devices) return LEDIG_ENO_MEMORY;
    struct device_known *device = find(devices, access->devices.count, login->login);
    bool is_current = device && secret_matches(login->given, device->token);
    bool was_before = device && !is_current && secret_matches(login->given, device->token_before);
    bool is_old = device && device->seen_at + REFRESH_UNUSED_MS_MAX <= login->now_ms;
    login->refused = is_old || (!is_current && !was_before);
    if (login->refused) return UPDATE_NOTHING;
    entities[1].action = STORE_WRITE;
    if (was_before && device->seen_at + REFRESH_AGAIN_MS <= login->now_ms) {
        login->refused = login->is_reused = true;
        int error = login_note(login, &entities[0], "token_reused", device->device, arena);
        remove_device(access, devices, device);
        return error;
    }
    if (is_current) device->token_before = device->token;
    device->token = login->secret_hash;
    if (is_current) device->seen_at = login->now_ms;
    access->devices = (struct list){devices, access->devices.count, true};
    return 0;
}

/* "company:user:login:secret" */
static bool take_refresh(struct login *login, const char *text) {
    static const char hex[] = "0123456789abcdef";
    char copy[2 * LEDIG_ID_CHARS_MAX + LOGIN_ID_CHARS + SECRET_CHARS + 4], *rest = copy;
    if (strlen(text) >= sizeof copy) return false;
    strcpy(copy, text);
    const char *company = strsep(&rest, ":"), *user = strsep(&rest, ":"), *id = strsep(&rest, ":");
    if (!rest || !shape_is_id(company) || !shape_is_id(user) || strlen(id) != LOGIN_ID_CHARS ||
        strspn(id, hex) != LOGIN_ID_CHARS || strlen(rest) != SECRET_CHARS)
        return false;
    strcpy(login->company, company);
    strcpy(login->user, user);
    strcpy(login->login, id);
    strcpy(login->given, rest);
    return true;
}

void login_refresh(struct service *service, struct http_exchange *exchange, const struct http_request *request) {
    struct login *login = login_open(service, exchange, request);
    if (!login) return;
    const char *refresh = json_string_value(json_object_get(login->document, "refresh"));
    if (!refresh) {
        login_refuse(login, LEDIG_EBAD_REQUEST, "refresh", "is missing");
        return;
    }
    if (!take_refresh(login, refresh)) {
        login_refuse_all(login);
        return;
    }
    secret_make(login->secret);
    secret_hash(login->secret, login->secret_hash);
    login_commit(login, apply_refresh, login_answer_tokens);
}

/* ---- The end ---- */

/* `given` names the device that is to go; where it is empty it is the caller's own. */
static int apply_end(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct login *login = arg;
    struct access_record *access = &entities[1].next.access;
    struct device_known *devices = login_devices(access, arena);
    (void)count;
    if (!devices) return LEDIG_ENO_MEMORY;
    struct device_known *own = find(devices, access->devices.count, login->login);
    login->refused = !own;
    if (!own) return UPDATE_NOTHING;
    struct device_known *one = login->given[0] ? find(devices, access->devices.count, login->given) : own;
    if (!login->all && !one) return LEDIG_ENOT_FOUND;
    entities[1].action = STORE_WRITE;
    int error = login_note(login, &entities[0],
                           login->all   ? "logout_all"
                           : one == own ? "logout"
                                        : "device_removed",
                           login->all ? own->device : one->device, arena);
    if (login->all) {
        access->devices = (struct list){0};
        access->not_before = login->now_ms;
    } else {
        remove_device(access, devices, one);
    }
    return error;
}

static void answer_done(struct login *login) {
    http_answer(login->exchange, 204, "application/json", "", 0);
    login_close(login);
}

void login_end(struct service *service, struct http_exchange *exchange, const struct http_request *request) {
    struct login *login = login_open(service, exchange, request);
    if (!login || !login_take_token(login, request)) return;
    const json_t *all = json_object_get(login->document, "all");
    if (all && !json_is_boolean(all)) {
        login_refuse(login, LEDIG_EBAD_REQUEST, "all", "must be true or false");
        return;
    }
    login->all = json_is_true(all);
    login_commit(login, apply_end, answer_done);
}

void login_end_device(struct service *service, const char *id, struct http_exchange *exchange,
                      const struct http_request *request) {
    struct login *login = login_open(service, exchange, request);
    if (!login || !login_take_token(login, request)) return;
    if (strlen(id) != LOGIN_ID_CHARS) {
        login_refuse(login, LEDIG_ENOT_FOUND, NULL, "no such log-in of yours");
        return;
    }
    strcpy(login->given, id);
    login_commit(login, apply_end, answer_done);
}

/* ---- The list ---- */

static int apply_list(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct login *login = arg;
    const struct access_record *access = &entities[1].next.access;
    const struct device_known *devices = access->devices.at;
    json_t *list = json_array();
    bool has_own = false;
    (void)count;
    (void)arena;
    for (uint32_t i = 0; list && i < access->devices.count; i++) {
        bool is_own = strcmp(devices[i].login, login->login) == 0;
        has_own |= is_own;
        json_array_append_new(list, json_pack("{s:s,s:s*,s:s*,s:s*,s:I,s:I,s:b}", "login", devices[i].login, "kind",
                                              devices[i].kind, "os", devices[i].os, "app", devices[i].app, "at",
                                              (json_int_t)devices[i].at, "seen_at", (json_int_t)devices[i].seen_at,
                                              "this", is_own));
    }
    json_object_set_new(login->document, "devices", list);
    login->refused = !has_own;
    return UPDATE_NOTHING;
}

static void answer_list(struct login *login) {
    http_answer_json(login->exchange, 200, json_pack("{s:O}", "devices", json_object_get(login->document, "devices")));
    login_close(login);
}

void login_list(struct service *service, struct http_exchange *exchange, const struct http_request *request) {
    struct login *login = login_open(service, exchange, request);
    if (login && login_take_token(login, request)) login_commit(login, apply_list, answer_list);
}

/* ---- Invitations ---- */

static int apply_invite(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct login *login = arg;
    struct access_record *access = &entities[1].next.access;
    (void)count;
    access->invitation = login->secret_hash;
    access->invited_until = login->now_ms + INVITATION_MS;
    entities[1].action = STORE_WRITE;
    return login_note(login, &entities[0], "invited", NULL, arena);
}

static void answer_invited(struct login *login) {
    http_answer_json(login->exchange, 201,
                     json_pack("{s:s,s:s,s:s,s:I}", "company", login->company, "user", login->user, "invitation",
                               login->secret, "expires_at", (json_int_t)(login->now_ms + INVITATION_MS)));
    login_close(login);
}

void login_invite(struct service *service, const char *company, const char *user, struct http_exchange *exchange) {
    struct login *login = login_open(service, exchange, &(struct http_request){0});
    if (!login) return;
    snprintf(login->company, sizeof login->company, "%s", company);
    snprintf(login->user, sizeof login->user, "%s", user);
    login->is_for_another = true;
    secret_make(login->secret);
    secret_hash(login->secret, login->secret_hash);
    login_commit(login, apply_invite, answer_invited);
}
