#include "broker/store/redis_store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* ---- Deadlines: in the order in which they pass, since all have the same length ---- */

static void on_deadline(uv_timer_t *timer);

static void arm(struct store *store) {
    if (store->closing) return;
    if (store->deadlines == NULL) {
        uv_timer_stop(&store->deadline_timer);
        return;
    }
    uint64_t now = redis_store_clock_ms(), at = store->deadlines->at_ms;
    uv_timer_start(&store->deadline_timer, on_deadline, at > now ? at - now : 0, 0);
}

static void on_deadline(uv_timer_t *timer) {
    struct store *store = timer->data;
    uint64_t now = redis_store_clock_ms();
    while (store->deadlines != NULL && store->deadlines->at_ms <= now) {
        struct deadline *deadline = store->deadlines;
        DL_DELETE(store->deadlines, deadline);
        deadline->prev = NULL;
        if (deadline->error == LEDIG_EUNAVAILABLE && deadline->at_ms != 0) store->metrics->store_timeouts++;
        deadline->passed(deadline, deadline->error);
    }
    arm(store);
}

void deadline_add(struct store *store, struct deadline *deadline) {
    deadline->at_ms = redis_store_clock_ms() + store->options.timeout_ms;
    deadline->error = LEDIG_EUNAVAILABLE;
    DL_APPEND(store->deadlines, deadline);
    if (store->deadlines == deadline) arm(store);
}

void deadline_remove(struct store *store, struct deadline *deadline) {
    if (deadline->prev == NULL) return; /* in the list every element has a predecessor; the first one has the last */
    bool first = store->deadlines == deadline;
    DL_DELETE(store->deadlines, deadline);
    deadline->prev = NULL;
    if (first && store->deadlines == NULL) arm(store);
}

void deadline_now(struct store *store, struct deadline *deadline, int error) {
    if (deadline->prev != NULL) DL_DELETE(store->deadlines, deadline);
    deadline->at_ms = 0;
    deadline->error = error;
    DL_PREPEND(store->deadlines, deadline);
    arm(store);
}

/* ---- Requests ---- */

static void on_request_deadline(struct deadline *deadline, int error) {
    struct request *request = (struct request *)(void *)((char *)deadline - offsetof(struct request, deadline));
    request_end(request, error);
}

static void enlist(struct store *store, struct request *request, const struct request_type *type) {
    request->store = store;
    request->type = type;
    request->deadline.passed = on_request_deadline;
    DL_APPEND(store->requests, request);
}

void request_refuse(struct store *store, struct request *request, const struct request_type *type, int error) {
    enlist(store, request, type);
    request_fail_soon(request, error);
}

void request_open(struct store *store, struct request *request, const struct request_type *type, bool timed) {
    enlist(store, request, type);
    if (timed) deadline_add(store, &request->deadline);
    if (store->ready) {
        type->send(request);
    } else {
        request->waits = true;
    }
}

void request_fail_soon(struct request *request, int error) {
    if (request->ended) return;
    deadline_now(request->store, &request->deadline, error);
}

void request_renew_deadline(struct request *request) {
    deadline_remove(request->store, &request->deadline);
    deadline_add(request->store, &request->deadline);
}

void request_end(struct request *request, int error) {
    struct store *store = request->store;
    assert(!request->ended);
    request->ended = true;
    deadline_remove(store, &request->deadline);
    DL_DELETE(store->requests, request);
    request->pending -= redis_link_unsend(store->commands, request);
    request->pending++; /* it is needed a moment longer, even where its commands are answered in there */
    request->type->complete(request, error);
    if (--request->pending == 0) request->type->release(request);
}

void request_again(struct request *request) {
    request->again = true;
}

static void send_again(struct request *request) {
    request->again = request->lost = request->written = request->adopting = false;
    request->waits = !redis_link_is_up(request->store->commands);
    if (!request->waits) request->type->send(request);
}

/* An error reply: nothing of the command took effect. */
static void refused(struct request *request, const redisReply *reply) {
    static const char *const elsewhere[] = {"LOADING", "READONLY", "MASTERDOWN", "BUSY"};
    struct store *store = request->store;
    request->adopting = false;
    if (strncmp(reply->str, "NOSCRIPT", 8) == 0) {
        scripts_load(store);
        request->again = true;
        return;
    }
    for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++) {
        if (strncmp(reply->str, elsewhere[i], strlen(elsewhere[i])) != 0) continue;
        request->lost = true; /* this server takes no writes (now): try to find one that does */
        redis_link_drop(store->commands, reply->str);
        return;
    }
    request_end(request, LEDIG_EUNAVAILABLE);
}

