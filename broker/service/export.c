#include "broker/service/export.h"
#include "broker/service/http_problem.h"
#include "broker/service/look.h"

#include <stdlib.h>
#include <string.h>

/* ---- A line ---- */

static void put_text(struct buffer *out, const char *text) {
    buffer_append(out, text, strlen(text));
}

static bool needs_quotes(const char *text) {
    return text[strcspn(text, ",\"\r\n")] || text[0] == ' ' || text[0] == '\t';
}

static void put_field(struct buffer *out, const char *text) {
    if (!text) return;
    bool quoted = needs_quotes(text);
    if (quoted) put_text(out, "\"");
    for (; *text; text++) {
        if (*text == '"') put_text(out, "\"");
        buffer_append(out, text, 1);
    }
    if (quoted) put_text(out, "\"");
}

/* Numbers and ids of queues have no comma and no blank. */
static void put_list(struct buffer *out, const struct texts *texts) {
    for (uint32_t i = 0; i < texts->count; i++) {
        if (i > 0) put_text(out, " ");
        put_text(out, texts->at[i]);
    }
}

static void put_queues(struct buffer *out, const struct profile_record *profile) {
    for (uint32_t i = 0; i < profile->queues.count; i++) {
        unsigned tier = profile_tier(profile, profile->queues.at[i]);
        const char digits[] = {':', (char)('0' + tier), '\0'};
        if (i > 0) put_text(out, " ");
        put_text(out, profile->queues.at[i]);
        if (tier != TIER_FIRST) put_text(out, digits);
    }
}

static void put_person(struct buffer *out, const struct member *member) {
    const struct profile_record *profile = member_profile(member);
    put_field(out, profile->id);
    put_text(out, ",");
    put_field(out, profile->name ? profile->name : profile->id); /* an import needs one */
    put_text(out, ",");
    put_list(out, &profile->numbers);
    put_text(out, ",");
    put_field(out, profile->department);
    put_text(out, ",");
    put_field(out, profile->role ? profile->role : "member");
    put_text(out, ",");
    put_queues(out, profile);
    put_text(out, ",");
    put_field(out, profile->schedule);
    put_text(out, "\n");
}

/* One without a name and numbers has come into being by those who are in it, and will again. */
static void put_queue(struct buffer *out, const struct queue_record *queue) {
    if (!queue->name && queue->numbers.count == 0) return;
    put_field(out, queue->id);
    put_text(out, ",");
    put_field(out, queue->name ? queue->name : queue->id);
    put_text(out, ",");
    put_list(out, &queue->numbers);
    put_text(out, ",,queue,,\n");
}

/* ---- All of them, in the order of their ids, so that two files can be compared ---- */

struct gathering {
    const struct member **members;
    const struct queue_record **queues;
    size_t member_count, queue_count;
};

static void count_queue(void *arg, const struct queue_record *queue) {
    (void)queue;
    ++((struct gathering *)arg)->queue_count;
}

static void take_queue(void *arg, const struct queue_record *queue) {
    struct gathering *gathering = arg;
    gathering->queues[gathering->queue_count++] = queue;
}

static void take_member(void *arg, const struct member *member) {
    struct gathering *gathering = arg;
    gathering->members[gathering->member_count++] = member;
}

static int members_by_id(const void *a, const void *b) {
    return strcmp(member_user(*(const struct member *const *)a), member_user(*(const struct member *const *)b));
}

static int queues_by_id(const void *a, const void *b) {
    return strcmp((*(const struct queue_record *const *)a)->id, (*(const struct queue_record *const *)b)->id);
}

static bool gather(const struct company *company, struct gathering *gathering) {
    company_each_queue(company, count_queue, gathering);
    gathering->queues = calloc(gathering->queue_count + 1, sizeof *gathering->queues);
    gathering->members = calloc(company_member_count(company) + 1, sizeof *gathering->members);
    if (!gathering->queues || !gathering->members) return false;
    gathering->queue_count = 0;
    company_each_queue(company, take_queue, gathering);
    company_each_member(company, take_member, gathering);
    qsort(gathering->queues, gathering->queue_count, sizeof *gathering->queues, queues_by_id);
    qsort(gathering->members, gathering->member_count, sizeof *gathering->members, members_by_id);
    return true;
}

static void answer(const struct look *look) {
    struct gathering gathering = {0};
    struct buffer out = {0};
    bool complete = gather(look_company(look), &gathering);
    put_text(&out, "user,name,numbers,department,role,queues,schedule\n");
    for (size_t i = 0; complete && i < gathering.queue_count; i++)
        put_queue(&out, gathering.queues[i]);
    for (size_t i = 0; complete && i < gathering.member_count; i++)
        put_person(&out, gathering.members[i]);
    if (complete && !out.failed)
        http_answer(look->exchange, 200, "text/csv; charset=utf-8", out.bytes, out.length);
    else
        http_problem(look->exchange, LEDIG_ENO_MEMORY, NULL, NULL);
    buffer_free(&out);
    free(gathering.members);
    free(gathering.queues);
}

void export_tell(struct service *service, const char *company, struct http_exchange *exchange) {
    look_start(&(struct look){.service = service, .exchange = exchange, .answer = answer}, company);
}
