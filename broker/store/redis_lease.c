#include "broker/store/redis_store.h"

#include <stdlib.h>
#include <string.h>

#define SUFFIX_CHARS_MAX (LEDIG_ID_CHARS_MAX - 17) /* room for the time and the dash */
#define LEASES_KEPT_MAX 2048 /* fields: half of them leases; far below what a verify batch takes */

struct lease_request {
    struct request request;
    const char *verb; /* of lease.lua */
    uint32_t length_ms;
    char text[LEDIG_ID_CHARS_MAX + 1]; /* the suffix or the id */
    char id[LEDIG_ID_CHARS_MAX + 1];   /* the one taken */
    store_lease_done taken;
    store_done done;
    void *arg;
};

static void lease_send(struct request *request) {
    struct lease_request *lease = (struct lease_request *)(void *)request;
    struct words words = {0};
    char length[16], most[16];
    snprintf(length, sizeof length, "%u", lease->length_ms);
    snprintf(most, sizeof most, "%u", LEASES_KEPT_MAX);
    words_add(&words, LEASES_KEY);
    words_add(&words, lease->verb);
    words_add(&words, lease->text);
    words_add(&words, length);
    words_add(&words, most);
    request_script(request, SCRIPT_LEASE, 1, &words);
    words_free(&words);
}

static void lease_answer(struct request *request, const redisReply *reply) {
    struct lease_request *lease = (struct lease_request *)(void *)request;
    if (lease->taken != NULL && reply->type == REDIS_REPLY_INTEGER) {
        request_end(request, reply->integer == 0 ? LEDIG_ELEASE_ENDED : LEDIG_ERATE_LIMITED);
    } else if (lease->taken == NULL) {
        bool stands = reply->type == REDIS_REPLY_INTEGER && reply->integer == 1;
        request_end(request, stands ? 0 : LEDIG_ELEASE_ENDED);
    } else if (reply->type != REDIS_REPLY_STRING || reply->len >= sizeof lease->id) {
        request_end(request, LEDIG_EDAMAGED);
    } else {
        memcpy(lease->id, reply->str, reply->len + 1);
        request_end(request, 0);
    }
}

static void lease_complete(struct request *request, int error) {
    struct lease_request *lease = (struct lease_request *)(void *)request;
    if (lease->taken != NULL) {
        lease->taken(lease->arg, error, error == 0 ? lease->id : NULL);
    } else {
        lease->done(lease->arg, error);
    }
}

static void lease_release(struct request *request) {
    free(request);
}

/* One that was taken while the link fell is nobody's, and ends by itself. */
static const struct request_type lease_type = {
    .send = lease_send, .answer = lease_answer, .complete = lease_complete, .release = lease_release};

static void ask(struct store *store, const char *verb, const char *text, size_t text_max, uint32_t length_ms,
                store_lease_done taken, store_done done, void *arg) {
    struct lease_request *lease = store_allocate(sizeof *lease);
    bool good = shape_is_id(text) && strlen(text) <= text_max;
    if (good) memcpy(lease->text, text, strlen(text) + 1);
    lease->verb = verb;
    lease->length_ms = length_ms;
    lease->taken = taken;
    lease->done = done;
    lease->arg = arg;
    if (good) {
        request_open(store, &lease->request, &lease_type, true);
    } else {
        request_refuse(store, &lease->request, &lease_type, LEDIG_EBAD_REQUEST);
    }
}

void store_lease_take(struct store *store, const char *suffix, store_lease_done done, void *arg) {
    ask(store, "take", suffix, SUFFIX_CHARS_MAX, store->options.lease_ms, done, NULL, arg);
}

void store_lease_keep(struct store *store, const char *suffix, uint32_t length_ms, store_lease_done done, void *arg) {
    ask(store, "keep", suffix, SUFFIX_CHARS_MAX, length_ms, done, NULL, arg);
}

void store_lease_renew(struct store *store, const char *id, store_done done, void *arg) {
    ask(store, "renew", id, LEDIG_ID_CHARS_MAX, 0, NULL, done, arg);
}

void store_lease_end(struct store *store, const char *id, store_done done, void *arg) {
    ask(store, "end", id, LEDIG_ID_CHARS_MAX, 0, NULL, done, arg);
}
