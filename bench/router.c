#include "bench/router.h"
#include "bench/terminal.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 64
#define REQUEST_BYTES_MAX (LEDIG_TOKEN_CHARS_MAX + SUBJECT_HOST_CHARS + 512)
#define CONNECT_S 10 /* blocking, on its own line: a listener on the same machine answers at once */

struct router_line {
    int descriptor;       /* -1 = none */
    bool is_asking, ends; /* ends: the broker said that it closes after this answer */
    uint32_t times;       /* that the question was sent */
    struct question question;
    size_t length;
    char bytes[ROUTER_ANSWER_BYTES_MAX + 1]; /* of the answer so far */
};

/* ---- Lines ---- */

static void hang_up(struct router_line *line) {
    if (line->descriptor >= 0) close(line->descriptor);
    line->descriptor = -1;
    line->length = 0;
    line->ends = false;
}

static int dial(struct router *router, uint32_t number) {
    struct router_line *line = &router->line[number];
    const struct timeval patience = {.tv_sec = CONNECT_S};
    const int one = 1;
    line->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (line->descriptor < 0) return LEDIG_EIO;
    setsockopt(line->descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(line->descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    if (connect(line->descriptor, (const struct sockaddr *)&router->endpoint->address,
                sizeof router->endpoint->address) == 0 &&
        epoll_ctl(router->epoll, EPOLL_CTL_ADD, line->descriptor, &event) == 0)
        return 0;
    int why = errno;
    hang_up(line);
    errno = why;
    return LEDIG_EIO;
}

int router_open(struct router *router, const struct endpoint *endpoint, const char *token, uint32_t connections,
                router_answer answer, void *arg) {
    *router = (struct router){.endpoint = endpoint, .epoll = -1, .answer = answer, .arg = arg};
    router->line = calloc(connections, sizeof *router->line);
    router->idle_line = calloc(connections, sizeof *router->idle_line);
    router->token = strdup(token);
    if (!router->line || !router->idle_line || !router->token) return complain(LEDIG_ENO_MEMORY, "out of memory");
    router->lines = connections;
    for (uint32_t i = 0; i < connections; i++)
        router->line[i].descriptor = -1;
    router->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (router->epoll < 0) return complain(LEDIG_EIO, "no epoll: %s", strerror(errno));
    for (uint32_t i = 0; i < connections; i++) {
        if (dial(router, i) != 0)
            return complain(LEDIG_EIO, "no connection to the routers' port at %s: %s", endpoint->host, strerror(errno));
        router->idle_line[router->idle++] = connections - 1 - i;
    }
    return 0;
}

void router_close(struct router *router) {
    for (uint32_t i = 0; router->line && i < router->lines; i++)
        hang_up(&router->line[i]);
    if (router->epoll >= 0) close(router->epoll);
    free(router->line);
    free(router->idle_line);
    free(router->token);
    *router = (struct router){.epoll = -1};
}

/* ---- Asking ---- */

static int ask_route(const struct router *router, const struct question *question, char *request, size_t size) {
    char number[EMPLOYER_NUMBER_CHARS];
    employer_number(question->company, question->person, number);
    int length =
        snprintf(request, size, "GET /v1/route?to=%%2B%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n",
                 number + 1, router->endpoint->host, router->token);
    return length >= 0 && (size_t)length < size ? length : LEDIG_ETOO_LARGE;
}

static int send_question(const struct router *router, const struct router_line *line) {
    char request[REQUEST_BYTES_MAX];
    int length = (router->compose ? router->compose : ask_route)(router, &line->question, request, sizeof request);
    if (length < 0) return length;
    return send(line->descriptor, request, (size_t)length, MSG_NOSIGNAL) == length ? 0 : LEDIG_EIO;
}

static void end_question(struct router *router, uint32_t number) {
    router->line[number].is_asking = false;
    router->idle_line[router->idle++] = number;
}

/* On a line that may have been closed meanwhile: then on a new one. */
static void ask_on(struct router *router, uint32_t number) {
    struct router_line *line = &router->line[number];
    while (line->times < ROUTER_ASKED_MAX) {
        if (line->times++ > 0) router->asked_again++;
        if (line->descriptor < 0) {
            if (dial(router, number) != 0) break;
            router->reopened++;
        }
        if (send_question(router, line) == 0) return;
        hang_up(line);
    }
    router->cut_off++;
    end_question(router, number);
}

bool router_can_ask(const struct router *router) {
    return router->idle > 0;
}

void router_ask(struct router *router, const struct question *question) {
    uint32_t number = router->idle_line[--router->idle];
    struct router_line *line = &router->line[number];
    line->question = *question;
    line->question.sent_ns = clock_now_ns();
    line->is_asking = true;
    line->times = 0;
    router->sent++;
    ask_on(router, number);
}

uint32_t router_open_questions(const struct router *router) {
    return router->lines - router->idle;
}

/* ---- Answers ---- */

/* The end of the head, and how long the body is; NULL while it is not whole. */
static char *find_body(char *bytes, size_t *length) {
    char *end = strstr(bytes, "\r\n\r\n");
    if (!end) return NULL;
    *end = '\0';
    const char *field = strcasestr(bytes, "\r\ncontent-length:");
    *length = field ? strtoul(field + strlen("\r\ncontent-length:"), NULL, 10) : 0;
    return end + 4;
}

/* Whether the answer is whole; then it has been handed on. */
static bool take_answer(struct router *router, uint32_t number) {
    struct router_line *line = &router->line[number];
    char *head = line->bytes;
    size_t length;
    if (!strstr(head, "\r\n\r\n")) return false;
    char *body = find_body(head, &length);
    if (line->length - (size_t)(body - head) < length) {
        body[-4] = '\r'; /* as it was */
        return false;
    }
    const struct question question = line->question;
    line->ends = strcasestr(head, "\r\nconnection: close") != NULL;
    router->status = strncmp(head, "HTTP/1.1 ", 9) == 0 ? atoi(head + 9) : 0;
    bool has_document = router->status == 200 || router->status == 201;
    json_t *document = has_document ? json_loadb(body, length, 0, NULL) : NULL;
    line->length = 0;
    if (line->ends) hang_up(line);
    router->body_bytes = length;
    router->answered++;
    end_question(router, number);
    router->answer(router->arg, &question, json_is_object(document) ? document : NULL);
    json_decref(document);
    return true;
}

/* The broker closed it. */
static void lose_line(struct router *router, uint32_t number) {
    struct router_line *line = &router->line[number];
    bool had_begun = line->length > 0;
    hang_up(line);
    if (!line->is_asking) return;
    if (had_begun) line->times = ROUTER_ASKED_MAX;
    ask_on(router, number);
}

static void hear(struct router *router, uint32_t number) {
    struct router_line *line = &router->line[number];
    if (line->descriptor < 0) return; /* hung up in this turn */
    ssize_t got =
        recv(line->descriptor, line->bytes + line->length, ROUTER_ANSWER_BYTES_MAX - line->length, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0 || !line->is_asking) { /* unasked bytes, or more than an answer has, end it too */
        lose_line(router, number);
        return;
    }
    line->length += (size_t)got;
    line->bytes[line->length] = '\0';
    (void)take_answer(router, number);
}

void router_turn(struct router *router) {
    struct epoll_event events[EVENTS];
    int count;
    do {
        count = epoll_wait(router->epoll, events, EVENTS, 0);
        for (int i = 0; i < count; i++)
            hear(router, events[i].data.u32);
    } while (count == EVENTS);
}
