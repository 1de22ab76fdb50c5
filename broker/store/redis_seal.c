/* Records between the caller's form and the one that the server gets, where the caller seals. */
#include "broker/store/redis_store.h"

static const uint8_t nothing[1]; /* what is told of a record that cannot be opened */

int record_seal(struct store *store, const char *company, const char *entity, const struct buffer *plain,
                struct buffer *sealed) {
    const struct store_seal *seal = &store->options.seal;
    buffer_clear(sealed);
    return seal->seal(seal->arg, company, entity, plain->bytes ? plain->bytes : nothing, plain->length, sealed);
}

int record_open(struct store *store, const char *company, struct store_record *record) {
    const struct store_seal *seal = &store->options.seal;
    struct buffer *plain = &store->opened;
    if (seal->open == NULL || record->bytes == NULL) return 0;
    buffer_clear(plain);
    int error = seal->open(seal->arg, company, record->entity, record->bytes, record->length, plain);
    if (error == LEDIG_ENO_MEMORY) return error;
    record->seal_is_old = error > 0;
    record->length = error < 0 ? 0 : plain->length;
    record->bytes = nothing;
    if (record->length == 0) return 0;
    uint8_t *kept = arena_take(store->opened_records, record->length);
    if (kept == NULL) return LEDIG_ENO_MEMORY;
    record->bytes = memcpy(kept, plain->bytes, plain->length);
    return 0;
}

void opened_forget(struct store *store) {
    arena_reset(store->opened_records);
}
