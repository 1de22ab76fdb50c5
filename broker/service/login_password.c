/* Setting a password: the first one with an invitation, a later one with the one before. */
#include "broker/service/hashing.h"
#include "broker/service/http_problem.h"
#include "broker/service/json_reader.h"
#include "broker/service/login_state.h"

#include <string.h>

/* A new one; length is what counts (NIST SP 800-63B, section 3.1.1). */
static bool read_new_password(struct login *login, struct json_reader *reader) {
    if (!login_read_password(login, reader, "password", &login->password)) return false;
    if (shape_characters(login->password, strlen(login->password)) < PASSWORD_CHARS_MIN)
        return json_reader_fail(reader, "password", "must have ten characters or more");
    return strstr(login->password, login->user) == NULL ||
           json_reader_fail(reader, "password", "must not hold your user id");
}

/* ---- The first one ---- */

static int apply_first(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct login *login = arg;
    struct access_record *access = &entities[1].next.access;
    (void)count;
    login->refused = !secret_matches(login->invitation, access->invitation) || access->invited_until <= login->now_ms;
    if (login->refused) return UPDATE_NOTHING;
    access->password = login->fresh;
    access->password_at = access->not_before = login->now_ms; /* whoever was in before is out */
    access->invitation = NULL;
    access->invited_until = 0;
    access->devices = (struct list){0};
    access->refused = 0;
    entities[1].action = STORE_WRITE;
    int error = login_note(login, &entities[0], "password", login->device, arena);
    return error ? error : login_add_device(login, access, arena);
}

static void on_first_made(void *arg, const char *hash) {
    struct login *login = arg;
    if (!hash) {
        login_refuse(login, LEDIG_ENO_MEMORY, NULL, NULL);
        return;
    }
    snprintf(login->fresh, sizeof login->fresh, "%s", hash);
    login_make(login);
    login_commit(login, apply_first, login_answer_tokens);
}

/* An invitation that is none costs no hashing: its secret cannot be guessed, and says so the same way to everybody. */
static int apply_check(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct login *login = arg;
    const struct access_record *access = &entities[1].next.access;
    (void)count;
    (void)arena;
    login->refused = !secret_matches(login->invitation, access->invitation) || access->invited_until <= login->now_ms;
    return UPDATE_NOTHING;
}

static void on_checked(struct login *login) {
    int error = hashing_make(login->service, login->password, on_first_made, login);
    if (error) login_refuse(login, error, NULL, NULL);
}

static void set_first(struct login *login) {
    struct json_reader reader = {0};
    if (login_read_person(login, &reader) &&
        json_reader_text(&reader, login->document, "invitation", SECRET_CHARS, &login->invitation) &&
        (login->invitation || json_reader_fail(&reader, "invitation", "is missing")) &&
        login_read_device(login, &reader) && read_new_password(login, &reader))
        login_commit(login, apply_check, on_checked);
    else
        login_refuse(login, LEDIG_EBAD_REQUEST, reader.field, reader.why);
}

/* ---- A later one ---- */

/* The other devices have to log in anew. */
static int apply_change(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct login *login = arg;
    struct access_record *access = &entities[1].next.access;
    struct device_known *devices = login_devices(access, arena);
    uint32_t at = 0;
    (void)count;
    if (!devices) return LEDIG_ENO_MEMORY;
    while (at < access->devices.count && strcmp(devices[at].login, login->login) != 0)
        at++;
    login->refused = at == access->devices.count || !access->password || strcmp(access->password, login->stored) != 0;
    if (login->refused) return UPDATE_NOTHING;
    devices[at].token = login->secret_hash;
    devices[at].token_before = NULL;
    devices[at].seen_at = login->now_ms;
    access->devices = (struct list){&devices[at], 1, true};
    access->password = login->fresh;
    access->password_at = login->now_ms;
    entities[1].action = STORE_WRITE;
    return login_note(login, &entities[0], "password", devices[at].device, arena);
}

static void on_change_made(void *arg, const char *hash) {
    struct login *login = arg;
    if (!hash) {
        login_refuse(login, LEDIG_ENO_MEMORY, NULL, NULL);
        return;
    }
    snprintf(login->fresh, sizeof login->fresh, "%s", hash);
    secret_make(login->secret);
    secret_hash(login->secret, login->secret_hash);
    login_commit(login, apply_change, login_answer_tokens);
}

static void on_old_compared(void *arg, const char *hash) {
    struct login *login = arg;
    if (hash) login_tried_well(login);
    int error = hash ? hashing_make(login->service, login->password, on_change_made, login) : LEDIG_EFORBIDDEN;
    if (error == LEDIG_EFORBIDDEN)
        login_refuse(login, error, "old", "is not your password");
    else if (error)
        login_refuse(login, error, NULL, NULL);
}

static void change(struct login *login, const struct http_request *request) {
    struct json_reader reader = {0};
    const char *old;
    if (!login_take_token(login, request)) return;
    if (!login_read_password(login, &reader, "old", &old) || !read_new_password(login, &reader))
        login_refuse(login, LEDIG_EBAD_REQUEST, reader.field, reader.why);
    else if (login_may_try(login, "/old"))
        login_compare(login, old, on_old_compared);
}

void login_set_password(struct service *service, struct http_exchange *exchange, const struct http_request *request) {
    struct login *login = login_open(service, exchange, request);
    if (!login) return;
    if (request->bearer[0])
        change(login, request);
    else
        set_first(login);
}
