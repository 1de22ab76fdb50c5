/* Tokens of a company's own identity provider: JWTs that the company's settings say how to check (RFC 8725): issuer and
 * audience are theirs, the key is one of theirs and is used with its own algorithm alone, and the times hold. Nothing
 * that a token says of itself is believed before its signature. Pure; settings are lent for the call. */
#ifndef LEDIG_IDENTITY_PROVIDER_H
#define LEDIG_IDENTITY_PROVIDER_H

#include "broker/identity/token.h"
#include "broker/model/record.h"

#define PROVIDER_SKEW_MS 60000         /* its clock may be ahead of ours by so much */
#define PROVIDER_TTL_MS_MAX 86400000LL /* such a token cannot be taken back: a day at the most */
#define PROVIDER_HEAD_BYTES_MAX 1024

/* Whether it has the form of such a token, so that it is worth looking for a company; costs little. */
bool provider_may_have_made(const char *token);

/* 0, or LEDIG_EUNAUTHORIZED without a hint. `settings` NULL: no such company. */
int provider_check(const struct company_record *settings, const char *token, int64_t now_ms,
                   struct token_claims *claims);

#endif
