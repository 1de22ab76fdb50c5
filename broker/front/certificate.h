/* The certificate of a port: its chain and its private key, read from two PEM files as one pair that is known
 * to work. It never writes, and never says more of a file than its name and what is wrong with it. Whoever opened one
 * frees it; handshakes under way keep what they need of it. */
#ifndef LEDIG_FRONT_CERTIFICATE_H
#define LEDIG_FRONT_CERTIFICATE_H

#include <openssl/ssl.h>
#include <stddef.h>
#include <stdint.h>

#define CERTIFICATE_FILE_BYTES_MAX (256 * 1024) /* a chain with its comments has some 10 KiB */

struct certificate_files {
    const char *cert_path, *key_path; /* NULL: there is none */
    const char *prefix;               /* of the flags that name them, for what is said: "", or "router-" */
};

struct certificate {
    X509 *leaf;
    STACK_OF(X509) * chain; /* between the leaf and the root, maybe empty */
    EVP_PKEY *key;
};

/* Which files they were, so that a renewal is seen: times in nanoseconds, 0 where there is no file. */
struct certificate_stamp {
    int64_t cert_changed_ns, key_changed_ns;
    uint64_t cert_inode, key_inode;
    int64_t cert_bytes, key_bytes;
};

/* Reads both. The key must not be open to others than its owner and group. On failure LEDIG_EBAD_REQUEST (LEDIG_EIO
 * where a file cannot be read) with a line for the operator in `why`. */
int certificate_open(const struct certificate_files *files, struct certificate **certificate, char *why, size_t size);

void certificate_free(struct certificate *certificate); /* NULL is none */

/* Gives it to a connection that is being made. 0 or LEDIG_EIO. */
int certificate_use(const struct certificate *certificate, SSL *ssl);

/* Seconds until it expires; negative when it has. */
int64_t certificate_seconds_left(const struct certificate *certificate);

/* What the files are now. */
void certificate_stamp(const struct certificate_files *files, struct certificate_stamp *stamp);

#endif
