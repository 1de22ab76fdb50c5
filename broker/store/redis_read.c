/* Reading: everything since a version, page by page along the index; some entities; and taking out old ones. */
#include "broker/store/redis_store.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_ENTITIES 250
#define PAGE_BYTES (256 * 1024) /* what one page holds the server up for: about a millisecond */
#define ENTITY_CHARS_MAX 4096   /* an entity's name; those of the model have 500 at the most */

/* ---- Everything since a version ---- */

struct read_since {
    struct request request;
    char company[LEDIG_ID_CHARS_MAX + 1];
    uint64_t after;                /* what was told so far */
    bool told;                     /* a page was */
    struct store_head first, head; /* as at the first page, and at the last */
    store_page page;
    store_read_done done;
    void *arg;
};

static void since_send(struct request *request) {
    struct read_since *read = (struct read_since *)(void *)request;
    struct company_keys keys;
    struct words words = {0};
    char after[24], entities[16], bytes[16];
    company_keys_make(read->company, &keys);
    snprintf(after, sizeof after, "%llu", (unsigned long long)read->after);
    snprintf(entities, sizeof entities, "%d", PAGE_ENTITIES);
    snprintf(bytes, sizeof bytes, "%d", PAGE_BYTES);
    words_add_keys(&words, &keys);
    words_add(&words, after);
    words_add(&words, entities);
    words_add(&words, bytes);
    request_script(request, SCRIPT_PAGE, 3, &words);
    words_free(&words);
}

static bool is_page(const redisReply *reply) {
    return reply->type == REDIS_REPLY_ARRAY && reply->elements == 4 && reply->element[1]->type == REDIS_REPLY_ARRAY &&
           reply->element[1]->elements % 2 == 0 && reply->element[3]->type == REDIS_REPLY_STRING;
}

static int tell_page(struct read_since *read, const redisReply *pairs) {
    size_t count = pairs->elements / 2;
    struct store_record *records = store_allocate(count * sizeof *records);
    int error = 0;
    opened_forget(read->request.store);
    for (size_t i = 0; i < count && error == 0; i++) {
        const redisReply *entity = pairs->element[2 * i], *stored = pairs->element[2 * i + 1];
        error = entity->type == REDIS_REPLY_STRING && stored->type == REDIS_REPLY_STRING
                    ? record_read(entity->str, stored->str, stored->len, &records[i])
                    : LEDIG_EDAMAGED;
        if (error == 0) error = record_open(read->request.store, read->company, &records[i]);
    }
    if (error == 0 && count > 0) {
        read->told = true;
        read->page(read->arg, records, count);
    }
    free(records);
    return error;
}

/* What earlier pages told may be of a past that is no more. */
static bool moved_on_between(const struct read_since *read) {
    return read->told && (strcmp(read->first.epoch, read->head.epoch) != 0 || read->first.pruned != read->head.pruned);
}

static void since_answer(struct request *request, const redisReply *reply) {
    struct read_since *read = (struct read_since *)(void *)request;
    char lineage[LINEAGE_CHARS_MAX + 1];
    if (!is_page(reply) || head_read(reply->element[0], &read->head, lineage) != 0) {
        request_end(request, LEDIG_EDAMAGED);
        return;
    }
    if (moved_on_between(read)) {
        request_end(request, LEDIG_EUNAVAILABLE);
        return;
    }
    if (read->head.epoch[0] != '\0' && strcmp(lineage, request->store->lineage) != 0) {
        if (read->told) {
            request_end(request, LEDIG_EUNAVAILABLE);
        } else {
            request_adopt(request, read->company, lineage, read->head.epoch, false);
        }
        return;
    }
    if (!read->told) read->first = read->head;
    int error = tell_page(read, reply->element[1]);
    if (error == 0) error = number_read(reply->element[2], &read->after);
    if (error != 0 || reply->element[3]->str[0] != '1') {
        request_end(request, error);
        return;
    }
    request_renew_deadline(request);
    request_again(request);
}

static void since_complete(struct request *request, int error) {
    struct read_since *read = (struct read_since *)(void *)request;
    read->done(read->arg, error, error == 0 ? &read->head : NULL);
}

static void since_release(struct request *request) {
    free(request);
}

static void since_lost(struct request *request, bool written) {
    (void)written;
    if (((struct read_since *)(void *)request)->told) request_end(request, LEDIG_EUNAVAILABLE);
}

static const struct request_type since_type = {.send = since_send,
                                               .answer = since_answer,
                                               .complete = since_complete,
                                               .release = since_release,
                                               .lost = since_lost};

void store_read_since(struct store *store, const char *company, uint64_t version, store_page page, store_read_done done,
                      void *arg) {
    struct read_since *read = store_allocate(sizeof *read);
    read->after = version;
    read->page = page;
    read->done = done;
    read->arg = arg;
    if (shape_is_id(company)) {
        snprintf(read->company, sizeof read->company, "%s", company);
        request_open(store, &read->request, &since_type, true);
    } else {
        request_refuse(store, &read->request, &since_type, LEDIG_EBAD_REQUEST);
    }
}

/* ---- Some entities ---- */

struct read_some {
    struct request request;
    char company[LEDIG_ID_CHARS_MAX + 1];
    size_t count;
    char **entities;
    struct store_head head;

    struct store_record *records;
    store_read_some_done done;
    void *arg;
};

static void some_send(struct request *request) {
    struct read_some *read = (struct read_some *)(void *)request;
    struct company_keys keys;
    struct words words = {0};
    company_keys_make(read->company, &keys);
    words_add_keys(&words, &keys);
    for (size_t i = 0; i < read->count; i++) {
        words_add(&words, read->entities[i]);
    }
    request_script(request, SCRIPT_SOME, 3, &words);
    words_free(&words);
}

