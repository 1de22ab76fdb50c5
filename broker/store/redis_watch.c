/* Who is told of a company's changes: the subscriptions, and the doorbell taken apart. */
#include "broker/store/redis_store.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define PREFIX "ledig:{"
#define SUFFIX "}:changes"
#define NEWS_ENTITIES_MAX STORE_COMMIT_ENTITIES_MAX

struct watcher { /* one store_watch whose subscription does not stand yet */
    struct watcher *prev, *next;
    struct deadline deadline;
    struct store *store;
    struct store_company *company; /* NULL: it fails soon */
    store_done done;
    void *arg;
};

/* ---- Subscriptions ---- */

static void watcher_end(struct watcher *watcher, int error) {
    struct store_company *company = watcher->company;
    deadline_remove(watcher->store, &watcher->deadline);
    if (company != NULL) {
        DL_DELETE(company->watchers, watcher);
        if (error == 0) company->watches++;
    }
    watcher->done(watcher->arg, error);
    free(watcher);
}

static void unsubscribe(struct store_company *company);

static void on_watcher_deadline(struct deadline *deadline, int error) {
    struct watcher *watcher = (struct watcher *)(void *)((char *)deadline - offsetof(struct watcher, deadline));
    char name[LEDIG_ID_CHARS_MAX + 1] = "";
    struct store *store = watcher->store;
    if (watcher->company != NULL) memcpy(name, watcher->company->name, sizeof name);
    watcher_end(watcher, error);
    struct store_company *company = company_find(store, name); /* what the caller did meanwhile */
    if (company != NULL) unsubscribe(company);
}

static void on_subscribed(void *arg, const redisReply *reply, bool written) {
    struct store *store = arg;
    (void)written;
    if (reply == NULL) return;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 || reply->element[1]->type != REDIS_REPLY_STRING) {
        redis_link_drop(store->changes, "the server refuses a subscription");
        return;
    }
    const char *channel = reply->element[1]->str;
    size_t length = reply->element[1]->len, frame = strlen(PREFIX) + strlen(SUFFIX);
    char name[LEDIG_ID_CHARS_MAX + 1];
    if (length <= frame || length - frame > LEDIG_ID_CHARS_MAX) return;
    memcpy(name, channel + strlen(PREFIX), length - frame);
    name[length - frame] = '\0';
    struct store_company *company = company_find(store, name);
    if (company == NULL || !company->subscribed) return;
    struct watcher *last = company->watchers != NULL ? company->watchers->prev : NULL, *watcher;
    while (last != NULL && (watcher = company->watchers) != NULL) { /* not those that are added meanwhile */
        bool done = watcher == last;
        watcher_end(watcher, 0);
        company = company_find(store, name);
        if (done || company == NULL) return;
    }
}

static void on_answer_of_no_interest(void *arg, const redisReply *reply, bool written) {
    (void)arg; /* the link itself notices where it does not come */
    (void)reply;
    (void)written;
}

static void tell_server(struct store_company *company, const char *verb, redis_answer answer) {
    const char *words[2] = {verb, company->keys.channel};
    size_t lengths[2] = {strlen(verb), strlen(company->keys.channel)};
    struct redis_link *link = company->store->changes;
    if (redis_link_send(link, 2, words, lengths, answer, company->store) == LEDIG_ENO_MEMORY) {
        redis_link_drop(link, "out of memory"); /* all are asked for anew after that */
    }
}

static void subscribe(struct store_company *company) {
    company->subscribed = true;
    tell_server(company, "SUBSCRIBE", on_subscribed);
}

static void unsubscribe(struct store_company *company) {
    if (company->watches > 0 || company->watchers != NULL) return;
    if (company->subscribed) {
        company->subscribed = false;
        tell_server(company, "UNSUBSCRIBE", on_answer_of_no_interest);
    }
    company_release(company);
}

static void on_all_subscribed(void *arg, const redisReply *reply, bool written) {
    struct store *store = arg;
    (void)written;
    if (reply != NULL && store->ready) verify_begin(store); /* what was told to nobody while the link was down */
}

static void ping(struct store *store, redis_answer answer) {
    const char *words[1] = {"PING"};
    if (redis_link_send(store->changes, 1, words, NULL, answer, store) == LEDIG_ENO_MEMORY) {
        redis_link_drop(store->changes, "out of memory");
    }
}

void watch_ping(struct store *store) {
    ping(store, on_answer_of_no_interest);
}

void watch_link_up(struct store *store) {
    struct store_company *company, *next;
    HASH_ITER(hh, store->companies, company, next) {
        if (company->watches > 0 || company->watchers != NULL) subscribe(company);
    }
    ping(store, on_all_subscribed);
}

void watch_link_down(struct store *store) {
    struct store_company *company, *next;
    HASH_ITER(hh, store->companies, company, next) {
        company->subscribed = false;
        company_release(company);
    }
}

