/* A short name for a pair of texts that nobody can choose so that it meets another's: the first 96 bits of SHA-256. */
#ifndef LEDIG_IDENTITY_FINGERPRINT_H
#define LEDIG_IDENTITY_FINGERPRINT_H

#define FINGERPRINT_CHARS 24

/* Of `first`, a zero byte, and `second`; in hex. LEDIG_ENO_MEMORY. */
int fingerprint(const char *first, const char *second, char hex[static FINGERPRINT_CHARS + 1]);

#endif
