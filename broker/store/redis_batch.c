/* A batch on its way: read what is needed, apply, commit, and again where another was faster or the history changed. */
#include "broker/store/redis_change.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct batch *batch_of(struct request *request) {
    return (struct batch *)(void *)request;
}

static size_t changes_left(const struct batch *batch) {
    size_t left = 0;
    for (size_t i = 0; i < batch->change_count; i++) {
        left += batch->changes[i] != NULL;
    }
    return left;
}

void batch_forget(struct batch *batch, const struct change *change) {
    for (size_t i = 0; i < batch->change_count; i++) {
        if (batch->changes[i] == change) batch->changes[i] = NULL;
    }
}

static void end_changes(struct batch *batch, int error, uint64_t version, const struct store_record *moved) {
    for (size_t i = 0; i < batch->change_count; i++) {
        if (batch->changes[i] != NULL) change_end(batch->changes[i], error, version, moved);
    }
}

/* What they found, and what they made of it, stands under this version. */
static void end_confirmed(struct batch *batch, uint64_t version) {
    for (size_t i = 0; i < batch->change_count; i++) {
        struct change *change = batch->changes[i];
        if (change != NULL) change_end(change, change->verdict, change->verdict < 0 ? 0 : version, NULL);
    }
}

/* ---- The bases: how the entities stand ---- */

static void set_base(struct part *part, const struct store_record *record, bool verified) {
    buffer_clear(&part->base);
    if (record->bytes != NULL) buffer_append(&part->base, record->bytes, record->length);
    part->exists = record->bytes != NULL;
    part->revision = record->revision;
    part->verified = verified;
    part->has_base = !part->base.failed;
}

/* A guess, as good as what its source has heard: the commit compares it. */
static void guess_base(struct batch *batch, struct part *part) {
    struct store *store = batch->request.store;
    struct store_record record = {.entity = part->slot->name};
    if (part->has_base || batch->must_read) return;
    if (part->slot->known) {
        record.revision = part->slot->revision;
        record.length = part->slot->bytes.length;
        if (part->slot->exists) record.bytes = record.length > 0 ? part->slot->bytes.bytes : (const uint8_t *)"";
        set_base(part, &record, false);
    } else if (store->options.events.known != NULL &&
               store->options.events.known(store->options.arg, batch->company->name, part->slot->name, &record)) {
        set_base(part, &record, false);
    }
}

static bool read_bases(struct batch *batch) {
    struct words words = {0};
    words_add(&words, "HMGET");
    words_add(&words, batch->company->keys.records);
    for (size_t i = 0; i < batch->count; i++) {
        guess_base(batch, &batch->parts[i]);
        if (!batch->parts[i].has_base) words_add(&words, batch->parts[i].slot->name);
    }
    bool any = words.count > 2;
    if (any) {
        batch->step = BATCH_READING;
        if (words.failed) {
            request_fail_soon(&batch->request, LEDIG_ENO_MEMORY);
        } else {
            request_command(&batch->request, words.count, words.at, words.lengths);
        }
    }
    words_free(&words);
    return any;
}

static int take_bases(struct batch *batch, const redisReply *reply) {
    size_t next = 0;
    if (reply->type != REDIS_REPLY_ARRAY) return LEDIG_EDAMAGED;
    opened_forget(batch->request.store);
    for (size_t i = 0; i < batch->count; i++) {
        struct part *part = &batch->parts[i];
        struct store_record record;
        if (part->has_base) continue;
        if (next == reply->elements) return LEDIG_EDAMAGED;
        const redisReply *one = reply->element[next++];
        bool absent = one->type == REDIS_REPLY_NIL;
        if (!absent && one->type != REDIS_REPLY_STRING) return LEDIG_EDAMAGED;
        int error = record_read(part->slot->name, absent ? "" : one->str, absent ? 0 : one->len, &record);
        if (error == 0) error = record_open(batch->request.store, batch->company->name, &record);
        if (error != 0) return error;
        set_base(part, &record, true);
    }
    return 0;
}

/* ---- The answer ---- */

