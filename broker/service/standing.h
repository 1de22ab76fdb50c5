/* How the bearer of a token stands with the company now: still one of its people, still logged in, and in which role.
 * A token tells how that was when it was made. */
#ifndef LEDIG_SERVICE_STANDING_H
#define LEDIG_SERVICE_STANDING_H

#include "broker/identity/token.h"
#include "broker/model/company.h"

/* What the person's profile says; ROLE_MEMBER for one who is not there. */
enum role standing_role(const struct company *company, const char *user);

/* Whether the token has to be asked of its company at all: the operator's own speak for themselves. */
bool standing_is_asked(const struct token_claims *claims);

/* 0, and the role where that is the profile's; LEDIG_EUNAUTHORIZED: logged out, or not there any more. */
int standing_check(const struct company *company, struct token_claims *claims);

#endif
