#include "broker/service/export.h"
#include "broker/service/http_problem.h"
#include "broker/service/look.h"
#include "broker/service/roll.h"

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

struct export {
    struct http_exchange *exchange;
    struct buffer out;
};

struct gathering {
    const struct queue_record **queues;
    size_t count;
};

static void count_queue(void *arg, const struct queue_record *queue) {
    (void)queue;
    ++((struct gathering *)arg)->count;
}

static void take_queue(void *arg, const struct queue_record *queue) {
    struct gathering *gathering = arg;
    gathering->queues[gathering->count++] = queue;
}

static int queues_by_id(const void *a, const void *b) {
    return strcmp((*(const struct queue_record *const *)a)->id, (*(const struct queue_record *const *)b)->id);
}

static bool put_queues_of(struct buffer *out, const struct company *company) {
    struct gathering gathering = {0};
    company_each_queue(company, count_queue, &gathering);
    gathering.queues = calloc(gathering.count + 1, sizeof *gathering.queues);
    if (!gathering.queues) return false;
    gathering.count = 0;
    company_each_queue(company, take_queue, &gathering);
    qsort(gathering.queues, gathering.count, sizeof *gathering.queues, queues_by_id);
    for (size_t i = 0; i < gathering.count; i++)
        put_queue(out, gathering.queues[i]);
    free(gathering.queues);
    return true;
}

static bool on_person(void *arg, const struct member *member) {
    struct export *export = arg;
    put_person(&export->out, member);
    return !export->out.failed;
}

static void on_told(void *arg, int error) {
    struct export *export = arg;
    if (!error && export->out.failed) error = LEDIG_ENO_MEMORY;
    if (error)
        http_problem(export->exchange, error, NULL, NULL);
    else
        http_answer(export->exchange, 200, "text/csv; charset=utf-8", export->out.bytes, export->out.length);
    buffer_free(&export->out);
    free(export);
}

/* The queues in one piece: there are few. */
static void answer(const struct look *look) {
    struct export *export = calloc(1, sizeof *export);
    if (export) put_text(&export->out, "user,name,numbers,department,role,queues,schedule\n");
    if (!export || !put_queues_of(&export->out, look_company(look))) {
        http_problem(look->exchange, LEDIG_ENO_MEMORY, NULL, NULL);
        if (export) buffer_free(&export->out);
        free(export);
        return;
    }
    export->exchange = look->exchange;
    roll_start(look->service, company_settings(look_company(look))->id, "",
               &(struct roll_reader){.tell = on_person, .done = on_told, .arg = export});
}

void export_tell(struct service *service, const char *company, struct http_exchange *exchange) {
    look_start(&(struct look){.service = service, .exchange = exchange, .answer = answer}, company);
}
