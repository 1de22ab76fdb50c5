/* The countries' numbering plans, as far as they are needed to bring a national number to E.164 and to know which
 * numbers cost more than others: calling code, prefixes, lengths. A table, and what follows from it. It does not say
 * whether a number is in use. Pure.
 *
 * Source: the national numbering plans as the regulators publish them and the ITU lists them (National Numbering Plans,
 * https://www.itu.int/oth/T0202, ITU-T E.129), as of 2025; calling codes from the list of ITU-T E.164. Where a plan
 * leaves it open whether a range costs more, it counts as premium: an employer can allow it by name. */
#ifndef LEDIG_MODEL_NUMBERING_PLAN_H
#define LEDIG_MODEL_NUMBERING_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NUMBERING_DIGITS_MIN 5  /* shorter ones are no subscriber's */
#define NUMBERING_DIGITS_MAX 15 /* ITU-T E.164, section 6 */
#define NUMBERING_BYTES (NUMBERING_DIGITS_MAX + 2)
#define NUMBERING_DIALLED_MAX (NUMBERING_DIGITS_MAX + 3) /* with 011, or with a plus */
#define NUMBERING_CODE_BYTES 5                           /* "+358" */
#define NUMBERING_COUNTRY_DEFAULT "NO"

struct numbering_plan {
    char country[3];           /* ISO 3166-1 alpha-2 */
    char code[4];              /* calling code */
    const char *international; /* prefix that is dialled for other countries, besides the plus and 00 */
    const char *trunk;         /* prefix that is dialled within the country and is no part of the number; "" = none */
    bool needs_trunk;          /* without it, it is a local number, or none */
    uint32_t lengths;          /* of a national number without trunk prefix: bit n = n digits */
    const char *leads;         /* digits that a national number may begin with */
    const char *premium;       /* how dear numbers, and those of other countries under the same code, begin; "15/10" =
                                  only those of ten digits */
};

/* By ISO 3166-1 alpha-2, in capitals; NULL where it is not in the table. `country` NULL is the default. */
const struct numbering_plan *numbering_plan_of(const char *country);

/* What to tell whoever names another: which there are. */
const char *numbering_plan_unknown(void);

/* Reads the digits of a number as people write it, a plus before them where it has one; blanks, dashes, dots, slashes
 * and parentheses are left out, and the "(0)" of "+44 (0)20". 0 or LEDIG_EBAD_REQUEST. */
int numbering_read(const char *text, size_t length, char dialled[static NUMBERING_DIALLED_MAX + 1]);

/* Whether what numbering_read gave says by itself which country is meant: it begins with a plus or 00. */
bool numbering_is_international(const char *dialled);

/* Brings what numbering_read gave to E.164, with its plus. `plan` NULL takes no national numbers. The rule: a plus, 00
 * or the country's own international prefix is followed by a calling code; all else is a national number: its trunk
 * prefix is taken off (where the plan demands one it must be there), length and first digit must be ones of the plan,
 * and the calling code is put before it. 0 or LEDIG_EBAD_REQUEST. The two may be the same memory. */
int numbering_complete(const struct numbering_plan *plan, const char *dialled, char number[static NUMBERING_BYTES]);

/* How a number in E.164 begins of which these digits were dialled so far; "" where that is not known: they begin with
 * no prefix of the plan. */
void numbering_begin(const struct numbering_plan *plan, const char *digits, char begin[static NUMBERING_BYTES]);

/* The calling code of a number in E.164, with its plus; also of countries that are not in the table. */
void numbering_code(const char *number, char code[static NUMBERING_CODE_BYTES]);

/* How many characters of a number in E.164 make it a dear one: the length of "+4782"; 0 = it is not known to be one. */
size_t numbering_premium(const char *number);

#endif