/* How the entity stands now, for whoever waits for it. */
static void remember(struct batch *batch, struct part *part, uint64_t version) {
    struct slot *slot = part->slot;
    if (part->action == STORE_CHECK && batch->plain) return; /* its bytes are not known here */
    struct buffer *bytes = part->action == STORE_WRITE ? &part->bytes : &part->base, old = slot->bytes;
    slot->exists = part->action == STORE_WRITE || (part->action == STORE_CHECK && part->exists);
    slot->revision = part->action == STORE_CHECK ? part->revision : part->action == STORE_REMOVE ? 0 : version;
    slot->bytes = *bytes;
    *bytes = old;
    slot->known = true;
}

static void take_version(struct batch *batch, const redisReply *reply) {
    uint64_t version;
    if (number_read(reply->element[1], &version) != 0 || reply->element[2]->type != REDIS_REPLY_STRING) {
        request_end(&batch->request, LEDIG_EDAMAGED);
        return;
    }
    batch->request.store->metrics->store_commits++;
    if (reply->element[2]->len > 0) company_heard(batch->company, reply->element[2]->str, version);
    for (size_t i = 0; i < batch->count; i++) {
        remember(batch, &batch->parts[i], version);
    }
    end_confirmed(batch, version);
    request_end(&batch->request, 0);
}

static void take_moved(struct batch *batch, const redisReply *reply) {
    struct store_record record;
    const redisReply *which = reply->element[1], *stored = reply->element[2];
    if (which->type != REDIS_REPLY_INTEGER || (size_t)which->integer >= batch->count ||
        stored->type != REDIS_REPLY_STRING) {
        request_end(&batch->request, LEDIG_EDAMAGED);
        return;
    }
    struct part *part = &batch->parts[which->integer];
    batch->request.store->metrics->store_conflicts++;
    int error = record_read(part->slot->name, stored->str, stored->len, &record);
    opened_forget(batch->request.store);
    if (error == 0) error = record_open(batch->request.store, batch->company->name, &record);
    if (error != 0) {
        request_end(&batch->request, error);
    } else if (batch->plain) {
        end_changes(batch, LEDIG_EMOVED_ON, 0, &record);
        request_end(&batch->request, 0);
    } else {
        set_base(part, &record, true);
        request_again(&batch->request);
    }
}

static void take_early(struct batch *batch, const redisReply *reply) {
    uint64_t now;
    bool any = false;
    if (number_read(reply->element[1], &now) != 0) {
        request_end(&batch->request, LEDIG_EDAMAGED);
        return;
    }
    for (size_t i = 0; i < batch->change_count; i++) {
        struct change *change = batch->changes[i];
        if (change == NULL || (!batch->plain && change->bound_ms <= (int64_t)now)) continue;
        any = true;
        change_end(change, LEDIG_ETOO_EARLY, 0, NULL);
    }
    if (!any) {
        request_end(&batch->request, LEDIG_EDAMAGED);
    } else {
        request_again(&batch->request);
    }
}

/* Either the caller has been told already, or our idea of the server's clock is wrong. */
static void take_late(struct batch *batch, const redisReply *reply) {
    uint64_t now;
    if (number_read(reply->element[1], &now) != 0) {
        request_end(&batch->request, LEDIG_EDAMAGED);
        return;
    }
    clock_set(batch->request.store, (int64_t)now, batch->sent_ms);
    request_again(&batch->request);
}

static void take_lineage(struct batch *batch, const redisReply *reply) {
    if (reply->element[1]->type != REDIS_REPLY_STRING || reply->element[2]->type != REDIS_REPLY_STRING) {
        request_end(&batch->request, LEDIG_EDAMAGED);
        return;
    }
    request_adopt(&batch->request, batch->company->name, reply->element[2]->str, reply->element[1]->str, false);
}

static void take_answer(struct batch *batch, const redisReply *reply) {
    metrics_observe(&batch->request.store->metrics->store_commit_us, (uv_hrtime() - batch->sent_ns) / 1000);
    static const struct {
        const char *word;
        size_t elements;
        void (*take)(struct batch *batch, const redisReply *reply);
    } answers[] = {{"ok", 3, take_version},
                   {"moved", 3, take_moved},
                   {"lineage", 3, take_lineage},
                   {"early", 2, take_early},
                   {"late", 2, take_late}};
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 && reply->element[0]->type == REDIS_REPLY_STRING) {
        for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
            if (strcmp(reply->element[0]->str, answers[i].word) != 0 || reply->elements != answers[i].elements)
                continue;
            answers[i].take(batch, reply);
            return;
        }
    }
    request_end(&batch->request, LEDIG_EDAMAGED);
}

/* ---- The way ---- */

