/* Who has a number, within the company. The store sees to it that nobody shares one; where a number goes from one to
 * another, the last to take it has it. */
#include "broker/model/company_state.h"

#include <stdlib.h>

static struct number *find(const struct company *company, const char *text) {
    struct number *number;
    HASH_FIND_STR(company->numbers, text, number);
    return number;
}

const struct number *number_find(const struct company *company, const char *text) {
    return find(company, text);
}

static struct number *number_create(struct company *company, const char *text) {
    size_t length = strlen(text);
    struct number *number = calloc(1, sizeof *number + length + 1);
    if (number == NULL) return NULL;
    memcpy(number->text, text, length + 1);
    HASH_ADD_KEYPTR(hh, company->numbers, number->text, length, number);
    if (number->hh.tbl == NULL) {
        free(number);
        return NULL;
    }
    return number;
}

int numbers_take(struct company *company, const struct texts *numbers, struct member *member, struct queue *queue) {
    for (uint32_t i = 0; i < numbers->count; i++) {
        struct number *number = find(company, numbers->at[i]);
        if (number == NULL) number = number_create(company, numbers->at[i]);
        if (number == NULL) return LEDIG_ENO_MEMORY;
        number->member = member;
        number->queue = queue;
    }
    return 0;
}

void numbers_give(struct company *company, const struct texts *numbers, const struct member *member,
                  const struct queue *queue) {
    for (uint32_t i = 0; i < numbers->count; i++) {
        struct number *number = find(company, numbers->at[i]);
        if (number == NULL || number->member != member || number->queue != queue) continue;
        HASH_DEL(company->numbers, number);
        free(number);
    }
}
