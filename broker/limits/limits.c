#include "broker/limits/limits.h"
#include "broker/limits/peer_table.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS 1000000u
#define RETRY_CEILING_MS 5000 /* nobody knows when one of the others goes */
#define PEERS_MAX 16384       /* of one worker, 64 bytes each */
#define PEOPLE_MAX 8192
#define FILLING_S_MAX 2592000 /* of an empty bucket; far below what nanoseconds hold */

struct prefix {
    uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d (RFC 4291, section 2.5.5.2) */
    unsigned bits;
};

struct limits {
    struct limit settings[LIMIT_COUNT];
    uint64_t cost_ns[LIMIT_COUNT];  /* of one */
    uint64_t burst_ns[LIMIT_COUNT]; /* of all that a full bucket has; 0 = no limit */
    uint64_t *refused;
    uint64_t nobody[LIMIT_COUNT]; /* where the caller gave no counters */
    size_t connections;           /* trusted ones too */
    size_t trusted_count;
    struct prefix trusted[LIMITS_TRUSTED_MAX];
    uint8_t key[crypto_shorthash_KEYBYTES];
    struct peer_table *peers, *people;
};

/* ---- The table of them ---- */

static const struct {
    const char *name;
    bool is_rate;
} names[LIMIT_COUNT] = {
#define RATE(name, flag, standard, meaning) {#name, true},
#define CEILING(name, flag, standard, meaning) {#name, false},
#include "broker/limits/limits.def"
#undef RATE
#undef CEILING
};

const char *limit_text(enum limit_name name) {
    return names[name].name;
}

bool limit_parse(enum limit_name name, const char *text, struct limit *limit) {
    unsigned burst, count, seconds;
    int end = 0;
    *limit = (struct limit){0};
    if (strcmp(text, "off") == 0) return true;
    if (strlen(text) >= LIMIT_TEXT_BYTES || strspn(text, "0123456789:/") != strlen(text)) return false;
    if (!names[name].is_rate) {
        if (sscanf(text, "%9u%n", &burst, &end) != 1 || text[end] || burst == 0) return false;
        *limit = (struct limit){.burst = burst};
        return true;
    }
    if (sscanf(text, "%9u:%9u/%5u%n", &burst, &count, &seconds, &end) != 3 || text[end]) return false;
    if (burst == 0 || count == 0 || seconds == 0) return false;
    if ((uint64_t)burst * seconds / count > FILLING_S_MAX) return false;
    *limit = (struct limit){burst, count, seconds};
    return true;
}

int limit_print(enum limit_name name, const struct limit *limit, char *text, size_t size) {
    if (limit->burst == 0) return snprintf(text, size, "off");
    if (!names[name].is_rate) return snprintf(text, size, "%u", limit->burst);
    return snprintf(text, size, "%u:%u/%u", limit->burst, limit->count, limit->seconds);
}

/* ---- Addresses ---- */

static void map_v4(const void *address, uint8_t bytes[static 16]) {
    memset(bytes, 0, 10);
    bytes[10] = bytes[11] = 0xff;
    memcpy(bytes + 12, address, 4);
}

