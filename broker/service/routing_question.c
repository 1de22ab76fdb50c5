#include "broker/service/routing_question.h"
#include "broker/service/route_row.h"
#include "broker/service/service.h"

#include <stdlib.h>
#include <string.h>

struct routing_question *routing_question_open(struct service *service, const struct token_claims *claims,
                                               const struct routing_numbers *numbers, routing_done done, void *arg) {
    size_t count = numbers->count;
    struct routing_question *question = calloc(1, sizeof *question + count * sizeof *question->numbers);
    struct part_route_row *rows = calloc(count + 1, sizeof *rows);
    if (!question || !rows) {
        free(question);
        free(rows);
        return NULL;
    }
    question->service = service;
    question->done = done;
    question->arg = arg;
    question->claims = *claims;
    question->serial = ++service->routing.questions;
    question->asked_ns = uv_hrtime();
    service->metrics->route_numbers += count;
    question->count = count;
    question->rows = rows;
    for (size_t i = 0; i < count; i++) {
        memcpy(question->numbers[i].number, numbers->at[i], E164_BYTES);
        rows[i].number = question->numbers[i].number;
    }
    return question;
}

int routing_question_own(struct routing_question *question, struct routed *routed, const char *owner) {
    if (!owner) return 0;
    char *copy = strdup(owner);
    if (!copy) return LEDIG_ENO_MEMORY;
    char *kind = strchr(copy, '/');
    char *hash = kind ? strchr(kind + 1, '/') : NULL;
    if (hash) {
        *kind++ = '\0';
        *hash++ = '\0';
    }
    /* what the token does not cover is treated as if nobody had it */
    if (!hash || !token_covers(&question->claims, copy)) {
        free(copy);
        return 0;
    }
    routed->owner = copy;
    routed->company = copy;
    routed->hash = hash;
    routed->is_queue = strcmp(kind, "queue") == 0;
    return 0;
}

/* ---- What is told ---- */

static struct part_route_row *row_of(struct routing_question *question, const struct routed *routed) {
    return &question->rows[routed - question->numbers];
}

static bool keep(struct arena *arena, const char **text) {
    if (!*text) return true;
    *text = arena_text(arena, *text, strlen(*text));
    return *text != NULL;
}

static bool keep_list(struct arena *arena, struct texts *texts) {
    const char **at = texts->count > 0 ? arena_take(arena, texts->count * sizeof *at) : NULL;
    for (uint32_t i = 0; at && i < texts->count; i++) {
        at[i] = texts->at[i];
        if (!keep(arena, &at[i])) return false;
    }
    texts->at = at;
    return at || texts->count == 0;
}

/* The texts are lent by a replica or a record, and the answer may have to wait for other numbers. */
static void keep_row(struct routing_question *question, struct routed *routed) {
    struct part_route_row *row = row_of(question, routed);
    if (!question->arena) question->arena = arena_create();
    routed->is_known = question->arena && keep(question->arena, &row->target) && keep(question->arena, &row->user) &&
                       keep(question->arena, &row->queue) && keep(question->arena, &row->company) &&
                       keep(question->arena, &row->activity) && keep_list(question->arena, &row->via);
}

void routing_tell_person(struct routing_question *question, struct routed *routed, const char *user,
                         const struct view *view, const struct forwarded *forwarded, uint64_t version) {
    route_row_person(row_of(question, routed), routed->company, user, view, forwarded, version);
    keep_row(question, routed);
}

void routing_tell_queue(struct routing_question *question, struct routed *routed, const char *queue, uint64_t version) {
    route_row_queue(row_of(question, routed), routed->company, queue, version);
    keep_row(question, routed);
}

bool routing_tell_from(struct routing_question *question, struct routed *routed, const struct company *company,
                       const char *id) {
    struct forwarded forwarded;
    if (!route_row_find(row_of(question, routed), company, id, &forwarded)) return false;
    routed->company = id;
    keep_row(question, routed);
    return true;
}

void routing_tell_nobody(struct routing_question *question, struct routed *routed) {
    route_row_nobody(row_of(question, routed));
    routed->is_known = true;
}

void routing_question_close(struct routing_question *question) {
    struct service *service = question->service;
    metrics_observe(&service->metrics->route_us, (uv_hrtime() - question->asked_ns) / 1000);
    question->done(question->arg, question->error, question->rows, question->error ? 0 : question->count,
                   store_stale_ms(service->store));
    for (size_t i = 0; i < question->count; i++)
        free(question->numbers[i].owner);
    arena_free(question->arena);
    free(question->rows);
    free(question);
}
