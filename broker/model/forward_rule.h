/* Where calls may be forwarded to outside of the company: which numbers its settings allow. A stolen telephone must not
 * become a toll machine. Says nothing of numbers within the company: those are always allowed. Pure. */
#ifndef LEDIG_MODEL_FORWARD_RULE_H
#define LEDIG_MODEL_FORWARD_RULE_H

#include "broker/model/record.h"

/* A number in E.164. A prefix of the company's list allows what begins with it, but numbers that are known to be dear
 * only where it names them: +47 does not allow +4782…, +4782 does. Without a list, the company's own country stands in
 * it alone. `company` NULL = no settings. */
bool forward_rule_allows(const struct company_record *company, const char *number);

/* "+" and 1 to 15 digits, the first none that no country begins with. */
bool forward_rule_is_prefix(const char *text);

#endif
