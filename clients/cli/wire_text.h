/* Texts of the command line on their way to the broker: what it would refuse is told before anything is sent. Pure. */
#ifndef LEDIG_CLI_WIRE_TEXT_H
#define LEDIG_CLI_WIRE_TEXT_H

#include <stddef.h>

#define WIRE_TEXT_FAULT_BYTES 96

/* What is wrong with a text that people will read, as the end of a sentence ("is longer than 200 characters: it has
 * 201"). 0, or LEDIG_EBAD_REQUEST and `fault` is filled. Control characters are refused, too: a note is one line. */
int wire_text_check(const char *text, size_t chars_max, char fault[static WIRE_TEXT_FAULT_BYTES]);

#endif
