/* The verify batch: one look at the clock, the leases and the heads of all watched companies, in one pipeline.
 *
 * It is the first thing that a new connection does, and the proof that it works. It ends overdue leases, adopts
 * companies whose history is another than the server's, and finds what no doorbell told. */
#include "broker/store/redis_store.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define LEASE_KEPT_MS (24 * 3600 * 1000) /* an ended lease is remembered for a day */
#define LOOKS_MISSED_MAX 3 /* after a longer silence of all stores the server counts as having been away */
#define LEASES_MAX 65536   /* workers and routers of one Redis; beyond that the reply is damaged */

struct verify_waiter { /* one store_verify */
    struct verify_waiter *prev, *next;
    struct deadline deadline;
    struct store *store;
    uint64_t number; /* the batch that will do */
    store_done done;
    void *arg;
};

struct watched {
    char name[LEDIG_ID_CHARS_MAX + 1], lineage[LINEAGE_CHARS_MAX + 1];
    struct store_head head;
    bool adopt;
};

struct verify {
    struct request request;
    uint64_t sent_ms;
    int64_t now_ms;
    struct store_lease *leases;
    char *lease_ids;
    size_t lease_count;
    struct watched *watched;
    size_t watched_count;
    size_t answers; /* of the phase */
    bool adopting;  /* second phase: for each that is to be adopted, the adoption and its head */
    size_t adopted;
};

/* ---- The batch ---- */

static void verify_forget(struct verify *verify) {
    free(verify->leases);
    free(verify->lease_ids);
    free(verify->watched);
    verify->leases = NULL;
    verify->lease_ids = NULL;
    verify->watched = NULL;
    verify->lease_count = verify->watched_count = verify->answers = verify->adopted = 0;
    verify->adopting = false;
}

static void ask_look(struct verify *verify) {
    struct words words = {0};
    char gap[24], kept[24];
    snprintf(gap, sizeof gap, "%u", LOOKS_MISSED_MAX * verify->request.store->options.verify_ms);
    snprintf(kept, sizeof kept, "%d", LEASE_KEPT_MS);
    words_add(&words, LEASES_KEY);
    words_add(&words, "look");
    words_add(&words, gap);
    words_add(&words, kept);
    request_script(&verify->request, SCRIPT_LEASE, 1, &words);
    words_free(&words);
}

static void ask_head(struct verify *verify, const char *company) {
    struct company_keys keys;
    company_keys_make(company, &keys);
    const char *words[7] = {"HMGET", keys.head, "lineage", "epoch", "version", "pruned", "earlier"};
    request_command(&verify->request, 7, words, NULL);
}

static void verify_send(struct request *request) {
    struct verify *verify = (struct verify *)(void *)request;
    struct store *store = request->store;
    struct store_company *company, *next;
    verify_forget(verify);
    verify->watched = store_allocate(HASH_COUNT(store->companies) * sizeof *verify->watched);
    verify->sent_ms = redis_store_clock_ms();
    ask_look(verify);
    HASH_ITER(hh, store->companies, company, next) {
        if (company->watches == 0) continue;
        struct watched *watched = &verify->watched[verify->watched_count++];
        memcpy(watched->name, company->name, sizeof watched->name);
        memcpy(company->expected_epoch, company->known_epoch, sizeof company->expected_epoch);
        company->expected_version = company->known_version;
        ask_head(verify, company->name);
    }
}

static int read_lease(struct verify *verify, redisReply *const *fields, char **text) {
    struct store_lease *lease = &verify->leases[verify->lease_count];
    uint64_t renewed, ended;
    if (fields[0]->type != REDIS_REPLY_STRING || number_read(fields[1], &renewed) != 0 ||
        number_read(fields[2], &ended) != 0) {
        return LEDIG_EDAMAGED;
    }
    *lease = (struct store_lease){.id = *text, .renewed_at_ms = (int64_t)renewed, .ended_at_ms = (int64_t)ended};
    memcpy(*text, fields[0]->str, fields[0]->len + 1);
    *text += fields[0]->len + 1;
    verify->lease_count++;
    return 0;
}

static int read_look(struct verify *verify, const redisReply *reply) {
    struct store *store = verify->request.store;
    uint64_t now;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3) return LEDIG_EDAMAGED;
    const redisReply *lineage = reply->element[1], *leases = reply->element[2];
    if (number_read(reply->element[0], &now) != 0 || lineage->type != REDIS_REPLY_STRING ||
        lineage->len > LINEAGE_CHARS_MAX || leases->type != REDIS_REPLY_ARRAY || leases->elements % 3 != 0 ||
        leases->elements / 3 > LEASES_MAX) {
        return LEDIG_EDAMAGED;
    }
    memcpy(store->lineage, lineage->str, lineage->len + 1);
    verify->now_ms = (int64_t)now;
    clock_set(store, verify->now_ms, verify->sent_ms);
    size_t text_bytes = 0;
    for (size_t i = 0; i < leases->elements; i += 3) {
        text_bytes += leases->element[i]->len + 1;
    }
    verify->leases = store_allocate(leases->elements / 3 * sizeof *verify->leases);
    char *text = verify->lease_ids = store_allocate(text_bytes);
    for (size_t i = 0; i < leases->elements; i += 3) {
        int error = read_lease(verify, leases->element + i, &text);
        if (error != 0) return error;
    }
    return 0;
}

/* Whether this head belongs to a history that is no more: another server's, or an earlier state of its own. */
static bool is_of_the_past(struct store *store, const struct watched *watched) {
    const struct store_company *company = company_find(store, watched->name);
    if (watched->head.epoch[0] == '\0') return false;
    if (strcmp(watched->lineage, store->lineage) != 0) return true;
    return company != NULL && strcmp(watched->head.epoch, company->expected_epoch) == 0 &&
           watched->head.version < company->expected_version;
}

