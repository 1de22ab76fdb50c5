#include "clients/cli/people.h"
#include "clients/cli/when.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uthash.h>

#define NAME_COLUMNS_MAX 26 /* longer names push their own line to the right */
#define CLOCK_BYTES 24

struct person {
    char *user, *name;       /* name NULL = the directory has none */
    struct ledig_member row; /* texts owned */
    bool known;              /* a member row has come */
    bool doubted;            /* from before a `forget` */
    char *shown;             /* what was last printed, without its time */
    UT_hash_handle hh;
};

struct people {
    struct person *all;
    size_t name_columns; /* widest so far */
};

/* ---- Keeping ---- */

static void row_free(struct ledig_member *row) {
    free((void *)row->availability);
    free((void *)row->activity);
    free((void *)row->note);
    free((void *)row->presence);
    *row = (struct ledig_member){0};
}

static void person_free(struct people *people, struct person *person) {
    HASH_DEL(people->all, person);
    row_free(&person->row);
    free(person->user);
    free(person->name);
    free(person->shown);
    free(person);
}

struct people *people_create(void) {
    return calloc(1, sizeof(struct people));
}

void people_free(struct people *people) {
    if (!people) return;
    while (people->all)
        person_free(people, people->all);
    free(people);
}

static struct person *find_or_add(struct people *people, const char *user) {
    struct person *person;
    HASH_FIND_STR(people->all, user, person);
    if (person) return person;
    person = calloc(1, sizeof *person);
    if (!person) return NULL;
    person->user = strdup(user);
    if (!person->user) {
        free(person);
        return NULL;
    }
    HASH_ADD_KEYPTR(hh, people->all, person->user, strlen(person->user), person);
    return person;
}

/* False when out of memory; NULL is copied as NULL. */
static bool copy(const char *text, const char **to) {
    *to = text ? strdup(text) : NULL;
    return !text || *to;
}

static bool take_row(struct person *person, const struct ledig_member *row) {
    row_free(&person->row);
    person->row.since = row->since;
    person->row.until = row->until;
    person->known = true;
    return copy(row->availability, &person->row.availability) && copy(row->activity, &person->row.activity) &&
           copy(row->note, &person->row.note) && copy(row->presence, &person->row.presence);
}

static bool take_profile(struct people *people, struct person *person, const struct ledig_profile *profile) {
    free(person->name);
    person->name = profile->name && profile->name[0] ? strdup(profile->name) : NULL;
    size_t columns = text_columns(person->name ? person->name : person->user);
    if (columns > people->name_columns) people->name_columns = columns < NAME_COLUMNS_MAX ? columns : NAME_COLUMNS_MAX;
    return person->name || !profile->name || !profile->name[0];
}

bool people_take(struct people *people, const struct ledig_change *change) {
    struct person *person;
    switch (change->kind) {
    case LEDIG_MEMBER:
        person = find_or_add(people, change->member.user);
        if (person) person->doubted = false;
        return person && take_row(person, &change->member);
    case LEDIG_PROFILE:
        person = find_or_add(people, change->profile.user);
        if (person) person->doubted = false;
        return person && take_profile(people, person, &change->profile);
    case LEDIG_REMOVED:
        person = find_or_add(people, change->removed);
        if (person) person->doubted = true;
        return person != NULL;
    case LEDIG_QUEUE:
        break;
    }
    return true;
}

bool people_has(const struct people *people, const char *user) {
    struct person *person;
    HASH_FIND_STR(people->all, user, person);
    return person != NULL;
}

void people_doubt(struct people *people) {
    for (struct person *person = people->all; person; person = person->hh.next)
        person->doubted = true;
}

/* ---- Showing ---- */

static enum tint tint_of(const char *availability) {
    static const struct {
        const char *availability;
        enum tint tint;
    } tints[] = {{"available", TINT_GREEN}, {"busy", TINT_RED}, {"dnd", TINT_MAGENTA}, {"away", TINT_YELLOW}};
    for (size_t i = 0; i < sizeof tints / sizeof tints[0]; i++)
        if (strcmp(availability, tints[i].availability) == 0) return tints[i].tint;
    return TINT_DIM;
}

static const char *availability_of(const struct person *person) {
    return person->known && person->row.availability ? person->row.availability : "unknown";
}

static void with_blanks(char *text) {
    for (; *text; text++)
        if (*text == '_') *text = ' ';
}

/* What follows the availability: ` · meeting  until 14:30  “Styremøte”  [idle]`. Owned by the caller; NULL when out of
 * memory. */
static char *details_of(const struct person *person, int64_t now_ms) {
    char *details = NULL, activity[200], until[WHEN_FORMATTED_BYTES] = "";
    size_t length;
    const struct ledig_member *row = &person->row;
    FILE *out = open_memstream(&details, &length);
    if (!out) return NULL;
    if (row->activity && strcmp(row->activity, "none") != 0) {
        snprintf(activity, sizeof activity, "%s", row->activity);
        with_blanks(activity);
        fprintf(out, " · %s", activity);
    }
    if (row->until) {
        when_format(row->until, now_ms, until);
        fprintf(out, "  until %s", until);
    }
    if (row->note && row->note[0]) fprintf(out, "  “%s”", row->note);
    if (row->presence && strcmp(row->presence, "none") != 0) fprintf(out, "  [%s]", row->presence);
    return fclose(out) == 0 ? details : NULL;
}

