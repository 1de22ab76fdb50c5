/* The employer of everybody in a bench: brings the companies into the broker the way that any employer does, through
 * POST /v1/companies/{c}/import, and mints the tokens with the broker's own key. */
#ifndef LEDIG_BENCH_EMPLOYER_H
#define LEDIG_BENCH_EMPLOYER_H

#include "bench/subject.h"
#include "broker/identity/token.h"

#define EMPLOYER_PEOPLE_MAX 100000 /* u00000 … u99999 in one company */
#define EMPLOYER_ID_CHARS 16
#define EMPLOYER_NUMBER_CHARS 17 /* E.164 with its plus */

struct employer {
    const struct subject *subject;
    struct token_key *key;
    const char *queue; /* to which everybody is assigned; NULL = none */
};

/* Opens the broker's key. 0, or an error after a complaint. */
int employer_open(struct employer *employer, const struct subject *subject);
void employer_close(struct employer *employer);

/* "bench-00042" and "u00042". */
void employer_company(uint32_t number, char id[static EMPLOYER_ID_CHARS]);
void employer_person(uint32_t number, char id[static EMPLOYER_ID_CHARS]);

/* A person's number, "+47110004200007": one that no subscriber has, and the same in every run. */
void employer_number(uint32_t company, uint32_t person, char number[static EMPLOYER_NUMBER_CHARS]);

/* A token for somebody of a company, good for a day. 0 or LEDIG_E…. */
int employer_token(const struct employer *employer, uint32_t company, const char *user, enum role role,
                   char token[static LEDIG_TOKEN_CHARS_MAX + 1]);

/* A token for a router that may ask about every company. 0 or LEDIG_E…. */
int employer_router_token(const struct employer *employer, char token[static LEDIG_TOKEN_CHARS_MAX + 1]);

/* Imports company `number` with that many people, each with a name, a department and a number of their own. Blocks. 0,
 * or an error after a complaint. */
int employer_import(const struct employer *employer, uint32_t number, uint32_t people);

#endif
