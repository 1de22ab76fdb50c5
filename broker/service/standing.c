#include "broker/service/standing.h"

enum role standing_role(const struct company *company, const char *user) {
    const struct member *member = company_member(company, user);
    enum role role;
    return member && role_parse(member_profile(member)->role, &role) && role <= ROLE_ADMIN ? role : ROLE_MEMBER;
}

bool standing_is_asked(const struct token_claims *claims) {
    return claims->role <= ROLE_ADMIN && (claims->login[0] || claims->by_provider);
}

int standing_check(const struct company *company, struct token_claims *claims) {
    if (!company_member(company, claims->user)) return LEDIG_EUNAUTHORIZED;
    if (!company_admits(company, claims->user, claims->login, claims->issued_at_ms)) return LEDIG_EUNAUTHORIZED;
    if (token_follows_profile(claims)) claims->role = standing_role(company, claims->user);
    return 0;
}
