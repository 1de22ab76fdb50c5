#include "broker/service/routing_hints.h"

#include <stdio.h>
#include <stdlib.h>

/* A uthash keeps the order of insertion: what was used goes to the end, and the first gives way. */
static struct routing_number *find_number(struct routing *routing, const char *number) {
    struct routing_number *hint = NULL;
    HASH_FIND_STR(routing->numbers, number, hint);
    return hint;
}

const char *routing_hint(struct routing *routing, const char *number) {
    struct routing_number *hint = find_number(routing, number);
    return hint ? hint->company : NULL;
}

void routing_forget(struct routing *routing, const char *number) {
    struct routing_number *hint = find_number(routing, number);
    if (!hint) return;
    HASH_DEL(routing->numbers, hint);
    free(hint);
}

void routing_remember(struct routing *routing, const char *number, const char *company) {
    struct routing_number *hint = find_number(routing, number);
    if (hint) {
        HASH_DEL(routing->numbers, hint);
    } else if (HASH_COUNT(routing->numbers) >= ROUTING_NUMBERS_MAX) {
        hint = routing->numbers;
        HASH_DEL(routing->numbers, hint);
    } else {
        hint = malloc(sizeof *hint);
        if (!hint) return; /* it was only a hint */
    }
    snprintf(hint->number, sizeof hint->number, "%s", number);
    snprintf(hint->company, sizeof hint->company, "%s", company);
    HASH_ADD_STR(routing->numbers, number, hint);
}

bool routing_note(struct routing *routing, const char *id, uint64_t question, int64_t now_ms) {
    struct routing_company *company = NULL;
    HASH_FIND_STR(routing->companies, id, company);
    bool again = company && company->question != question && now_ms - company->asked_at_ms < ROUTING_REPEAT_MS;
    if (company) {
        HASH_DEL(routing->companies, company);
    } else if (HASH_COUNT(routing->companies) >= ROUTING_COMPANIES_MAX) {
        company = routing->companies;
        HASH_DEL(routing->companies, company);
    } else {
        company = malloc(sizeof *company);
        if (!company) return false;
    }
    snprintf(company->id, sizeof company->id, "%s", id);
    company->question = question;
    company->asked_at_ms = now_ms;
    HASH_ADD_STR(routing->companies, id, company);
    return again;
}

void routing_close(struct routing *routing) {
    struct routing_number *hint, *next_hint;
    HASH_ITER(hh, routing->numbers, hint, next_hint) {
        HASH_DEL(routing->numbers, hint);
        free(hint);
    }
    struct routing_company *company, *next_company;
    HASH_ITER(hh, routing->companies, company, next_company) {
        HASH_DEL(routing->companies, company);
        free(company);
    }
}
