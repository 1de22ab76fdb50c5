#include "broker/service/company_terms.h"
#include "broker/service/activity.h"
#include "broker/service/member_change.h"

#include <string.h>

#define PEOPLE_MAX 10000000 /* a slip of the finger */

/* ---- Reading ---- */

static bool read_texts(const struct edit *edit, struct json_reader *reader, struct company_terms *terms) {
    json_t *map = json_object_get(edit->document, "consent_texts"), *value;
    const char *name;
    if (!map || json_is_null(map)) return true;
    if (!json_is_object(map))
        return json_reader_fail(reader, "consent_texts", "must be an object: purpose → version of the text");
    struct consent_text *list = arena_take(edit->arena, (json_object_size(map) + 1) * sizeof *list);
    if (!list) return json_reader_fail(reader, "consent_texts", "out of memory");
    json_object_foreach(map, name, value) {
        const char *purpose = consent_purpose(name), *version = json_string_value(value);
        if (!purpose)
            return json_reader_fail(reader, "consent_texts", "there are presence, call_history, analytics, marketing");
        if (!version || !*version || roster_rules_text(version, strlen(version)) ||
            shape_characters(version, strlen(version)) > LEDIG_WORD_CHARS_MAX)
            return json_reader_fail(reader, "consent_texts", "a version has 1 to 32 characters");
        list[terms->texts.count++] = (struct consent_text){.purpose = purpose, .version = version};
    }
    terms->texts.at = list;
    terms->texts.present = true;
    return true;
}

static bool read_days(const struct edit *edit, struct json_reader *reader, struct company_terms *terms) {
    const json_t *days = json_object_get(edit->document, "activity_days");
    if (!days || json_is_null(days)) return true;
    if (!json_is_integer(days) || json_integer_value(days) < 1 ||
        json_integer_value(days) > RETENTION_DAYS_MAX_activity)
        return json_reader_fail(reader, "activity_days", "must be a number from 1 to 1100");
    terms->activity_days = json_integer_value(days); /* a GET gives the default, too */
    if (terms->activity_days == RETENTION_DAYS_activity) terms->activity_days = 0;
    return true;
}

bool company_terms_read(const struct edit *edit, struct json_reader *reader, struct company_terms *terms) {
    terms->says_people_max = json_object_get(edit->document, "people_max") != NULL;
    return read_texts(edit, reader, terms) && read_days(edit, reader, terms) &&
           json_reader_number(reader, edit->document, "people_max", PEOPLE_MAX, &terms->people_max) &&
           json_reader_text(reader, edit->document, "contact", LEDIG_NAME_CHARS_MAX, &terms->contact);
}

/* ---- Merging ---- */

static bool same_texts(const struct list *one, const struct list *other) {
    const struct consent_text *a = one->at, *b = other->at;
    bool same = one->count == other->count;
    for (uint32_t i = 0; same && i < one->count; i++)
        same = strcmp(a[i].purpose, b[i].purpose) == 0 && strcmp(a[i].version, b[i].version) == 0;
    return same;
}

/* An administrator may send back what a GET gave; and a PUT that does not name it leaves it. */
static int merge_order(struct edit *edit, const struct company_terms *terms, struct company_record *company) {
    bool says = terms->says_people_max || (edit->by_operator && edit_says(edit, "people_max"));
    if (!says || company->people_max == terms->people_max) return 0;
    if (!edit->by_operator)
        return edit_fault(edit, LEDIG_EFORBIDDEN, "people_max",
                          "this is what was ordered: ask whoever runs the service");
    company->people_max = terms->people_max;
    return 1;
}

int company_terms_merge(struct edit *edit, const struct company_terms *terms, struct company_record *company) {
    int changes = merge_order(edit, terms, company);
    if (changes < 0) return changes;
    if (edit_says(edit, "consent_texts") && !same_texts(&company->consent_texts, &terms->texts)) {
        company->consent_texts = terms->texts;
        changes = 1;
    }
    if (edit_says(edit, "activity_days") && company->activity_days != terms->activity_days) {
        company->activity_days = terms->activity_days;
        changes = 1;
    }
    if (edit_says(edit, "contact") && !shape_same_text(company->contact, terms->contact)) {
        company->contact = terms->contact;
        changes = 1;
    }
    return changes;
}

/* ---- Telling ---- */

void company_terms_tell(const struct company_record *company, json_t *document) {
    const struct consent_text *texts = company->consent_texts.at;
    json_t *map = company->consent_texts.count > 0 ? json_object() : NULL;
    for (uint32_t i = 0; map && i < company->consent_texts.count; i++)
        json_object_set_new(map, texts[i].purpose, json_string(texts[i].version));
    if (map) json_object_set_new(document, "consent_texts", map);
    json_object_set_new(document, "activity_days",
                        json_integer((json_int_t)retention_days(RETENTION_activity, company)));
    if (company->people_max) json_object_set_new(document, "people_max", json_integer((json_int_t)company->people_max));
    if (company->contact) json_object_set_new(document, "contact", json_string(company->contact));
}
