/* All that is held on one person, read from the store and told as one document: to the person, or to an administrator
 * who answers for them. Which person may be told was checked before; that it was told stands in the person's activity
 * log. Holds no secret: not the password, no token, no key, nor a hash of one. Ends by itself. */
#ifndef LEDIG_SERVICE_SUBJECT_H
#define LEDIG_SERVICE_SUBJECT_H

#include "broker/service/http_exchange.h"
#include "broker/service/service.h"
#include "broker/service/update.h"

#include <jansson.h>

#define SUBJECTS_MAX 4          /* read at one time by a worker: a long history takes some megabytes meanwhile */
#define SUBJECT_ROWS_MAX 100000 /* of one log: 250 calls a day for as long as a history may be kept */

enum subject_form { SUBJECT_JSON, SUBJECT_PAGE };

struct subject_question {
    const char *company, *user;
    const char *actor; /* an administrator; NULL = the person */
    bool brief;        /* only what stands: no logs; it is not noted as an export */
    enum subject_form form;
    const char *language; /* of the page: nb, en; NULL = as in the company's country */
};

/* Answers the exchange, later. The question is copied. */
void subject_tell(struct service *service, const struct subject_question *question, struct http_exchange *exchange);

/* Takes `format` and `lang` from the query; false after an answer. The texts are constants. */
bool subject_take_form(const struct http_request *request, struct http_exchange *exchange,
                       struct subject_question *question);

/* ---- For its parts ---- */

/* What records hold, as JSON. NULL: out of memory. */
json_t *subject_profile(const struct profile_record *profile);
json_t *subject_consents(const struct profile_record *profile);
json_t *subject_state(const struct state_record *state);
json_t *subject_access(const struct access_record *access);
json_t *subject_call(const struct past_call_record *call);
json_t *subject_activity(const struct activity_record *activity);
json_t *subject_security(const struct security_record *security);
json_t *subject_audit(const struct audit_record *audit);

/* The document as a page to be read, in "nb" or "en". False: out of memory. */
bool subject_page(const json_t *document, const char *language, struct buffer *page);

#endif