static int some_read(struct read_some *read, const redisReply *reply, char *lineage) {
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) return LEDIG_EDAMAGED;
    const redisReply *stored = reply->element[1];
    int error = head_read(reply->element[0], &read->head, lineage);
    opened_forget(read->request.store);
    if (error == 0 && (stored->type != REDIS_REPLY_ARRAY || stored->elements != read->count)) error = LEDIG_EDAMAGED;
    for (size_t i = 0; i < read->count && error == 0; i++) {
        const redisReply *one = stored->element[i];
        error = one->type == REDIS_REPLY_STRING ? record_read(read->entities[i], one->str, one->len, &read->records[i])
                                                : LEDIG_EDAMAGED;
        if (error == 0) error = record_open(read->request.store, read->company, &read->records[i]);
    }
    return error;
}

static void some_answer(struct request *request, const redisReply *reply) {
    struct read_some *read = (struct read_some *)(void *)request;
    char lineage[LINEAGE_CHARS_MAX + 1];
    int error = some_read(read, reply, lineage);
    if (error == 0 && read->head.epoch[0] != '\0' && strcmp(lineage, request->store->lineage) != 0) {
        request_adopt(request, read->company, lineage, read->head.epoch, false);
    } else {
        request_end(request, error);
    }
}

static void some_complete(struct request *request, int error) {
    struct read_some *read = (struct read_some *)(void *)request;
    if (error == 0) {
        read->done(read->arg, 0, &read->head, read->records, read->count);
    } else {
        read->done(read->arg, error, NULL, NULL, 0);
    }
}

static void some_release(struct request *request) {
    struct read_some *read = (struct read_some *)(void *)request;
    for (size_t i = 0; i < read->count; i++) {
        free(read->entities[i]);
    }
    free(read->entities);
    free(read->records);
    free(read);
}

static const struct request_type some_type = {
    .send = some_send, .answer = some_answer, .complete = some_complete, .release = some_release};

void store_read(struct store *store, const char *company, const char *const *entities, size_t count,
                store_read_some_done done, void *arg) {
    struct read_some *read = store_allocate(sizeof *read);
    bool good = shape_is_id(company);
    read->count = count;
    read->entities = store_allocate(count * sizeof *read->entities);
    read->records = store_allocate(count * sizeof *read->records);
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(entities[i]);
        if (length == 0 || length > ENTITY_CHARS_MAX) good = false;
        read->entities[i] = store_copy(entities[i], length);
    }
    read->done = done;
    read->arg = arg;
    if (good) {
        snprintf(read->company, sizeof read->company, "%s", company);
        request_open(store, &read->request, &some_type, true);
    } else {
        request_refuse(store, &read->request, &some_type, LEDIG_EBAD_REQUEST);
    }
}

/* ---- Taking out ---- */

struct prune {
    struct request request;
    char company[LEDIG_ID_CHARS_MAX + 1];
    size_t count;
    char **entities;
    uint64_t *revisions;
    store_done done;
    void *arg;
};

static void prune_send(struct request *request) {
    struct prune *prune = (struct prune *)(void *)request;
    struct company_keys keys;
    struct words words = {0};
    char(*revisions)[24] = store_allocate(prune->count * sizeof *revisions);
    company_keys_make(prune->company, &keys);
    words_add_keys(&words, &keys);
    for (size_t i = 0; i < prune->count; i++) {
        snprintf(revisions[i], sizeof revisions[i], "%llu", (unsigned long long)prune->revisions[i]);
        words_add(&words, prune->entities[i]);
        words_add(&words, revisions[i]);
    }
    request_script(request, SCRIPT_PRUNE, 3, &words);
    words_free(&words);
    free(revisions);
}

static void prune_answer(struct request *request, const redisReply *reply) {
    request_end(request, reply->type == REDIS_REPLY_INTEGER ? 0 : LEDIG_EDAMAGED);
}

static void prune_complete(struct request *request, int error) {
    struct prune *prune = (struct prune *)(void *)request;
    prune->done(prune->arg, error);
}

static void prune_release(struct request *request) {
    struct prune *prune = (struct prune *)(void *)request;
    for (size_t i = 0; i < prune->count; i++) {
        free(prune->entities[i]);
    }
    free(prune->entities);
    free(prune->revisions);
    free(prune);
}

static const struct request_type prune_type = {
    .send = prune_send, .answer = prune_answer, .complete = prune_complete, .release = prune_release};

void store_prune(struct store *store, const char *company, const struct store_record *records, size_t count,
                 store_done done, void *arg) {
    struct prune *prune = store_allocate(sizeof *prune);
    bool good = shape_is_id(company) && count > 0 && count <= STORE_COMMIT_ENTITIES_MAX;
    prune->count = good ? count : 0;
    prune->entities = store_allocate(prune->count * sizeof *prune->entities);
    prune->revisions = store_allocate(prune->count * sizeof *prune->revisions);
    for (size_t i = 0; i < prune->count; i++) {
        prune->entities[i] = store_copy(records[i].entity, strlen(records[i].entity));
        prune->revisions[i] = records[i].revision;
    }
    prune->done = done;
    prune->arg = arg;
    if (good) {
        snprintf(prune->company, sizeof prune->company, "%s", company);
        request_open(store, &prune->request, &prune_type, true);
    } else {
        request_refuse(store, &prune->request, &prune_type, LEDIG_EBAD_REQUEST);
    }
}