static int read_watched(struct verify *verify, struct watched *watched, const redisReply *reply) {
    int error = head_read(reply, &watched->head, watched->lineage);
    if (error != 0) return error;
    watched->adopt = !verify->adopting && is_of_the_past(verify->request.store, watched);
    return 0;
}

/* Sends the adoptions that the first phase found to be needed. False where there were none. */
static bool adopt_those_of_the_past(struct verify *verify) {
    bool any = false;
    verify->adopting = true;
    verify->answers = 0;
    for (size_t i = 0; i < verify->watched_count; i++) {
        struct watched *watched = &verify->watched[i];
        if (!watched->adopt) continue;
        any = true;
        bool even_same = strcmp(watched->lineage, verify->request.store->lineage) == 0;
        request_adopt(&verify->request, watched->name, watched->lineage, watched->head.epoch, even_same);
        ask_head(verify, watched->name);
    }
    verify->request.adopting = false; /* the answers come to verify_answer like all others */
    return any;
}

static void verify_tell(struct verify *verify) {
    struct store *store = verify->request.store;
    struct store_company_head *heads = store_allocate(verify->watched_count * sizeof *heads);
    struct store_reading reading = {.now_ms = verify->now_ms,
                                    .leases = verify->leases,
                                    .lease_count = verify->lease_count,
                                    .companies = heads,
                                    .company_count = verify->watched_count};
    for (size_t i = 0; i < verify->watched_count; i++) {
        struct watched *watched = &verify->watched[i];
        struct store_company *company = company_find(store, watched->name);
        heads[i] = (struct store_company_head){.company = watched->name, .head = &watched->head};
        if (company != NULL) company_heard(company, watched->head.epoch, watched->head.version);
    }
    store->verified_ms = redis_store_clock_ms();
    if (store->options.events.verified != NULL && !store->closing)
        store->options.events.verified(store->options.arg, &reading);
    free(heads);
}

static struct watched *next_adopted(struct verify *verify) {
    while (!verify->watched[verify->adopted].adopt) {
        verify->adopted++;
    }
    return &verify->watched[verify->adopted++];
}

static void verify_answer(struct request *request, const redisReply *reply) {
    struct verify *verify = (struct verify *)(void *)request;
    size_t number = verify->answers++;
    int error = 0;
    if (verify->adopting) {
        if (number % 2 == 1) error = read_watched(verify, next_adopted(verify), reply);
    } else if (number == 0) {
        error = read_look(verify, reply);
    } else {
        error = read_watched(verify, &verify->watched[number - 1], reply);
    }
    if (error != 0) {
        request_end(request, error);
    } else if (request->pending == 1 && (verify->adopting || !adopt_those_of_the_past(verify))) {
        verify_tell(verify);
        request_end(request, 0);
    }
}

static void tell_waiters(struct store *store, uint64_t number);

static void verify_complete(struct request *request, int error) {
    struct store *store = request->store;
    uint64_t number = store->verify_number;
    store->verify = NULL;
    verify_ended(store, error);
    if (error == 0) tell_waiters(store, number);
    if (store->ready && store->verify == NULL && store->verify_wanted) verify_begin(store);
}

static void verify_release(struct request *request) {
    verify_forget((struct verify *)(void *)request);
    free(request);
}

static void verify_lost(struct request *request, bool written) {
    (void)written;
    request_end(request, LEDIG_EUNAVAILABLE); /* the next connection begins with one of its own */
}

static const struct request_type verify_type = {.send = verify_send,
                                                .answer = verify_answer,
                                                .complete = verify_complete,
                                                .release = verify_release,
                                                .lost = verify_lost};

void verify_begin(struct store *store) {
    if (store->verify != NULL) {
        store->verify_wanted = true;
        return;
    }
    struct verify *verify = store_allocate(sizeof *verify);
    store->verify = verify;
    store->verify_wanted = false;
    store->verify_number++;
    request_open(store, &verify->request, &verify_type, true);
    if (verify->request.waits) { /* it is what the others wait for */
        verify->request.waits = false;
        verify_send(&verify->request);
    }
}

void verify_link_down(struct store *store) {
    if (store->verify != NULL) request_end(&store->verify->request, LEDIG_EUNAVAILABLE);
}

/* ---- Those who asked for it ---- */

static void waiter_end(struct verify_waiter *waiter, int error) {
    deadline_remove(waiter->store, &waiter->deadline);
    DL_DELETE(waiter->store->verify_waiters, waiter);
    waiter->done(waiter->arg, error);
    free(waiter);
}

static void tell_waiters(struct store *store, uint64_t number) {
    while (store->verify_waiters != NULL && store->verify_waiters->number <= number) {
        waiter_end(store->verify_waiters, 0);
    }
}

static void on_waiter_deadline(struct deadline *deadline, int error) {
    waiter_end((struct verify_waiter *)(void *)((char *)deadline - offsetof(struct verify_waiter, deadline)), error);
}

void store_verify(struct store *store, store_done done, void *arg) {
    struct verify_waiter *waiter = store_allocate(sizeof *waiter);
    waiter->store = store;
    waiter->done = done;
    waiter->arg = arg;
    waiter->deadline.passed = on_waiter_deadline;
    DL_APPEND(store->verify_waiters, waiter);
    deadline_add(store, &waiter->deadline);
    waiter->number = store->verify_number + 1; /* one that begins from now on */
    if (store->ready || store->verify != NULL) verify_begin(store);
}
