/* Telephone numbers as people write them, brought to the one form that is stored and compared: E.164 with its plus. The
 * rules are those of model/numbering_plan.h. */
#ifndef LEDIG_SERVICE_E164_H
#define LEDIG_SERVICE_E164_H

#include "broker/model/numbering_plan.h"

#include <stddef.h>

#define E164_DIGITS_MIN NUMBERING_DIGITS_MIN
#define E164_DIGITS_MAX NUMBERING_DIGITS_MAX
#define E164_BYTES NUMBERING_BYTES

/* `plan` NULL: only what says its country by a plus or 00. 0 or LEDIG_EBAD_REQUEST. */
int e164_parse_in(const struct numbering_plan *plan, const char *text, size_t length, char number[static E164_BYTES]);

int e164_parse(const char *text, size_t length, char number[static E164_BYTES]);

#endif