void store_watch(struct store *store, const char *company_name, store_done done, void *arg) {
    struct watcher *watcher = store_allocate(sizeof *watcher);
    struct store_company *company = shape_is_id(company_name) ? company_get(store, company_name) : NULL;
    watcher->store = store;
    watcher->done = done;
    watcher->arg = arg;
    watcher->deadline.passed = on_watcher_deadline;
    if (company == NULL) {
        deadline_now(store, &watcher->deadline, LEDIG_EBAD_REQUEST);
        return;
    }
    watcher->company = company;
    DL_APPEND(company->watchers, watcher);
    deadline_add(store, &watcher->deadline);
    if (redis_link_is_up(store->changes)) subscribe(company); /* once more does no harm, and its answer is the proof */
}

void store_unwatch(struct store *store, const char *company_name) {
    struct store_company *company = company_find(store, company_name);
    if (company == NULL || company->watches == 0) return;
    company->watches--;
    unsubscribe(company);
}

/* ---- The doorbell ---- */

/* A field of the doorbell up to this character; moves *at behind it. */
static bool take_field(const char **at, const char *end, char stop, const char **field, size_t *length) {
    const char *found = memchr(*at, stop, (size_t)(end - *at));
    if (found == NULL) return false;
    *field = *at;
    *length = (size_t)(found - *at);
    *at = found + 1;
    return true;
}

static bool take_number(const char **at, const char *end, char stop, bool *none, uint64_t *number) {
    const char *field;
    size_t length;
    *number = 0;
    if (!take_field(at, end, stop, &field, &length)) return false;
    *none = length == 1 && field[0] == '-';
    return *none || number_parse(field, length, number) == 0;
}

/* One entity; its name is copied to `names`, since a record's is a text that ends. */
static bool take_record(const char **at, const char *end, struct buffer *names, uint64_t version,
                        struct store_record *record) {
    uint64_t name, bytes;
    bool none, gone;
    if (!take_number(at, end, ' ', &none, &name) || none || !take_number(at, end, '\n', &gone, &bytes)) return false;
    if (name > (uint64_t)(end - *at) || bytes > (uint64_t)(end - *at) - name) return false;
    *record = (struct store_record){.revision = version, .length = (size_t)bytes};
    buffer_append(names, *at, (size_t)name);
    buffer_append(names, "", 1);
    if (!gone) record->bytes = (const uint8_t *)*at + name;
    *at += name + bytes;
    return true;
}

static bool take_news(struct store *store, const char *at, const char *end, struct store_record *records,
                      struct buffer *names, char *epoch, struct store_news *news) {
    const char *field;
    size_t length;
    uint64_t count;
    bool none, too_large;
    if (!take_field(&at, end, ' ', &field, &length) || length > LEDIG_ID_CHARS_MAX) return false;
    memcpy(epoch, field, length);
    epoch[length] = '\0';
    if (!take_number(&at, end, ' ', &none, &news->version) || none) return false;
    if (!take_number(&at, end, '\n', &too_large, &count) || count > NEWS_ENTITIES_MAX) return false;
    for (size_t i = 0; i < count; i++) {
        if (!take_record(&at, end, names, news->version, &records[i])) return false;
    }
    if (names->failed || at != end) return false;
    const char *name = (const char *)names->bytes;
    for (size_t i = 0; i < count; i++) {
        records[i].entity = name;
        name += strlen(name) + 1;
        if (record_open(store, news->company, &records[i]) != 0) return false;
    }
    news->epoch = epoch;
    news->whole = !too_large;
    news->records = records;
    news->count = (size_t)count;
    return true;
}

void watch_told(struct store *store, const redisReply *message) {
    const redisReply *channel = message->element[1], *text = message->element[2];
    size_t frame = strlen(PREFIX) + strlen(SUFFIX);
    char name[LEDIG_ID_CHARS_MAX + 1], epoch[LEDIG_ID_CHARS_MAX + 1];
    if (channel->type != REDIS_REPLY_STRING || text->type != REDIS_REPLY_STRING) return;
    if (channel->len <= frame || channel->len - frame > LEDIG_ID_CHARS_MAX) return;
    memcpy(name, channel->str + strlen(PREFIX), channel->len - frame);
    name[channel->len - frame] = '\0';
    struct store_company *company = company_find(store, name);
    if (store->closing || company == NULL || (company->watches == 0 && company->watchers == NULL)) return;

    struct store_record records[NEWS_ENTITIES_MAX];
    struct buffer names = {0};
    struct store_news news = {.company = name};
    /* One that cannot be read counts as lost: the verify batch finds it. */
    opened_forget(store);
    if (take_news(store, text->str, text->str + text->len, records, &names, epoch, &news)) {
        company_heard(company, epoch, news.version);
        if (store->options.events.changed != NULL) store->options.events.changed(store->options.arg, &news);
    }
    buffer_free(&names);
}