/* The time in front: of this day `12:31:04`, of another its date, in the same eight columns. */
static void clock_of(int64_t at_ms, int64_t now_ms, char to[static CLOCK_BYTES]) {
    time_t at = (time_t)(at_ms / 1000), now = (time_t)(now_ms / 1000);
    struct tm then, today;
    to[0] = 0;
    if (!at_ms || !localtime_r(&at, &then) || !localtime_r(&now, &today)) return;
    bool same_day = then.tm_year == today.tm_year && then.tm_yday == today.tm_yday;
    strftime(to, CLOCK_BYTES, same_day ? "%H:%M:%S" : "%d.%m.%y", &then);
}

static void print_line(const struct people *people, const struct person *person, const char *details,
                       struct terminal *terminal, int64_t at_ms, int64_t now_ms) {
    char clock[CLOCK_BYTES];
    clock_of(at_ms, now_ms, clock);
    size_t used = terminal_put(terminal, TINT_DIM, clock, 0, 8);
    used += terminal_put(terminal, TINT_NONE, "  ", 0, 0);
    used += terminal_put(terminal, TINT_NONE, person->name ? person->name : person->user, 0, people->name_columns);
    used += terminal_put(terminal, TINT_NONE, "  ", 0, 0);
    used += terminal_put(terminal, tint_of(availability_of(person)), availability_of(person), 0, 0);
    if (!terminal->columns || terminal->columns > used + 1)
        terminal_put(terminal, TINT_NONE, details, terminal->columns ? terminal->columns - used : 0, 0);
    fputc('\n', terminal->file);
}

/* Prints the person if anything is to be seen that was not seen before. */
static void print_news(struct people *people, struct person *person, struct terminal *terminal, int64_t at_ms,
                       int64_t now_ms) {
    char *details = details_of(person, now_ms), *shown = NULL;
    const char *name = person->name ? person->name : person->user;
    if (details && asprintf(&shown, "%s\n%s\n%s", name, availability_of(person), details) < 0) shown = NULL;
    if (shown && (!person->shown || strcmp(person->shown, shown) != 0)) {
        print_line(people, person, details, terminal, at_ms, now_ms);
        free(person->shown);
        person->shown = shown;
        shown = NULL;
    }
    free(shown);
    free(details);
}

static void print_gone(struct people *people, struct person *person, struct terminal *terminal, int64_t now_ms) {
    char clock[CLOCK_BYTES];
    if (person->shown) {
        clock_of(now_ms, now_ms, clock);
        terminal_put(terminal, TINT_DIM, clock, 0, 8);
        terminal_put(terminal, TINT_NONE, "  ", 0, 0);
        terminal_put(terminal, TINT_NONE, person->name ? person->name : person->user, 0, people->name_columns);
        terminal_put(terminal, TINT_DIM, "  has left", 0, 0);
        fputc('\n', terminal->file);
    }
    person_free(people, person);
}

static int by_name(const void *a, const void *b) {
    const struct person *first = *(struct person *const *)a, *second = *(struct person *const *)b;
    int order = strcmp(first->name ? first->name : first->user, second->name ? second->name : second->user);
    return order ? order : strcmp(first->user, second->user);
}

size_t people_settle(struct people *people, struct terminal *terminal, int64_t now_ms, bool since) {
    size_t count = HASH_COUNT(people->all), used = 0, left = 0;
    struct person **sorted = calloc(count ? count : 1, sizeof(struct person *));
    if (!sorted) return count;
    for (struct person *person = people->all; person; person = person->hh.next)
        sorted[used++] = person;
    qsort(sorted, used, sizeof(struct person *), by_name);
    for (size_t i = 0; i < used; i++) {
        if (sorted[i]->doubted) {
            print_gone(people, sorted[i], terminal, now_ms);
            continue;
        }
        print_news(people, sorted[i], terminal, since ? sorted[i]->row.since : now_ms, now_ms);
        left++;
    }
    free(sorted);
    return left;
}

void people_print(struct people *people, const char *user, struct terminal *terminal, int64_t now_ms) {
    struct person *person;
    HASH_FIND_STR(people->all, user, person);
    if (person && person->doubted)
        print_gone(people, person, terminal, now_ms);
    else if (person)
        print_news(people, person, terminal, now_ms, now_ms);
}

void queue_print(const struct ledig_queue *queue, struct terminal *terminal, int64_t now_ms) {
    char text[200], oldest[64] = "";
    if (queue->waiting > 0 && queue->oldest_at > 0 && queue->oldest_at <= now_ms)
        snprintf(oldest, sizeof oldest, ", the oldest for %lld s", (long long)((now_ms - queue->oldest_at) / 1000));
    snprintf(text, sizeof text, "  %u free, %u busy, %u in wrap-up, %u waiting%s", queue->free, queue->busy,
             queue->wrap_up, queue->waiting, oldest);
    terminal_put(terminal, queue->free > 0 ? TINT_GREEN : TINT_RED, queue->queue, 0, 0);
    terminal_put(terminal, TINT_NONE, text, 0, 0);
    fputc('\n', terminal->file);
}
