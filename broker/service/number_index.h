/* Brings the index of numbers into line with what the records of one company say. The index cannot be changed in one
 * step with a record: numbers are taken before the commit that needs them, and given back after the one that frees
 * them. So whoever has changed a record settles its numbers afterwards: reads what stands, takes what the index lacks,
 * gives back what the record has no longer, and looks again until there is nothing to do. Of two that change the same
 * at the same time the later one leaves it right, and the earlier one finds that it has. */
#ifndef LEDIG_SERVICE_NUMBER_INDEX_H
#define LEDIG_SERVICE_NUMBER_INDEX_H

#include "broker/service/service.h"

#define NUMBER_INDEX_ITEMS_MAX 500

struct number_item {
    const char *number; /* in E.164 */
    const char *id;     /* of the person or queue that has it, or had it */
    bool is_queue;
    bool is_hashed; /* both are hashes, as they stand in the index */
};

/* Error: LEDIG_EUNAVAILABLE (something may have been put right), LEDIG_ENO_MEMORY, LEDIG_EDAMAGED. */
typedef void (*number_index_done)(void *arg, int error);

/* At most NUMBER_INDEX_ITEMS_MAX; all is copied. Never calls back at once. LEDIG_ENO_MEMORY: nothing was begun. A
 * number that a record has and the index knows as another's is left alone: the log tells. */
int number_index_settle(struct service *service, const char *company, const struct number_item *items, size_t count,
                        number_index_done done, void *arg);

/* Only looks: which of them are not in line, in their order. Lent for the call; NULL with an error. */
typedef void (*number_index_checked)(void *arg, int error, const bool *wrong);
int number_index_check(struct service *service, const char *company, const struct number_item *items, size_t count,
                       number_index_checked checked, void *arg);

/* The index holds hashes of the numbers (entity_hash), and so do the owners that it names (roster_rules_owner). As the
 * functions of store.h otherwise. */
void number_index_find(struct service *service, const char *const *numbers, size_t count, store_numbers_found found,
                       void *arg);
void number_index_take(struct service *service, const char *const *numbers, const char *const *owners, size_t count,
                       store_numbers_done done, void *arg);
void number_index_give(struct service *service, const char *const *numbers, const char *const *owners, size_t count,
                       store_done done, void *arg);

#endif
