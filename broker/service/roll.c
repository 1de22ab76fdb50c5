#include "broker/service/roll.h"
#include "broker/service/service.h"
#include "broker/service/tenant.h"

#include <stdlib.h>
#include <string.h>

#define PART_MAX 1024 /* ids that are sorted at one time: a fraction of a millisecond */
#define TURN_MAX 64   /* people that are told between two looks at the clock */

struct part { /* sorted */
    const char **ids;
    size_t count, at;
};

struct roll {
    struct service *service;
    struct tenant *tenant; /* held */
    struct roll_reader reader;
    uv_idle_t idle;
    struct arena *arena; /* of the ids */
    struct part *parts;
    size_t part_count;
    size_t left;      /* people who are still to be gathered */
    const char *told; /* the last one; NULL = none */
    char after[LEDIG_ID_CHARS_MAX + 1];
};

/* ---- The end ---- */

static void free_roll(uv_handle_t *handle) {
    struct roll *roll = handle->data;
    struct service *service = roll->service;
    free(roll);
    service_job_ended(service);
}

/* A service that closes takes its companies with it. */
static void end(struct roll *roll, int error) {
    roll->reader.done(roll->reader.arg, error);
    if (!roll->service->closing) tenant_release(roll->tenant);
    for (size_t i = 0; i < roll->part_count; i++)
        free(roll->parts[i].ids);
    free(roll->parts);
    arena_free(roll->arena);
    uv_close((uv_handle_t *)&roll->idle, free_roll);
}

/* ---- Gathering ---- */

static int by_id(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct part *add_part(struct roll *roll) {
    struct part *parts = realloc(roll->parts, (roll->part_count + 1) * sizeof *parts);
    if (!parts) return NULL;
    roll->parts = parts;
    parts[roll->part_count] = (struct part){.ids = malloc(PART_MAX * sizeof *parts->ids)};
    return parts[roll->part_count].ids ? &parts[roll->part_count++] : NULL;
}

static int gather(struct roll *roll) {
    const struct company *company = tenant_company(roll->tenant);
    struct part *part = add_part(roll);
    if (!part) return LEDIG_ENO_MEMORY;
    size_t count = company_member_count(company);
    if (roll->left > count) roll->left = count;
    for (size_t looks = 0; roll->left > 0 && looks < PART_MAX; looks++) {
        const char *user = member_user(company_member_at(company, --roll->left));
        if (strcmp(user, roll->after) <= 0) continue;
        part->ids[part->count] = arena_text(roll->arena, user, strlen(user));
        if (!part->ids[part->count]) return LEDIG_ENO_MEMORY;
        part->count++;
    }
    qsort(part->ids, part->count, sizeof *part->ids, by_id);
    return 0;
}

/* ---- Telling ---- */

/* The first of all parts that was not told yet; NULL: there is none. */
static const char *take_next(struct roll *roll) {
    struct part *first = NULL;
    for (size_t i = 0; i < roll->part_count; i++) {
        struct part *part = &roll->parts[i];
        if (part->at < part->count && (!first || strcmp(part->ids[part->at], first->ids[first->at]) < 0)) first = part;
    }
    return first ? first->ids[first->at++] : NULL;
}

/* False: that was all. */
static bool tell_some(struct roll *roll) {
    for (size_t i = 0; i < TURN_MAX; i++) {
        const char *user = take_next(roll);
        if (!user) return false;
        if (roll->told && strcmp(user, roll->told) == 0) continue; /* gathered twice */
        roll->told = user;
        const struct member *member = company_member(tenant_company(roll->tenant), user);
        if (member && !roll->reader.tell(roll->reader.arg, member)) return false;
    }
    return true;
}

static void on_turn(uv_idle_t *idle) {
    struct roll *roll = idle->data;
    uint64_t until_ns = uv_hrtime() + roll->service->options.slice_ms * UINT64_C(1000000) / 2;
    int error = roll->service->closing ? LEDIG_EUNAVAILABLE : 0;
    do {
        if (!error && roll->left > 0)
            error = gather(roll);
        else if (error || !tell_some(roll)) {
            end(roll, error);
            return;
        }
    } while (uv_hrtime() < until_ns);
    if (error) end(roll, error);
}

/* ---- The beginning ---- */

void roll_start(struct service *service, const char *company, const char *after, const struct roll_reader *reader) {
    struct roll *roll = calloc(1, sizeof *roll);
    if (roll) roll->arena = arena_create();
    if (roll && roll->arena) roll->tenant = tenant_hold(service, company);
    if (!roll || !roll->tenant) {
        if (roll) arena_free(roll->arena);
        free(roll);
        reader->done(reader->arg, LEDIG_ENO_MEMORY);
        return;
    }
    roll->service = service;
    roll->reader = *reader;
    snprintf(roll->after, sizeof roll->after, "%s", after);
    roll->left = company_member_count(tenant_company(roll->tenant));
    roll->idle.data = roll;
    service->jobs++;
    uv_idle_init(service->loop, &roll->idle);
    uv_idle_start(&roll->idle, on_turn);
}
