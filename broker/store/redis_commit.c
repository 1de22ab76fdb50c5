/* The words of one commit, as commit.lua takes them. */
#include "broker/store/redis_change.h"

#include <stdlib.h>
#include <string.h>

#define NUMBER_CHARS 24

static const struct store_kept_list *kept_of(const struct batch *batch) {
    return batch->plain ? &batch->changes[0]->kept : &batch->kept;
}

/* The logs of the kept entries, each once. Returns which one the entry's is. */
static size_t log_number(const char **logs, size_t *count, const char *log) {
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(logs[i], log) == 0) return i;
    }
    logs[*count] = log;
    return (*count)++;
}

/* The moment after which nobody waits any more for the first of these changes, by the server's clock: the server
 * refuses what it only gets to later, so that nothing takes effect long after its caller was told that it had failed.
 */
static int64_t not_after_ms(const struct batch *batch) {
    uint64_t first = UINT64_MAX, now = redis_store_clock_ms();
    for (size_t i = 0; i < batch->change_count; i++) {
        const struct change *change = batch->changes[i];
        if (change != NULL && change->deadline.at_ms < first) first = change->deadline.at_ms;
    }
    const struct store *store = batch->request.store;
    return clock_of_server_ms(store) + (first > now ? (int64_t)(first - now) : 0) - store->clock_error_ms;
}

struct numbers_text { /* numbers as words; one array, so that the texts stay where they are */
    char (*at)[NUMBER_CHARS];
    size_t used;
};

static void add_number(struct words *words, struct numbers_text *texts, int64_t number) {
    char *text = texts->at[texts->used++];
    snprintf(text, NUMBER_CHARS, "%lld", (long long)number);
    words_add(words, text);
}

static void add_writes(const struct batch *batch, struct words *words, struct numbers_text *texts) {
    static const char *const letters[] = {
        [STORE_CHECK] = "c", [STORE_WRITE] = "w", [STORE_TOMBSTONE] = "t", [STORE_REMOVE] = "r"};
    for (size_t i = 0; i < batch->count; i++) {
        const struct part *part = &batch->parts[i];
        words_add(words, part->slot->name);
        words_add(words, letters[part->action]);
        add_number(words, texts, (int64_t)part->revision);
        add_number(words, texts, part->not_before_ms);
        words_add_bytes(words, part->bytes.bytes, part->action == STORE_WRITE ? part->bytes.length : 0);
    }
}

void batch_send_commit(struct batch *batch) {
    const struct store_kept_list *kept = kept_of(batch);
    struct numbers_text texts = {.at = store_allocate((4 + 2 * batch->count + 2 * kept->count) * NUMBER_CHARS)};
    const char **logs = store_allocate(kept->count * sizeof *logs);
    struct log_keys *log_keys = store_allocate(kept->count * sizeof *log_keys);
    size_t *numbers = store_allocate(kept->count * sizeof *numbers), log_count = 0;
    struct words words = {0};
    words_add_keys(&words, &batch->company->keys);
    for (size_t i = 0; i < kept->count; i++) {
        numbers[i] = log_number(logs, &log_count, kept->at[i].log);
    }
    for (size_t i = 0; i < log_count; i++) {
        log_keys_make(batch->company->name, logs[i], &log_keys[i]);
        words_add(&words, log_keys[i].order);
        words_add(&words, log_keys[i].entries);
    }
    words_add(&words, batch->request.store->lineage);
    add_number(&words, &texts, not_after_ms(batch));
    words_add(&words, batch->company->keys.channel);
    add_number(&words, &texts, STORE_DOORBELL_BYTES_MAX);
    add_number(&words, &texts, (int64_t)batch->count);
    add_number(&words, &texts, (int64_t)kept->count);
    add_writes(batch, &words, &texts);
    for (size_t i = 0; i < kept->count; i++) {
        add_number(&words, &texts, (int64_t)numbers[i]);
        words_add(&words, kept->at[i].id);
        add_number(&words, &texts, kept->at[i].at_ms);
        words_add_bytes(&words, kept->at[i].bytes, kept->at[i].length);
    }
    batch->step = BATCH_COMMITTING;
    batch->sent_ns = uv_hrtime();
    batch->sent_ms = batch->sent_ns / 1000000;
    request_script(&batch->request, SCRIPT_COMMIT, 3 + 2 * log_count, &words);
    words_free(&words);
    free(numbers);
    free(log_keys);
    free(logs);
    free(texts.at);
}
