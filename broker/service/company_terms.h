/* Those of a company's settings that are about its people's data: which text is shown for each consent, how long logs
 * are kept, whom to ask; and for how many people the service was ordered. Read from a body, merged into the record,
 * told. */
#ifndef LEDIG_SERVICE_COMPANY_TERMS_H
#define LEDIG_SERVICE_COMPANY_TERMS_H

#include "broker/service/edit.h"

struct company_terms {
    struct list texts; /* struct consent_text; what a PUT or PATCH says of it replaces all */
    int64_t activity_days;
    const char *contact;
    int64_t people_max; /* 0 = any number */
    bool says_people_max;
};

#define COMPANY_TERMS_FIELDS "consent_texts", "activity_days", "contact", "people_max"

/* False: noted in the reader. */
bool company_terms_read(const struct edit *edit, struct json_reader *reader, struct company_terms *terms);

/* 1: that is a change; 0; or an error, of which edit_fault knows: what is ordered is for the operator to say. */
int company_terms_merge(struct edit *edit, const struct company_terms *terms, struct company_record *company);

void company_terms_tell(const struct company_record *company, json_t *document);

#endif
