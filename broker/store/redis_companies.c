/* Finding the companies that there are. */
#include "broker/store/redis_store.h"

#include <stdlib.h>
#include <string.h>

#define FIND_STEP "1000" /* keys that one command looks at, of whatever kind: some 0.3 ms */
#define DIGITS 24

struct find {
    struct request request;
    uint64_t at; /* where it goes on */
    char **companies;
    size_t count;
    store_companies_found found;
    void *arg;
};

static struct find *find_of(struct request *request) {
    return (struct find *)(void *)request;
}

static void find_send(struct request *request) {
    char at[DIGITS];
    snprintf(at, sizeof at, "%llu", (unsigned long long)find_of(request)->at);
    request_command(request, 8,
                    (const char *[]){"SCAN", at, "MATCH", "ledig:{*}:head", "COUNT", FIND_STEP, "TYPE", "hash"}, NULL);
}

/* ledig:{<company>}:head; NULL where it is no company of ours. */
static char *company_of(const redisReply *key) {
    static const char before[] = "ledig:{", behind[] = "}:head";
    size_t around = sizeof before - 1 + sizeof behind - 1;
    if (key->type != REDIS_REPLY_STRING || key->len <= around || strncmp(key->str, before, sizeof before - 1) != 0)
        return NULL;
    char *company = store_copy(key->str + sizeof before - 1, key->len - around);
    if (shape_is_id(company)) return company;
    free(company);
    return NULL;
}

static void find_answer(struct request *request, const redisReply *reply) {
    struct find *find = find_of(request);
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 || reply->element[0]->type != REDIS_REPLY_STRING ||
        reply->element[1]->type != REDIS_REPLY_ARRAY) {
        request_end(request, LEDIG_EDAMAGED);
        return;
    }
    const redisReply *keys = reply->element[1];
    find->at = strtoull(reply->element[0]->str, NULL, 10); /* all 64 bits of it */
    find->companies = store_allocate(keys->elements * sizeof *find->companies);
    for (size_t i = 0; i < keys->elements; i++) {
        char *company = company_of(keys->element[i]);
        if (company != NULL) find->companies[find->count++] = company;
    }
    request_end(request, 0);
}

static void find_complete(struct request *request, int error) {
    struct find *find = find_of(request);
    find->found(find->arg, error, error == 0 ? find->at : 0, (const char *const *)find->companies,
                error == 0 ? find->count : 0);
}

static void find_release(struct request *request) {
    struct find *find = find_of(request);
    for (size_t i = 0; i < find->count; i++) {
        free(find->companies[i]);
    }
    free(find->companies);
    free(find);
}

static const struct request_type find_type = {
    .send = find_send, .answer = find_answer, .complete = find_complete, .release = find_release};

void store_companies_find(struct store *store, uint64_t at, store_companies_found found, void *arg) {
    struct find *find = store_allocate(sizeof *find);
    find->at = at;
    find->found = found;
    find->arg = arg;
    request_open(store, &find->request, &find_type, true);
}
