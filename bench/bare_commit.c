#include "bench/bare_commit.h"
#include "bench/employer.h"
#include "bench/terminal.h"
#include "broker/privacy/vault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define NEVER "9000000000000000"
#define WORDS 3 + 3 + 6 + 10 /* EVALSHA …, keys, arguments, two writes */
#define BARE_RECORD_BYTES_MAX 1024
#define READ_BYTES 65536
#define PATIENCE_S 15

static const char filler[BARE_RECORD_BYTES_MAX + 1] = {0};

/* ---- Speaking ---- */

static void add_word(struct buffer *out, const char *text, size_t length) {
    char head[24];
    int head_length = snprintf(head, sizeof head, "$%zu\r\n", length);
    buffer_append(out, head, (size_t)head_length);
    buffer_append(out, text, length);
    buffer_append(out, "\r\n", 2);
}

static void add_text(struct buffer *out, const char *text) {
    add_word(out, text, strlen(text));
}

static void add_write(struct buffer *out, const char *entity, const char *revision, size_t bytes) {
    add_text(out, entity);
    add_text(out, "w");
    add_text(out, revision);
    add_text(out, "0");
    add_word(out, filler, bytes);
}

/* A claim makes a call, and the next commit changes it: every other commit begins another one. */
static void ask(struct bare_commit *bare, uint32_t number) {
    struct bare_slot *slot = &bare->slot[number];
    static const char *const keys[] = {"records", "changed", "head", "changes"};
    char key[4][48], call[40], state[40];
    for (int i = 0; i < 4; i++)
        snprintf(key[i], sizeof key[i], "ledig:{bare-%05u}:%s", (unsigned)slot->company, keys[i]);
    snprintf(call, sizeof call, "call:%09u.%012u", (unsigned)number, (unsigned)(slot->calls / 2)); /* as long as … */
    snprintf(state, sizeof state, "state:u%021u", (unsigned)number);                               /* … the hashes */
    if (slot->calls++ % 2 == 0) strcpy(slot->revisions[0], "0");
    static const char head[] = "*22\r\n";
    _Static_assert(WORDS == 22, "as many as are added");
    buffer_append(&bare->out, head, sizeof head - 1);
    add_text(&bare->out, "EVALSHA");
    add_text(&bare->out, COMMIT_SHA1);
    add_text(&bare->out, "3");
    for (int i = 0; i < 3; i++)
        add_text(&bare->out, key[i]);
    add_text(&bare->out, ""); /* lineage: of none */
    add_text(&bare->out, NEVER);
    add_text(&bare->out, key[3]);
    add_text(&bare->out, "65536");
    add_text(&bare->out, "2");
    add_text(&bare->out, "0");
    add_write(&bare->out, call, slot->revisions[0], bare->record_bytes[0]);
    add_write(&bare->out, state, slot->revisions[1], bare->record_bytes[1]);
}

static int flush(struct bare_commit *bare) {
    size_t sent = 0;
    while (sent < bare->out.length) {
        ssize_t put = send(bare->socket, bare->out.bytes + sent, bare->out.length - sent, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR && !interrupt_asked()) continue;
        if (put <= 0) return complain(LEDIG_EIO, "the broker's Redis is out of reach");
        sent += (size_t)put;
    }
    buffer_clear(&bare->out);
    return bare->out.failed ? complain(LEDIG_ENO_MEMORY, "out of memory") : 0;
}

static int receive(struct bare_commit *bare) {
    char bytes[READ_BYTES];
    ssize_t got = recv(bare->socket, bytes, sizeof bytes, 0);
    if (got <= 0) return complain(LEDIG_EIO, interrupt_asked() ? "interrupted" : "the broker's Redis is out of reach");
    buffer_append(&bare->in, bytes, (size_t)got);
    return bare->in.failed ? complain(LEDIG_ENO_MEMORY, "out of memory") : 0;
}

/* A line, without its end; NULL while it is not whole. */
static char *take_line(struct bare_commit *bare, size_t *at) {
    char *begin = (char *)bare->in.bytes + *at, *end = memchr(begin, '\n', bare->in.length - *at);
    if (!end || end == begin) return NULL;
    end[-1] = '\0';
    *at += (size_t)(end + 1 - begin);
    return begin;
}

/* "ok", version, epoch, each with its length before it. 1, 0 while it is not whole, or an error after a complaint. */
static int take_answer(struct bare_commit *bare, size_t *at, char version[static 24]) {
    size_t next = *at;
    char *lines[7] = {0};
    for (int i = 0; i < 7; i++) {
        if (next == bare->in.length || !(lines[i] = take_line(bare, &next))) {
            for (int j = 0; j < i; j++)
                lines[j][strlen(lines[j])] = '\r'; /* as it was */
            if (i > 0 && lines[0][0] == '-') return complain(LEDIG_EIO, "a bare commit failed: %.80s", lines[0]);
            return 0;
        }
    }
    if (strcmp(lines[2], "ok") != 0) return complain(LEDIG_EIO, "a bare commit was refused: %.40s", lines[2]);
    snprintf(version, 24, "%s", lines[4]);
    *at = next;
    return 1;
}