static bool is_v4(const uint8_t bytes[static 16]) {
    static const uint8_t start[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(bytes, start, sizeof start) == 0;
}

static bool parse_prefix(const char *text, size_t length, struct prefix *prefix) {
    char copy[INET6_ADDRSTRLEN + 4];
    uint8_t v4[4];
    unsigned bits = 0;
    int end = 0;
    if (length >= sizeof copy) return false;
    memcpy(copy, text, length);
    copy[length] = 0;
    char *slash = strchr(copy, '/');
    if (slash) *slash++ = 0;
    if (slash && (sscanf(slash, "%3u%n", &bits, &end) != 1 || slash[end])) return false;
    if (inet_pton(AF_INET, copy, v4) == 1) {
        map_v4(v4, prefix->bytes);
        prefix->bits = 96 + (slash ? bits : 32);
    } else if (inet_pton(AF_INET6, copy, prefix->bytes) == 1) {
        prefix->bits = slash ? bits : 128;
    } else {
        return false;
    }
    return prefix->bits <= 128;
}

/* -1 where one of them is none, or they are too many. */
static int parse_list(const char *text, struct prefix list[static LIMITS_TRUSTED_MAX]) {
    int count = 0;
    for (text += strspn(text, ", "); *text; text += strspn(text, ", ")) {
        size_t length = strcspn(text, ", ");
        if (count == LIMITS_TRUSTED_MAX || !parse_prefix(text, length, &list[count++])) return -1;
        text += length;
    }
    return count;
}

bool limits_are_addresses(const char *text) {
    struct prefix list[LIMITS_TRUSTED_MAX];
    return parse_list(text, list) >= 0;
}

static bool covers(const struct prefix *prefix, const uint8_t bytes[static 16]) {
    unsigned whole = prefix->bits / 8, rest = prefix->bits % 8;
    if (memcmp(prefix->bytes, bytes, whole) != 0) return false;
    return rest == 0 || ((prefix->bytes[whole] ^ bytes[whole]) >> (8 - rest)) == 0;
}

static uint64_t hash_of(const struct limits *limits, const void *bytes, size_t length) {
    uint64_t hash = 0;
    _Static_assert(sizeof hash == crypto_shorthash_BYTES, "SipHash gives 64 bits");
    crypto_shorthash((unsigned char *)&hash, bytes, length, limits->key);
    return hash ? hash : 1;
}

uint64_t limits_peer(const struct limits *limits, const struct sockaddr *address) {
    uint8_t bytes[16];
    if (!limits) return 0;
    if (address->sa_family == AF_INET)
        map_v4(&((const struct sockaddr_in *)(const void *)address)->sin_addr, bytes);
    else if (address->sa_family == AF_INET6)
        memcpy(bytes, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, sizeof bytes);
    else
        return 0; /* not of a network */
    for (size_t i = 0; i < limits->trusted_count; i++)
        if (covers(&limits->trusted[i], bytes)) return 0;
    return hash_of(limits, bytes, is_v4(bytes) ? 16 : 8);
}

/* ---- Taking ---- */

static uint32_t ms_until(uint64_t then_ns, uint64_t now_ns) {
    uint64_t ms = (then_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS;
    return ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

static bool refuse(struct limits *limits, enum limit_name name) {
    limits->refused[name]++;
    return false;
}

bool limits_take(struct limits *limits, enum limit_name name, struct limits_bucket *bucket, uint32_t amount,
                 uint64_t now_ms, uint32_t *retry_ms) {
    if (!limits || limits->burst_ns[name] == 0) return true;
    uint64_t now_ns = now_ms * NS_PER_MS, cost_ns = amount * limits->cost_ns[name];
    if (cost_ns > limits->burst_ns[name]) cost_ns = limits->burst_ns[name]; /* takes all, or would never be granted */
    uint64_t full_at_ns = (bucket->full_at_ns > now_ns ? bucket->full_at_ns : now_ns) + cost_ns;
    if (full_at_ns - now_ns > limits->burst_ns[name]) {
        *retry_ms = ms_until(full_at_ns - limits->burst_ns[name], now_ns);
        return refuse(limits, name);
    }
    bucket->full_at_ns = full_at_ns;
    return true;
}

bool limits_has_room(struct limits *limits, enum limit_name name, size_t count) {
    if (!limits || limits->settings[name].burst == 0 || count < limits->settings[name].burst) return true;
    return refuse(limits, name);
}

/* ---- By address ---- */

static enum peer_bucket bucket_of(enum limit_name name) {
    return name == LIMIT_address_messages    ? PEER_MESSAGES
           : name == LIMIT_address_bytes     ? PEER_BYTES
           : name == LIMIT_address_logins    ? PEER_LOGINS
           : name == LIMIT_address_refreshes ? PEER_REFRESHES
                                             : PEER_HANDSHAKES;
}

bool limits_take_peer(struct limits *limits, enum limit_name name, uint64_t peer, uint32_t amount, uint64_t now_ms,
                      uint32_t *retry_ms) {
    if (!limits || peer == 0 || limits->burst_ns[name] == 0) return true;
    struct peer *entry = peer_table_get(limits->peers, peer, now_ms);
    return limits_take(limits, name, &entry->buckets[bucket_of(name)], amount, now_ms, retry_ms);
}

bool limits_connect(struct limits *limits, uint64_t peer, uint64_t now_ms, uint32_t *retry_ms) {
    if (!limits) return true;
    *retry_ms = RETRY_CEILING_MS;
    if (!limits_has_room(limits, LIMIT_worker_connections, limits->connections)) return false;
    if (peer) {
        struct peer *entry = peer_table_get(limits->peers, peer, now_ms);
        if (!limits_has_room(limits, LIMIT_address_connections, entry->connections)) return false;
        if (!limits_take_peer(limits, LIMIT_address_handshakes, peer, 1, now_ms, retry_ms)) return false;
        entry->connections++;
    }
    limits->connections++;
    return true;
}

void limits_hang_up(struct limits *limits, uint64_t peer) {
    if (!limits) return;
    if (limits->connections > 0) limits->connections--;
    struct peer *entry = peer ? peer_table_find(limits->peers, peer) : NULL;
    if (entry && entry->connections > 0) entry->connections--;
}

/* ---- By person ---- */

uint64_t limits_person(const struct limits *limits, const char *company, const char *user) {
    char text[256];
    if (!limits) return 0;
    int length = snprintf(text, sizeof text, "%s:%s", company, user); /* ids: neither has a colon */
    return hash_of(limits, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}

/* With the last token of the bucket the next one is put off: full_at_ns is moved so that there is exactly one then. */
bool limits_try(struct limits *limits, uint64_t person, uint64_t now_ms, uint32_t *retry_ms) {
    if (!limits || limits->burst_ns[LIMIT_user_logins] == 0) return true;
    struct peer *entry = peer_table_get(limits->people, person, now_ms);
    struct limits_bucket *bucket = &entry->buckets[PEER_LOGINS];
    uint64_t now_ns = now_ms * NS_PER_MS, cost_ns = limits->cost_ns[LIMIT_user_logins];
    uint64_t slack_ns = limits->burst_ns[LIMIT_user_logins] - cost_ns;
    if (bucket->full_at_ns <= now_ns) entry->doublings = 0;
    if (!limits_take(limits, LIMIT_user_logins, bucket, 1, now_ms, retry_ms)) return false;
    if (bucket->full_at_ns - now_ns <= slack_ns) return true;
    bucket->full_at_ns = now_ns + (cost_ns << entry->doublings) + slack_ns;
    if (entry->doublings < LIMITS_DOUBLINGS) entry->doublings++;
    return true;
}

void limits_succeed(struct limits *limits, uint64_t person) {
    struct peer *entry = limits ? peer_table_find(limits->people, person) : NULL;
    if (!entry) return;
    entry->doublings = 0;
    entry->buckets[PEER_LOGINS] = (struct limits_bucket){0};
}

/* ---- Its life ---- */

struct limits *limits_open(const struct limit settings[LIMIT_COUNT], const char *trusted, uint64_t *refused) {
    struct limits *limits = calloc(1, sizeof *limits);
    if (!limits) return NULL;
    memcpy(limits->settings, settings, sizeof limits->settings);
    limits->refused = refused ? refused : limits->nobody;
    for (size_t i = 0; i < LIMIT_COUNT; i++) {
        if (settings[i].burst == 0 || settings[i].count == 0) continue;
        limits->cost_ns[i] = settings[i].seconds * 1000000000ull / settings[i].count;
        if (limits->cost_ns[i] == 0) limits->cost_ns[i] = 1;
        limits->burst_ns[i] = settings[i].burst * limits->cost_ns[i];
    }
    int count = parse_list(trusted, limits->trusted);
    limits->trusted_count = count > 0 ? (size_t)count : 0;
    crypto_shorthash_keygen(limits->key);
    limits->peers = peer_table_create(PEERS_MAX);
    limits->people = peer_table_create(PEOPLE_MAX);
    if (limits->peers && limits->people) return limits;
    limits_close(limits);
    return NULL;
}

void limits_close(struct limits *limits) {
    if (!limits) return;
    peer_table_free(limits->peers);
    peer_table_free(limits->people);
    free(limits);
}
