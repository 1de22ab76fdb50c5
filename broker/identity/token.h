/* Tokens: who is this, of which company, in which role? JWTs signed with the broker's own key (HS256).
 *
 * The key is made at the first start and kept in the data directory with mode 0600; whoever can read it can mint
 * tokens. Nothing here logs a token or a part of one. Re-entrant, but for one key at a time. */
#ifndef LEDIG_IDENTITY_TOKEN_H
#define LEDIG_IDENTITY_TOKEN_H

#include "broker/identity/secret.h"
#include "protocol/errors.h"
#include "protocol/limits.h"
#include <stdbool.h>
#include <stdint.h>

#define TOKEN_COMPANIES_BYTES_MAX 2048      /* companies of one router */
#define TOKEN_TTL_MS_MAX (366LL * 86400000) /* longer than any use: a slip of the finger */

enum role { ROLE_MEMBER, ROLE_SWITCHBOARD, ROLE_LEAD, ROLE_ADMIN, ROLE_ROUTER, ROLE_OPERATOR, ROLE_COUNT };

/* "member", …; and back: false where the name is none of them. */
const char *role_name(enum role role);
bool role_parse(const char *name, enum role *role);

struct token_key;

/* Reads DATA/token.key; with `create`, makes it where there is none (never overwrites). LEDIG_ENOT_FOUND, LEDIG_EIO
 * (see errno), LEDIG_EDAMAGED, or LEDIG_EFORBIDDEN where others may read the file. */
int token_key_open(const char *data_dir, bool create, struct token_key **key);
void token_key_close(struct token_key *key); /* wipes it; NULL is fine */

struct token_claims {
    char user[LEDIG_ID_CHARS_MAX + 1];
    char companies[TOKEN_COMPANIES_BYTES_MAX]; /* one id; for a router ids separated by blanks, or "*" */
    enum role role;
    char login[LOGIN_ID_CHARS + 1];      /* the log-in that it comes from; "" = none: minted by the operator */
    int64_t issued_at_ms, expires_at_ms; /* whole seconds in the token */
    bool by_provider;                    /* made by the company's own identity provider: see provider.h */
    bool names_role;                     /* such a one, and it tells the role */
};

/* Whether the role is the one that the person's profile says, and not the token. */
bool token_follows_profile(const struct token_claims *claims);

/* Writes a signed token. LEDIG_EBAD_REQUEST where a claim has a form that it cannot have (several companies are for
 * routers, "*" for routers and operators), LEDIG_ETOO_LARGE, LEDIG_ENO_MEMORY. */
int token_mint(const struct token_key *key, const struct token_claims *claims,
               char token[static LEDIG_TOKEN_CHARS_MAX + 1]);

/* Checks signature, algorithm, form and times. Anything wrong is LEDIG_EUNAUTHORIZED, without a hint. */
int token_check(const struct token_key *key, const char *token, int64_t now_ms, struct token_claims *claims);

/* Whether the claims are good for this company. */
bool token_covers(const struct token_claims *claims, const char *company);

#endif