/* ---- Opening ---- */

static size_t stored_bytes(struct bare_commit *bare, const char *entity) {
    char company[EMPLOYER_ID_CHARS], key[64];
    size_t at = 0;
    employer_company(0, company);
    snprintf(key, sizeof key, "ledig:{%s}:records", company);
    buffer_append(&bare->out, "*3\r\n", 4);
    add_text(&bare->out, "HSTRLEN");
    add_text(&bare->out, key);
    add_text(&bare->out, entity);
    if (flush(bare) != 0 || receive(bare) != 0) return 0;
    const char *line = take_line(bare, &at);
    size_t bytes = line && line[0] == ':' ? strtoul(line + 1, NULL, 10) : 0;
    buffer_clear(&bare->in);
    return bytes > BARE_RECORD_BYTES_MAX ? BARE_RECORD_BYTES_MAX : bytes;
}

int bare_commit_open(struct bare_commit *bare, const struct subject *subject, uint32_t companies, const char *call,
                     const char *user) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    char entity[ENTITY_NAME_BYTES_MAX], path[SUBJECT_PATH_CHARS];
    struct vault *vault;
    *bare = (struct bare_commit){.socket = -1, .redis = subject->redis};
    bare->slots = companies * BARE_COMPANY_IN_FLIGHT < BARE_IN_FLIGHT_MAX ? companies * BARE_COMPANY_IN_FLIGHT
                                                                          : BARE_IN_FLIGHT_MAX;
    bare->slot = calloc(bare->slots, sizeof *bare->slot);
    if (!bare->slot) return complain(LEDIG_ENO_MEMORY, "out of memory");
    for (uint32_t i = 0; i < bare->slots; i++)
        bare->slot[i] = (struct bare_slot){.company = i % companies, .revisions = {"0", "0"}};
    if (snprintf(address.sun_path, sizeof address.sun_path, "%s/redis/redis.sock", subject->data) >=
        (int)sizeof address.sun_path)
        return complain(LEDIG_EIO, "the path of the broker's Redis is too long");
    bare->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bare->socket < 0 || connect(bare->socket, (struct sockaddr *)&address, sizeof address) != 0)
        return complain(LEDIG_EIO, "the broker's Redis is out of reach: %s", strerror(errno));
    setsockopt(bare->socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    snprintf(path, sizeof path, "%s/keys", subject->data); /* by which the store's names are made */
    int error = vault_open(&(struct vault_source){.path = path}, false, &vault);
    if (error) return complain(LEDIG_EIO, "%s: %s", path, vault_why(error));
    entity_name(vault_names(vault), RECORD_CALL, call, entity);
    bare->record_bytes[0] = stored_bytes(bare, entity);
    entity_name(vault_names(vault), RECORD_STATE, user, entity);
    bare->record_bytes[1] = stored_bytes(bare, entity);
    vault_close(vault);
    if (bare->record_bytes[0] > 0 && bare->record_bytes[1] > 0) return 0;
    return complain(LEDIG_EIO, "the records of a claim cannot be seen in the broker's Redis");
}

void bare_commit_close(struct bare_commit *bare) {
    if (bare->socket >= 0) close(bare->socket);
    free(bare->slot);
    buffer_free(&bare->out);
    buffer_free(&bare->in);
    *bare = (struct bare_commit){.socket = -1};
}

/* ---- A round ---- */

/* Answers come in the order of the requests, which is that of the slots. */
int bare_commit_round(struct bare_commit *bare, int64_t duration_ns, struct round *round) {
    const int64_t began_ns = clock_now_ns(), cpu_ns = process_cpu_ns(bare->redis);
    uint64_t asked = 0, answered = 0;
    while (asked < bare->slots)
        ask(bare, (uint32_t)asked++);
    int error = flush(bare);
    while (!error && answered < asked) {
        size_t at = 0;
        int taken = 0;
        char version[24];
        error = receive(bare);
        while (!error && (taken = take_answer(bare, &at, version)) == 1) {
            const uint32_t number = (uint32_t)(answered++ % bare->slots);
            for (int i = 0; i < 2; i++)
                strcpy(bare->slot[number].revisions[i], version);
            if (clock_now_ns() - began_ns >= duration_ns && asked % bare->slots == 0) continue;
            ask(bare, number);
            asked++;
        }
        if (!error && taken < 0) error = taken;
        if (error) break;
        memmove(bare->in.bytes, bare->in.bytes + at, bare->in.length - at);
        bare->in.length -= at;
        error = flush(bare);
    }
    if (error) return error;
    const int64_t took_ns = clock_now_ns() - began_ns, spent_ns = process_cpu_ns(bare->redis) - cpu_ns;
    *round = (struct round){(double)answered * 1e9 / (double)took_ns, (double)answered * 1e9 / (double)spent_ns,
                            (double)spent_ns / (double)took_ns};
    return 0;
}