static void adopted(struct request *request, const redisReply *reply) {
    struct store *store = request->store;
    request->adopting = false;
    request->again = true;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 || reply->element[0]->type != REDIS_REPLY_STRING ||
        reply->element[0]->len > LINEAGE_CHARS_MAX) {
        request_end(request, LEDIG_EDAMAGED);
        return;
    }
    memcpy(store->lineage, reply->element[0]->str, reply->element[0]->len + 1);
}

static void on_answer(void *arg, const redisReply *reply, bool written) {
    struct request *request = arg;
    if (reply == NULL) {
        request->lost = true;
        request->written |= written;
    } else if (!request->ended && !request->lost && !request->again) {
        if (reply->type == REDIS_REPLY_ERROR) {
            refused(request, reply);
        } else if (request->adopting) {
            adopted(request, reply);
        } else {
            request->type->answer(request, reply);
        }
    }
    if (--request->pending > 0) return;
    if (request->ended) {
        request->type->release(request);
    } else if (request->lost && request->type->lost != NULL) {
        request->pending++; /* it may end in there, and is needed a moment longer */
        request->type->lost(request, request->written);
        request->pending--;
        if (request->ended) {
            request->type->release(request);
        } else {
            send_again(request);
        }
    } else if (request->lost || request->again) {
        send_again(request);
    }
}

void request_command(struct request *request, size_t count, const char *const *words, const size_t *lengths) {
    int error = redis_link_send(request->store->commands, count, words, lengths, on_answer, request);
    if (error == 0) {
        request->pending++;
    } else if (error == LEDIG_EUNAVAILABLE) {
        request->waits = true;
    } else {
        request_fail_soon(request, error);
    }
}

/* ---- Words ---- */

void words_add_bytes(struct words *words, const void *bytes, size_t length) {
    if (words->count == words->capacity && !words->failed) {
        size_t capacity = words->capacity == 0 ? 32 : words->capacity * 2;
        const char **at = realloc(words->at, capacity * sizeof *at);
        if (at != NULL) words->at = at;
        size_t *lengths = realloc(words->lengths, capacity * sizeof *lengths);
        if (lengths != NULL) words->lengths = lengths;
        words->failed = at == NULL || lengths == NULL;
        if (!words->failed) words->capacity = capacity;
    }
    if (words->failed) return;
    words->at[words->count] = length > 0 ? bytes : "";
    words->lengths[words->count++] = length;
}

void words_add(struct words *words, const char *text) {
    words_add_bytes(words, text, strlen(text));
}

void words_free(struct words *words) {
    free(words->at);
    free(words->lengths);
}

/* ---- Scripts ---- */

static void on_loaded(void *arg, const redisReply *reply, bool written) {
    struct store *store = arg;
    (void)written;
    if (reply != NULL && reply->type == REDIS_REPLY_ERROR) redis_link_drop(store->commands, reply->str);
}

void scripts_load(struct store *store) {
    for (size_t i = 0; i < SCRIPT_COUNT; i++) {
        const char *words[3] = {"SCRIPT", "LOAD", script_sources[i].text};
        size_t lengths[3] = {6, 4, script_sources[i].length};
        if (redis_link_send(store->commands, 3, words, lengths, on_loaded, store) == LEDIG_ENO_MEMORY) {
            redis_link_drop(store->commands, "out of memory");
        }
    }
}

void request_script(struct request *request, enum script script, size_t keys, const struct words *arguments) {
    char count[8];
    struct words words = {0};
    snprintf(count, sizeof count, "%zu", keys);
    words_add(&words, "EVALSHA");
    words_add(&words, script_sources[script].sha);
    words_add(&words, count);
    for (size_t i = 0; i < arguments->count; i++) {
        words_add_bytes(&words, arguments->at[i], arguments->lengths[i]);
    }
    if (words.failed || arguments->failed) {
        request_fail_soon(request, LEDIG_ENO_MEMORY);
    } else {
        request_command(request, words.count, words.at, words.lengths);
    }
    words_free(&words);
}

void request_adopt(struct request *request, const char *company, const char *lineage, const char *epoch,
                   bool even_same) {
    struct company_keys keys;
    struct words words = {0};
    char fresh[17], epochs[8];
    uint64_t random = 0;
    if (uv_random(NULL, NULL, &random, sizeof random, 0, NULL) != 0) {
        request_fail_soon(request, LEDIG_EIO);
        return;
    }
    snprintf(fresh, sizeof fresh, "%016llx", (unsigned long long)random);
    snprintf(epochs, sizeof epochs, "%d", STORE_EPOCHS_MAX);
    company_keys_make(company, &keys);
    words_add(&words, keys.head);
    words_add(&words, lineage);
    words_add(&words, epoch);
    words_add(&words, fresh);
    words_add(&words, epochs);
    words_add(&words, even_same ? "1" : "0");
    request->adopting = true;
    request_script(request, SCRIPT_ADOPT, 1, &words);
    words_free(&words);
}
