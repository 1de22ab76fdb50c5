#include "broker/model/forward_rule.h"
#include "broker/model/numbering_plan.h"

#include <string.h>

static bool lets_through(const char *prefix, const char *number, size_t dear) {
    size_t length = strlen(prefix);
    return length >= dear && strncmp(prefix, number, length) == 0;
}

bool forward_rule_allows(const struct company_record *company, const char *number) {
    size_t dear = numbering_premium(number);
    if (company == NULL || !company->forward_prefixes.present) {
        char own[NUMBERING_CODE_BYTES] = "+", code[NUMBERING_CODE_BYTES];
        const struct numbering_plan *plan = numbering_plan_of(company != NULL ? company->country : NULL);
        if (plan == NULL) return false; /* of a later version's table */
        memcpy(own + 1, plan->code, strlen(plan->code) + 1);
        numbering_code(number, code);
        return dear == 0 && strcmp(own, code) == 0;
    }
    for (uint32_t i = 0; i < company->forward_prefixes.count; i++)
        if (lets_through(company->forward_prefixes.at[i], number, dear)) return true;
    return false;
}

bool forward_rule_is_prefix(const char *text) {
    if (text[0] != '+' || text[1] < '1' || text[1] > '9') return false;
    size_t digits = strspn(text + 1, "0123456789");
    return text[1 + digits] == '\0' && digits <= NUMBERING_DIGITS_MAX;
}
