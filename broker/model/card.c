/* The cards of those who have a profile: what a search may need of each, close together in memory. */
#include "broker/model/company_state.h"

#include <stdlib.h>

int card_reserve(struct company *company) {
    if (company->members_count < company->cards_capacity) return 0;
    size_t capacity = company->cards_capacity + company->cards_capacity / 4 + 16;
    struct card *cards = realloc(company->cards, capacity * sizeof *cards);
    if (cards == NULL) return LEDIG_ENO_MEMORY;
    company->cards = cards;
    company->cards_capacity = capacity;
    return 0;
}

/* The last one takes the place of one that is given back. */
void card_give_back(struct company *company, struct member *member) {
    struct card *last = &company->cards[--company->members_count];
    company->cards[member->card] = *last;
    last->member->card = member->card;
}

void card_set(struct company *company, struct member *member, const struct profile_record *before) {
    if (before != NULL && member->profile == NULL) card_give_back(company, member);
    if (before == NULL && member->profile != NULL) member->card = company->members_count++;
    if (member->profile != NULL) company->cards[member->card] = (struct card){search_marks(member->profile), member};
}
