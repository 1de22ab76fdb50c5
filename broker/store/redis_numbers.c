/* The index over all companies: each number is a key of its own, so that it can live on any shard. */
#include "broker/store/redis_store.h"

#include <stdlib.h>
#include <string.h>

#define NUMBER_PREFIX "ledig:number:"
#define NUMBER_BYTES_MAX (LEDIG_NUMBER_CHARS_MAX * 4)
#define OWNER_BYTES_MAX (2 * LEDIG_ID_CHARS_MAX + 32) /* "<company>/<kind>/<id>" */
#define NUMBERS_BATCH 1000                            /* commands sent at once: an import with more goes in steps */

enum numbers_step { NUMBERS_TAKE, NUMBERS_TAKE_BACK, NUMBERS_GIVE, NUMBERS_FIND };

struct numbers {
    struct request request;
    enum numbers_step step;
    size_t count, sent, answered;
    char **numbers, **owners; /* of a `find`: what was found */
    bool *fresh;              /* taken by this request */
    bool conflict;
    size_t which;
    store_numbers_done taken;
    store_done given;
    store_numbers_found found;
    void *arg;
};

static void send_one(struct numbers *numbers, size_t which) {
    struct words words = {0};
    char key[sizeof NUMBER_PREFIX + NUMBER_BYTES_MAX];
    snprintf(key, sizeof key, NUMBER_PREFIX "%s", numbers->numbers[which]);
    if (numbers->step == NUMBERS_FIND) {
        const char *get[2] = {"GET", key};
        request_command(&numbers->request, 2, get, NULL);
        return;
    }
    words_add(&words, key);
    words_add(&words, numbers->step == NUMBERS_TAKE ? "take" : "give");
    words_add(&words, numbers->owners[which]);
    request_script(&numbers->request, SCRIPT_NUMBER, 1, &words);
    words_free(&words);
}

static bool concerns(const struct numbers *numbers, size_t which) {
    return numbers->step != NUMBERS_TAKE_BACK || numbers->fresh[which];
}

/* The next ones, as many as may be under way. */
static void send_on(struct numbers *numbers) {
    while (numbers->sent < numbers->count && numbers->request.pending < NUMBERS_BATCH && !numbers->request.waits) {
        size_t which = numbers->sent++;
        if (concerns(numbers, which)) send_one(numbers, which);
    }
}

/* Also after a lost link: what was taken already is one's own then, and `fresh` stays. */
static void numbers_send(struct request *request) {
    struct numbers *numbers = (struct numbers *)(void *)request;
    numbers->sent = numbers->answered = 0;
    send_on(numbers);
}

static void take_answer(struct numbers *numbers, size_t which, const redisReply *reply) {
    bool text = reply->type == REDIS_REPLY_STRING;
    if (text && strcmp(reply->str, "new") == 0) {
        numbers->fresh[which] = true;
    } else if ((!text || strcmp(reply->str, "other") == 0) && !numbers->conflict) {
        numbers->conflict = true;
        numbers->which = which;
        numbers->sent = numbers->count; /* no need to go on */
    }
}

static void find_answer(struct numbers *numbers, size_t which, const redisReply *reply) {
    free(numbers->owners[which]);
    numbers->owners[which] = reply->type == REDIS_REPLY_STRING ? store_copy(reply->str, reply->len) : NULL;
}

static bool take_back_anything(const struct numbers *numbers) {
    for (size_t i = 0; i < numbers->count; i++) {
        if (numbers->fresh[i]) return true;
    }
    return false;
}

static void numbers_answer(struct request *request, const redisReply *reply) {
    struct numbers *numbers = (struct numbers *)(void *)request;
    while (!concerns(numbers, numbers->answered)) {
        numbers->answered++;
    }
    size_t which = numbers->answered++;
    if (numbers->step == NUMBERS_TAKE) take_answer(numbers, which, reply);
    if (numbers->step == NUMBERS_FIND) find_answer(numbers, which, reply);
    send_on(numbers);
    if (request->pending > 1) return;
    if (numbers->step == NUMBERS_TAKE && numbers->conflict && take_back_anything(numbers)) {
        numbers->step = NUMBERS_TAKE_BACK;
        request_again(request);
        return;
    }
    request_end(request, numbers->conflict ? LEDIG_ECONFLICT : 0);
}

static void numbers_complete(struct request *request, int error) {
    struct numbers *numbers = (struct numbers *)(void *)request;
    if (numbers->taken != NULL) numbers->taken(numbers->arg, error, numbers->which);
    if (numbers->given != NULL) numbers->given(numbers->arg, error);
    if (numbers->found != NULL) {
        numbers->found(numbers->arg, error, error == 0 ? (const char *const *)numbers->owners : NULL,
                       error == 0 ? numbers->count : 0);
    }
}

static void numbers_release(struct request *request) {
    struct numbers *numbers = (struct numbers *)(void *)request;
    for (size_t i = 0; i < numbers->count; i++) {
        free(numbers->numbers[i]);
        free(numbers->owners[i]);
    }
    free(numbers->numbers);
    free(numbers->owners);
    free(numbers->fresh);
    free(numbers);
}

static const struct request_type numbers_type = {
    .send = numbers_send, .answer = numbers_answer, .complete = numbers_complete, .release = numbers_release};

static void numbers_open(struct store *store, struct numbers *numbers, const char *const *texts,
                         const char *const *owners, size_t count) {
    int error = count == 0 ? LEDIG_EBAD_REQUEST : 0;
    numbers->count = count;
    numbers->numbers = store_allocate(count * sizeof *numbers->numbers);
    numbers->owners = store_allocate(count * sizeof *numbers->owners);
    numbers->fresh = store_allocate(count * sizeof *numbers->fresh);
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(texts[i]), owner = owners != NULL ? strlen(owners[i]) : 1;
        if (length == 0 || length > NUMBER_BYTES_MAX || owner == 0 || owner > OWNER_BYTES_MAX) {
            error = LEDIG_EBAD_REQUEST;
        }
        numbers->numbers[i] = store_copy(texts[i], length);
        if (owners != NULL) numbers->owners[i] = store_copy(owners[i], owner);
    }
    if (error == 0) {
        request_open(store, &numbers->request, &numbers_type, true);
    } else {
        request_refuse(store, &numbers->request, &numbers_type, error);
    }
}

void store_numbers_take(struct store *store, const char *const *texts, const char *const *owners, size_t count,
                        store_numbers_done done, void *arg) {
    struct numbers *numbers = store_allocate(sizeof *numbers);
    numbers->step = NUMBERS_TAKE;
    numbers->taken = done;
    numbers->arg = arg;
    numbers_open(store, numbers, texts, owners, count);
}

void store_numbers_give(struct store *store, const char *const *texts, const char *const *owners, size_t count,
                        store_done done, void *arg) {
    struct numbers *numbers = store_allocate(sizeof *numbers);
    numbers->step = NUMBERS_GIVE;
    numbers->given = done;
    numbers->arg = arg;
    numbers_open(store, numbers, texts, owners, count);
}

void store_numbers_find(struct store *store, const char *const *texts, size_t count, store_numbers_found found,
                        void *arg) {
    struct numbers *numbers = store_allocate(sizeof *numbers);
    numbers->step = NUMBERS_FIND;
    numbers->found = found;
    numbers->arg = arg;
    numbers_open(store, numbers, texts, NULL, count);
}
