#include "bench/employer.h"
#include "bench/terminal.h"
#include "protocol/shape.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define TOKEN_TTL_MS (24 * INT64_C(3600000))
#define ANSWER_TIMEOUT_S 60
#define ANSWER_BYTES_MAX (64 * 1024)

int employer_open(struct employer *employer, const struct subject *subject) {
    *employer = (struct employer){.subject = subject};
    int error = token_key_open(subject->data, false, &employer->key);
    if (error != 0)
        return complain(error, "cannot read the broker's key in %s: %s", subject->data, ledig_error_meaning(error));
    return 0;
}

void employer_close(struct employer *employer) {
    token_key_close(employer->key);
    employer->key = NULL;
}

void employer_company(uint32_t number, char id[static EMPLOYER_ID_CHARS]) {
    snprintf(id, EMPLOYER_ID_CHARS, "bench-%05u", (unsigned)(number % 100000));
}

void employer_person(uint32_t number, char id[static EMPLOYER_ID_CHARS]) {
    snprintf(id, EMPLOYER_ID_CHARS, "u%05u", (unsigned)(number % EMPLOYER_PEOPLE_MAX));
}

void employer_number(uint32_t company, uint32_t person, char number[static EMPLOYER_NUMBER_CHARS]) {
    snprintf(number, EMPLOYER_NUMBER_CHARS, "+4711%05u%05u", (unsigned)(company % 100000),
             (unsigned)(person % EMPLOYER_PEOPLE_MAX));
}

static int mint(const struct employer *employer, struct token_claims *claims,
                char token[static LEDIG_TOKEN_CHARS_MAX + 1]) {
    claims->issued_at_ms = clock_wall_ms();
    claims->expires_at_ms = claims->issued_at_ms + TOKEN_TTL_MS;
    return token_mint(employer->key, claims, token);
}

int employer_router_token(const struct employer *employer, char token[static LEDIG_TOKEN_CHARS_MAX + 1]) {
    struct token_claims claims = {.user = "bench-router", .companies = "*", .role = ROLE_ROUTER};
    return mint(employer, &claims, token);
}

int employer_token(const struct employer *employer, uint32_t company, const char *user, enum role role,
                   char token[static LEDIG_TOKEN_CHARS_MAX + 1]) {
    struct token_claims claims = {.role = role};
    snprintf(claims.user, sizeof claims.user, "%s", user);
    employer_company(company, claims.companies);
    return mint(employer, &claims, token);
}

static void append_text(struct buffer *out, const char *text) {
    buffer_append(out, text, strlen(text));
}

static void write_people(struct buffer *out, uint32_t company, uint32_t people, const char *queue) {
    append_text(out, "user,name,numbers,department,role,queues\n");
    for (uint32_t i = 0; i < people; i++) {
        char line[160], user[EMPLOYER_ID_CHARS], number[EMPLOYER_NUMBER_CHARS];
        employer_person(i, user);
        employer_number(company, i, number);
        snprintf(line, sizeof line, "%s,Person %05u,%s,Department %u,member,%s\n", user, (unsigned)i, number,
                 (unsigned)(i / 50), queue ? queue : "");
        append_text(out, line);
    }
}

/* Whether the whole answer is there, for a server that keeps the connection all the same. */
static bool is_whole(const char *answer, size_t length) {
    const char *end = strstr(answer, "\r\n\r\n"), *field = strcasestr(answer, "\r\ncontent-length:");
    if (!end || !field || field > end) return false;
    return length - (size_t)(end + 4 - answer) >= strtoul(field + strlen("\r\ncontent-length:"), NULL, 10);
}

static int exchange(const struct sockaddr_in *address, const struct buffer *request, char *answer, size_t size) {
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), error = LEDIG_EIO;
    if (descriptor < 0) return LEDIG_EIO;
    struct timeval patience = {.tv_sec = ANSWER_TIMEOUT_S};
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    size_t length = 0;
    answer[0] = '\0';
    if (connect(descriptor, (const struct sockaddr *)address, sizeof *address) == 0) {
        size_t sent = 0;
        while (sent < request->length) {
            ssize_t put = send(descriptor, request->bytes + sent, request->length - sent, MSG_NOSIGNAL);
            if (put <= 0) break; /* an early refusal can still be read */
            sent += (size_t)put;
        }
        while (length + 1 < size && !is_whole(answer, length)) {
            ssize_t got = recv(descriptor, answer + length, size - 1 - length, 0);
            if (got <= 0) break;
            length += (size_t)got;
            answer[length] = '\0';
        }
        if (length > 0) error = 0;
    }
    int why = errno;
    close(descriptor);
    errno = why;
    return error;
}

static int judge(const struct employer *employer, const char *company, char *answer) {
    int status = 0;
    if (sscanf(answer, "HTTP/1.%*d %d", &status) == 1 && status / 100 == 2) return 0;
    char *body = strstr(answer, "\r\n\r\n");
    body = body ? body + 4 : answer;
    body[strcspn(body, "\r\n")] = '\0';
    return complain(LEDIG_EIO, "the import of %s at %s was answered %d: %.200s", company,
                    employer->subject->routers.host, status, body);
}

int employer_import(const struct employer *employer, uint32_t number, uint32_t people) {
    char company[EMPLOYER_ID_CHARS], token[LEDIG_TOKEN_CHARS_MAX + 1];
    employer_company(number, company);
    int error = employer_token(employer, number, "bench-admin", ROLE_ADMIN, token);
    if (error != 0) return complain(error, "no token: %s", ledig_error_meaning(error));
    struct buffer body = {0}, request = {0};
    write_people(&body, number, people, employer->queue);
    char head[LEDIG_TOKEN_CHARS_MAX + 512];
    snprintf(head, sizeof head,
             "POST /v1/companies/%s/import HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"
             "Content-Type: text/csv\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
             company, employer->subject->routers.host, token, body.length);
    append_text(&request, head);
    buffer_append(&request, body.bytes, body.length);
    char *answer = malloc(ANSWER_BYTES_MAX);
    error = body.failed || request.failed || !answer ? LEDIG_ENO_MEMORY : 0;
    if (error != 0) {
        complain(error, "out of memory");
    } else if ((error = exchange(&employer->subject->routers.address, &request, answer, ANSWER_BYTES_MAX)) != 0) {
        if (interrupt_asked())
            complain(error, "interrupted");
        else
            complain(error, "no answer from %s: %s", employer->subject->routers.host, strerror(errno));
    } else {
        error = judge(employer, company, answer);
    }
    free(answer);
    buffer_free(&request);
    buffer_free(&body);
    return error;
}
