/* Those of a company's settings that are about its people's data: which text is shown for each consent, how long logs
 * are kept, and whom to ask. Read from a body, merged into the record, told. */
#ifndef LEDIG_SERVICE_COMPANY_TERMS_H
#define LEDIG_SERVICE_COMPANY_TERMS_H

#include "broker/service/edit.h"

struct company_terms {
    struct list texts; /* struct consent_text; what a PUT or PATCH says of it replaces all */
    int64_t activity_days;
    const char *contact;
};

#define COMPANY_TERMS_FIELDS "consent_texts", "activity_days", "contact"

/* False: noted in the reader. */
bool company_terms_read(const struct edit *edit, struct json_reader *reader, struct company_terms *terms);

/* Whether that is a change. */
bool company_terms_merge(const struct edit *edit, const struct company_terms *terms, struct company_record *company);

void company_terms_tell(const struct company_record *company, json_t *document);

#endif