static void apply_and_commit(struct batch *batch) {
    if (!batch->plain) batch_apply(batch);
    if (changes_left(batch) == 0) {
        request_end(&batch->request, 0);
    } else {
        batch_send_commit(batch);
    }
}

static void batch_send(struct request *request) {
    struct batch *batch = batch_of(request);
    if (changes_left(batch) == 0) {
        request_end(request, 0);
    } else if (batch->plain || !read_bases(batch)) {
        apply_and_commit(batch);
    }
}

static void batch_answer(struct request *request, const redisReply *reply) {
    struct batch *batch = batch_of(request);
    if (batch->step == BATCH_COMMITTING) {
        take_answer(batch, reply);
        return;
    }
    int error = take_bases(batch, reply);
    if (error != 0) {
        request_end(request, error);
    } else {
        apply_and_commit(batch);
    }
}

/* The commit may have taken effect: an update looks, and finds its own change in place; a plain commit cannot tell. */
static void batch_lost(struct request *request, bool written) {
    struct batch *batch = batch_of(request);
    if (batch->plain && batch->step == BATCH_COMMITTING && written) {
        request_end(request, LEDIG_EUNAVAILABLE);
        return;
    }
    batch->must_read = true;
    for (size_t i = 0; i < batch->count; i++) {
        batch->parts[i].has_base = false;
        batch->parts[i].slot->known = false;
    }
}

static void batch_complete(struct request *request, int error) {
    struct batch *batch = batch_of(request);
    request->store->metrics->store_in_flight--;
    end_changes(batch, error, 0, NULL); /* none is left where it went well */
    batch_released(batch);
    batch->company = NULL;
}

static void batch_release(struct request *request) {
    struct batch *batch = batch_of(request);
    for (size_t i = 0; i < batch->count; i++) {
        buffer_free(&batch->parts[i].base);
        buffer_free(&batch->parts[i].bytes);
        buffer_free(&batch->parts[i].sealed);
    }
    kept_free(&batch->kept);
    free(batch->parts);
    free(batch);
}

static const struct request_type batch_type = {.send = batch_send,
                                               .answer = batch_answer,
                                               .complete = batch_complete,
                                               .release = batch_release,
                                               .lost = batch_lost};

/* ---- The beginning ---- */

/* Whether the update names nothing but what the batch holds, and nobody but the batch's changes stands before it. */
static bool folds(const struct batch *batch, const struct change *change) {
    if (change->update.apply == NULL || change->batch != NULL) return false;
    for (size_t i = 0; i < change->count; i++) {
        const struct place *place = &change->places[i];
        if (place->slot->batch != batch) return false;
        if (place->slot->places != place && place->prev->change->batch != batch) return false;
    }
    return true;
}

static void fold(struct batch *batch) {
    for (size_t i = 0; i < batch->count; i++) {
        for (struct place *place = batch->parts[i].slot->places->next; place != NULL; place = place->next) {
            if (batch->change_count == BATCH_CHANGES_MAX) return;
            if (place->change->batch == batch) continue;
            if (!folds(batch, place->change)) break;
            place->change->batch = batch;
            batch->changes[batch->change_count++] = place->change;
        }
    }
}

static void take_writes(struct batch *batch, struct change *change) {
    for (size_t i = 0; i < batch->count; i++) {
        struct part *part = &batch->parts[i];
        part->action = change->actions[i];
        part->revision = change->expected[i];
        part->not_before_ms = change->not_before_ms[i];
        part->bytes = change->bytes[i];
        change->bytes[i] = (struct buffer){0};
    }
}

void batch_begin(struct change *change) {
    struct batch *batch = store_allocate(sizeof *batch);
    batch->company = change->company;
    batch->plain = change->update.apply == NULL;
    batch->count = change->count;
    batch->parts = store_allocate(batch->count * sizeof *batch->parts);
    batch->changes[batch->change_count++] = change;
    change->batch = batch;
    for (size_t i = 0; i < batch->count; i++) {
        struct slot *slot = change->places[i].slot;
        assert(slot->batch == NULL);
        slot->batch = batch;
        slot->part = i;
        batch->parts[i].slot = slot;
    }
    if (batch->plain) {
        take_writes(batch, change);
    } else {
        fold(batch);
    }
    change->store->metrics->store_in_flight++;
    request_open(change->store, &batch->request, &batch_type, false);
}
