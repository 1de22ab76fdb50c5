#include "broker/service/identity_api.h"
#include "broker/identity/jwk.h"
#include "broker/service/http_problem.h"
#include "broker/service/look.h"

#include <string.h>

struct said {
    const char *issuer, *audience, *user_claim, *role_claim;
    struct list keys; /* struct identity_key */
};

/* ---- PUT ---- */

static bool read_text(struct edit *edit, struct json_reader *reader, const char *field, bool is_needed,
                      const char **text) {
    if (!json_reader_text(reader, edit->document, field, IDENTITY_TEXT_CHARS_MAX, text)) return false;
    if (*text && !**text) return json_reader_fail(reader, field, "is empty");
    return *text || !is_needed || json_reader_fail(reader, field, "is missing");
}

static bool keep_key(struct edit *edit, struct json_reader *reader, struct said *said, const struct jwk *jwk) {
    struct identity_key *keys = (struct identity_key *)(uintptr_t)said->keys.at;
    for (uint32_t i = 0; i < said->keys.count; i++)
        if (!jwk->kid || !keys[i].kid || strcmp(keys[i].kid, jwk->kid) == 0)
            return json_reader_fail(reader, "keys", "several keys need a kid each, all different");
    if (said->keys.count == IDENTITY_KEYS_MAX) return json_reader_fail(reader, "keys", "more than 16 keys");
    const char *key = arena_text(edit->arena, jwk->key, strlen(jwk->key));
    if (!key) return json_reader_fail(reader, "keys", "out of memory");
    keys[said->keys.count++] = (struct identity_key){.kid = jwk->kid, .alg = jwk->alg, .key = key};
    return true;
}

/* A key set as the provider publishes it: {"keys": […]}, or its list alone. */
static bool read_keys(struct edit *edit, struct json_reader *reader, struct said *said) {
    const json_t *list = json_object_get(edit->document, "keys"), *one;
    size_t i;
    if (json_is_object(list)) list = json_object_get(list, "keys");
    if (!json_is_array(list)) return json_reader_fail(reader, "keys", "must be a key set (JWKS)");
    said->keys.at = arena_take(edit->arena, IDENTITY_KEYS_MAX * sizeof(struct identity_key));
    if (!said->keys.at) return json_reader_fail(reader, "keys", "out of memory");
    json_array_foreach(list, i, one) {
        struct jwk jwk;
        const char *why;
        int error = jwk_read(one, &jwk, &why);
        bool good = error == LEDIG_EUNSUPPORTED || (error == 0 && keep_key(edit, reader, said, &jwk));
        explicit_bzero(&jwk, sizeof jwk);
        if (good) continue;
        return error == 0 ? false : json_reader_fail(reader, "keys", error == LEDIG_ENO_MEMORY ? "out of memory" : why);
    }
    said->keys.present = true;
    return said->keys.count > 0 ||
           json_reader_fail(reader, "keys", "has no key for signatures by RS256, ES256 (P-256) or HS256");
}

static bool read_body(struct edit *edit, struct json_reader *reader) {
    struct said *said = edit->said = arena_take(edit->arena, sizeof *said);
    if (!said) return json_reader_fail(reader, NULL, "out of memory");
    return read_text(edit, reader, "issuer", true, &said->issuer) &&
           read_text(edit, reader, "audience", true, &said->audience) &&
           read_text(edit, reader, "user_claim", false, &said->user_claim) &&
           read_text(edit, reader, "role_claim", false, &said->role_claim) && read_keys(edit, reader, said);
}

/* With DELETE nothing was said, and so nothing is left. */
static int apply(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct edit *edit = arg;
    struct company_record *company = &entities[0].next.company;
    static const struct said nothing = {0};
    const struct said *said = edit->said ? edit->said : &nothing;
    (void)count;
    (void)arena;
    edit->has_company = entities[0].current != NULL;
    if (!edit->has_company || (!said->issuer && !company->issuer)) return LEDIG_ENOT_FOUND;
    edit->is_new = !company->issuer;
    company->issuer = said->issuer;
    company->audience = said->audience;
    company->user_claim = said->user_claim;
    company->role_claim = said->role_claim;
    company->identity_keys = said->keys;
    entities[0].action = STORE_WRITE;
    return 0;
}

static void on_done(void *arg, int error, uint64_t version) {
    edit_committed(arg, error, version);
}

static void commit(struct edit *edit) {
    struct update_target target = {RECORD_COMPANY, edit->id};
    int error = update_start(edit->service, edit->company, &target, 1, apply, on_done, edit);
    if (error) edit_committed(edit, error, 0);
}

static const char *const fields[] = {"issuer", "audience", "user_claim", "role_claim", "keys", "company", NULL};

static const char none[] = "this company has no identity provider";

const struct edit_kind identity_kind = {
    .name = "identity", .none = none, .fields = fields, .read = read_body, .commit = commit, .remove = commit};

/* ---- GET ---- */

static json_t *list_keys(const struct company_record *settings) {
    const struct identity_key *keys = settings->identity_keys.at;
    json_t *list = json_array();
    for (uint32_t i = 0; list && i < settings->identity_keys.count; i++)
        json_array_append_new(list, json_pack("{s:s*,s:s}", "kid", keys[i].kid, "alg", keys[i].alg));
    return list;
}

static void answer(const struct look *look) {
    const struct company_record *settings = company_settings(look_company(look));
    if (!settings->issuer) {
        http_problem(look->exchange, LEDIG_ENOT_FOUND, "identity", none);
        return;
    }
    http_answer_json(look->exchange, 200,
                     json_pack("{s:s,s:s,s:s,s:s*,s:s*,s:o*}", "company", settings->id, "issuer", settings->issuer,
                               "audience", settings->audience, "user_claim", settings->user_claim, "role_claim",
                               settings->role_claim, "keys", list_keys(settings)));
}

void identity_api_tell(struct service *service, const char *company, struct http_exchange *exchange) {
    look_start(&(struct look){.service = service, .exchange = exchange, .answer = answer}, company);
}
