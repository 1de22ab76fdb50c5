/* What routing remembers between two questions: in which company a number was found, and which companies were asked
 * about. Nothing here is the truth about anything; what is forgotten costs a look into the store. */
#ifndef LEDIG_SERVICE_ROUTING_HINTS_H
#define LEDIG_SERVICE_ROUTING_HINTS_H

#include "broker/service/e164.h"
#include "broker/service/routing.h"
#include "protocol/limits.h"
#include <uthash.h>

#define ROUTING_NUMBERS_MAX 100000 /* some 20 MB */
#define ROUTING_COMPANIES_MAX 4096
#define ROUTING_REPEAT_MS 60000 /* a second question within this loads the company */

struct routing_number {
    UT_hash_handle hh;
    char number[E164_BYTES];
    char company[LEDIG_ID_CHARS_MAX + 1];
};

struct routing_company {
    UT_hash_handle hh;
    uint64_t question; /* that asked last, so that a list of numbers counts once */
    int64_t asked_at_ms;
    char id[LEDIG_ID_CHARS_MAX + 1];
};

/* The company in which the number was last found; NULL = not known. Lent until the next call. */
const char *routing_hint(struct routing *routing, const char *number);
void routing_remember(struct routing *routing, const char *number, const char *company);
void routing_forget(struct routing *routing, const char *number);

/* Notes that the question with this number asks about the company. Whether another did within ROUTING_REPEAT_MS. */
bool routing_note(struct routing *routing, const char *company, uint64_t question, int64_t now_ms);

#endif
