/* Telephone numbers as people write them, brought to the one form that is stored and compared: E.164 with its plus. */
#ifndef LEDIG_SERVICE_E164_H
#define LEDIG_SERVICE_E164_H

#include <stddef.h>

#define E164_DIGITS_MIN 5  /* shorter ones are no subscriber's */
#define E164_DIGITS_MAX 15 /* ITU-T E.164, section 6 */
#define E164_BYTES (E164_DIGITS_MAX + 2)

/* Takes out blanks, dashes and parentheses; a leading 00 is a plus. 0 or LEDIG_EBAD_REQUEST. */
int e164_parse(const char *text, size_t length, char number[static E164_BYTES]);

#endif
