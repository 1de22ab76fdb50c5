#include "broker/service/route_watch.h"
#include "broker/service/e164.h"
#include "broker/service/number_index.h"
#include "broker/service/route_frames.h"
#include "broker/service/route_row.h"
#include "broker/service/router_link.h"
#include "broker/service/service.h"
#include "broker/service/tenant.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define CLOCK_EVERY 16 /* numbers between two looks at the clock: some 20 µs */

struct home {              /* a company that has some of the numbers */
    struct tenant *tenant; /* held */
    struct home *next;
    uint32_t count;          /* of the numbers */
    uint64_t place, version; /* of the replica, as it was looked at last */
    uint64_t moves;          /* of the watch, when it moved last; 0 = not loaded yet */
};

struct followed {
    char number[E164_BYTES];
    bool is_sought;    /* the index was asked for it at least once, or need not be */
    bool is_told;      /* the router has a row of it */
    bool is_dirty;     /* and it is not as it should be */
    struct home *home; /* NULL: nobody has it */
    uint64_t moves;    /* of the watch, when it was looked at last */
    uint64_t hash;     /* of the row, when it was looked at last */
};

struct route_watch {
    struct router_link *link; /* NULL: closed, and gone when the index has answered */
    struct service *service;
    struct route_watch *before, *next;
    struct home *homes;
    struct home *only;  /* the token is for one company; NULL: for several */
    uint64_t moves;     /* of all companies, so far */
    size_t at, left;    /* of the pass over the numbers that is under way */
    size_t told, dirty; /* how many are */
    size_t sought_at;   /* where the next question to the index begins */
    uint64_t sought_ms; /* the loop's time when it was asked last */
    bool seeks;         /* a question is under way */
    size_t count;
    struct followed numbers[]; /* in order */
};

/* ---- Companies ---- */

static struct home *find_home(struct route_watch *watch, const char *company) {
    struct home *home;
    LL_FOREACH(watch->homes, home)
    if (strcmp(tenant_id(home->tenant), company) == 0) return home;
    home = calloc(1, sizeof *home);
    if (home) home->tenant = tenant_hold(watch->service, company);
    if (!home || !home->tenant) {
        free(home);
        return NULL;
    }
    LL_PREPEND(watch->homes, home);
    return home;
}

static void drop_home(struct route_watch *watch, struct home *home) {
    LL_DELETE(watch->homes, home);
    tenant_release(home->tenant);
    free(home);
}

static void settle(struct route_watch *watch, struct followed *followed, struct home *home) {
    struct home *former = followed->home;
    if (home) home->count++;
    followed->home = home;
    followed->moves = 0;
    if (former && --former->count == 0 && former != watch->only) drop_home(watch, former);
}

/* Whether it moved since the last look. Its version too: not all that a route hangs on, such as a forward, is in a row
 * of the list. */
static bool has_moved(struct home *home) {
    if (!tenant_is_ready(home->tenant)) return false;
    const struct company *company = tenant_company(home->tenant);
    uint64_t place = company_last_place(company), version = company_version(company);
    if (home->moves > 0 && home->place == place && home->version == version) return false;
    home->place = place;
    home->version = version;
    return true;
}

/* A pass over the numbers begins, or begins anew from where it stands. */
static void begin_pass(struct route_watch *watch) {
    watch->left = watch->count;
}

static void look_at_homes(struct route_watch *watch) {
    struct home *home;
    LL_FOREACH(watch->homes, home) {
        if (!has_moved(home)) continue;
        home->moves = ++watch->moves;
        begin_pass(watch);
    }
}

/* ---- One number ---- */

static void hash_text(uint64_t *hash, const char *text) {
    const char *at = text ? text : "";
    do {
        *hash = (*hash ^ (uint8_t)*at) * 0x100000001b3u; /* FNV-1a; the NUL is the border */
    } while (*at++);
}

/* Of all but the version, which changes with every commit of the company. */
static uint64_t hash_row(const struct part_route_row *row) {
    uint64_t hash = 0xcbf29ce484222325u;
    char until[24];
    const char *texts[] = {row->action,  row->target,       row->user,    row->queue,
                           row->company, row->availability, row->activity};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        hash_text(&hash, texts[i]);
    for (uint32_t i = 0; i < row->via.count; i++)
        hash_text(&hash, row->via.at[i]);
    snprintf(until, sizeof until, "%lld", (long long)row->until);
    hash_text(&hash, until);
    return hash;
}

/* False where nobody in its company has it. */
static bool find_row(const struct followed *followed, struct part_route_row *row, struct forwarded *room) {
    *row = (struct part_route_row){.number = followed->number};
    const struct tenant *tenant = followed->home ? followed->home->tenant : NULL;
    if (tenant && route_row_find(row, tenant_company(tenant), tenant_id(tenant), room)) return true;
    route_row_nobody(row);
    return false;
}

static bool is_known(const struct followed *followed) {
    return followed->home ? tenant_is_ready(followed->home->tenant) : followed->is_sought;
}

static void look(struct route_watch *watch, struct followed *followed) {
    struct part_route_row row;
    struct forwarded room;
    if (!is_known(followed)) return;
    if (followed->moves > 0 && (!followed->home || followed->moves >= followed->home->moves)) return;
    bool found = find_row(followed, &row, &room);
    uint64_t hash = hash_row(&row);
    if (!followed->is_dirty && (!followed->is_told || hash != followed->hash)) {
        followed->is_dirty = true;
        watch->dirty++;
    }
    followed->hash = hash;
    if (!found && followed->home && !watch->only) { /* the index may know more */
        settle(watch, followed, NULL);
        watch->sought_ms = 0;
    }
    followed->moves = watch->moves > 0 ? watch->moves : 1;
}

/* ---- Telling ---- */

/* How a row was told; what is in the frame and not yet sent counts. */
static void tell(struct route_watch *watch, struct followed *followed, const struct part_route_row *row) {
    followed->hash = hash_row(row);
    followed->is_dirty = false;
    watch->dirty--;
    if (!followed->is_told) watch->told++;
    followed->is_told = true;
}

static void send_frame(struct route_watch *watch, struct route_frames *frames) {
    route_frames_send(frames, watch->told < watch->count);
}

static bool can_take(const struct route_watch *watch) {
    return watch->link->session->stage == SESSION_LIVE && session_is_free(watch->link->session);
}

/* Tells of those that are dirty, each as it is now, as long as the router takes it. False: the time was up. */
static bool tell_all(struct route_watch *watch, uint64_t until_ns) {
    struct route_frames frames;
    size_t added = 0, looked = 0;
    if (watch->dirty == 0 || !can_take(watch)) return true;
    route_frames_begin(&frames, watch->link->session, 0, store_stale_ms(watch->service->store));
    for (size_t i = 0; i < watch->count && watch->dirty > 0; i++) {
        struct followed *followed = &watch->numbers[i];
        struct part_route_row row;
        struct forwarded room;
        if (!followed->is_dirty) continue;
        find_row(followed, &row, &room);
        if (!route_frames_add(&frames, &row)) {
            send_frame(watch, &frames);
            added = 0;
            if (!can_take(watch)) break;
            route_frames_add(&frames, &row);
        }
        tell(watch, followed, &row);
        added++;
        if (++looked % CLOCK_EVERY == 0 && uv_hrtime() >= until_ns) break;
    }
    if (added > 0) send_frame(watch, &frames);
    route_frames_end(&frames);
    return watch->dirty == 0 || !can_take(watch);
}

void route_watch_writable(struct route_watch *watch) {
    if (watch && !tell_all(watch, uv_hrtime() + watch->service->options.slice_ms * 1000000ull))
        watch->service->watches.moved = true;
}

/* ---- The index ---- */

static bool is_sought_for(const struct route_watch *watch, const struct followed *followed) {
    return !watch->only && !followed->home;
}

static int compare(const void *a, const void *b) {
    const struct followed *one = a, *other = b;
    return strcmp(one->number, other->number);
}

static struct followed *find_number(struct route_watch *watch, const char number[static E164_BYTES]) {
    struct followed key;
    memcpy(key.number, number, sizeof key.number);
    return bsearch(&key, watch->numbers, watch->count, sizeof key, compare);
}

struct seeking {
    struct route_watch *watch;
    size_t count;
    char numbers[][E164_BYTES];
};

/* "acme/user/kari"; what the token does not cover is treated as if nobody had it. */
static struct home *home_of(struct route_watch *watch, const char *owner) {
    char company[LEDIG_ID_CHARS_MAX + 1];
    size_t length = owner ? strcspn(owner, "/") : 0;
    if (length == 0 || length > LEDIG_ID_CHARS_MAX) return NULL;
    memcpy(company, owner, length);
    company[length] = 0;
    return token_covers(&watch->link->claims, company) ? find_home(watch, company) : NULL;
}

static void on_found(void *arg, int error, const char *const *owners, size_t count) {
    struct seeking *seeking = arg;
    struct route_watch *watch = seeking->watch;
    watch->seeks = false;
    for (size_t i = 0; !error && watch->link && i < count; i++) {
        struct followed *followed = find_number(watch, seeking->numbers[i]);
        struct home *home = home_of(watch, owners[i]);
        if (!followed->is_sought) followed->moves = 0;
        followed->is_sought = true;
        if (home) settle(watch, followed, home);
    }
    if (!watch->link) {
        free(watch);
    } else {
        begin_pass(watch);
        watch->service->watches.moved = true;
        if (error) watch->sought_at = 0;
        if (!error && watch->sought_at < watch->count) route_watch_sweep(watch); /* not through yet */
    }
    free(seeking);
}

static size_t count_sought(const struct route_watch *watch) {
    size_t count = 0;
    for (size_t i = watch->sought_at; i < watch->count && count < ROUTING_BATCH_MAX; i++)
        count += is_sought_for(watch, &watch->numbers[i]);
    return count;
}

static void seek(struct route_watch *watch, size_t count) {
    struct seeking *seeking = malloc(sizeof *seeking + count * sizeof *seeking->numbers);
    const char **numbers = malloc(count * sizeof *numbers);
    if (!seeking || !numbers) { /* the next sweep tries again */
        free(seeking);
        free(numbers);
        return;
    }
    seeking->watch = watch;
    seeking->count = 0;
    for (; seeking->count < count; watch->sought_at++) {
        if (!is_sought_for(watch, &watch->numbers[watch->sought_at])) continue;
        numbers[seeking->count] = strcpy(seeking->numbers[seeking->count], watch->numbers[watch->sought_at].number);
        seeking->count++;
    }
    watch->seeks = true;
    watch->sought_ms = uv_now(watch->service->loop);
    number_index_find(watch->service, numbers, count, on_found, seeking);
    free(numbers);
}

void route_watch_sweep(struct route_watch *watch) {
    if (watch->seeks || watch->only) return;
    bool begins = watch->sought_at == 0 || watch->sought_at >= watch->count;
    if (begins && watch->sought_ms &&
        uv_now(watch->service->loop) - watch->sought_ms < watch->service->options.verify_ms)
        return;
    if (begins) watch->sought_at = 0;
    size_t count = count_sought(watch);
    if (count > 0)
        seek(watch, count);
    else
        watch->sought_at = 0;
}

/* ---- Opening and closing ---- */

static void sort(struct route_watch *watch) {
    size_t count = 0;
    if (watch->count > 0) qsort(watch->numbers, watch->count, sizeof *watch->numbers, compare);
    for (size_t i = 0; i < watch->count; i++)
        if (count == 0 || compare(&watch->numbers[count - 1], &watch->numbers[i]) != 0)
            watch->numbers[count++] = watch->numbers[i];
    watch->count = count;
}

static bool find_only(struct route_watch *watch) {
    const char *companies = watch->link->claims.companies;
    if (!shape_is_id(companies)) return true;
    watch->only = find_home(watch, companies);
    for (size_t i = 0; watch->only && i < watch->count; i++)
        settle(watch, &watch->numbers[i], watch->only);
    return watch->only != NULL;
}

int route_watch_open(struct router_link *link, const struct texts *numbers, struct route_watch **out) {
    struct route_watch *watch = calloc(1, sizeof *watch + numbers->count * sizeof *watch->numbers);
    if (!watch) return LEDIG_EUNAVAILABLE;
    watch->link = link;
    watch->service = link->service;
    watch->count = numbers->count;
    for (uint32_t i = 0; i < numbers->count; i++)
        if (e164_parse(numbers->at[i], strlen(numbers->at[i]), watch->numbers[i].number) != 0) {
            free(watch);
            return LEDIG_EBAD_REQUEST;
        }
    sort(watch);
    DL_APPEND2(watch->service->watches.list, watch, before, next);
    if (!find_only(watch)) {
        route_watch_close(watch);
        return LEDIG_EUNAVAILABLE;
    }
    begin_pass(watch);
    watch->service->watches.moved = true;
    route_watch_sweep(watch);
    *out = watch;
    return 0;
}

void route_watch_close(struct route_watch *watch) {
    if (!watch) return;
    DL_DELETE2(watch->service->watches.list, watch, before, next);
    while (watch->homes)
        drop_home(watch, watch->homes);
    watch->link = NULL;
    if (!watch->seeks) free(watch);
}

/* ---- The end of a turn ---- */

/* False: the time was up. */
static bool go_over(struct route_watch *watch, uint64_t until_ns) {
    look_at_homes(watch);
    for (size_t looked = 1; watch->left > 0; looked++) {
        if (watch->at >= watch->count) watch->at = 0;
        watch->left--;
        look(watch, &watch->numbers[watch->at++]);
        if (looked % CLOCK_EVERY == 0 && uv_hrtime() >= until_ns) return watch->left == 0;
    }
    return true;
}

static void go_on_next_turn(uv_idle_t *idle) {
    (void)idle; /* only keeps the loop from waiting */
}

/* Each has a slice of its own, so that one with many numbers does not stand before the others. */
static void on_prepare(uv_prepare_t *prepare) {
    struct route_watches *watches = prepare->data;
    struct route_watch *watch, *next;
    bool done = true;
    if (!watches->moved) return;
    watches->moved = false;
    DL_FOREACH_SAFE2(watches->list, watch, next, next) {
        uint64_t until_ns = uv_hrtime() + watches->service->options.slice_ms * 1000000ull;
        bool is_through = go_over(watch, until_ns);
        done = tell_all(watch, until_ns) && is_through && done;
    }
    if (!done) watches->moved = true;
    if (watches->moved)
        uv_idle_start(&watches->idle, go_on_next_turn);
    else
        uv_idle_stop(&watches->idle);
}

int route_watches_open(struct route_watches *watches, struct service *service) {
    watches->service = service;
    watches->prepare.data = watches->idle.data = watches;
    if (uv_prepare_init(service->loop, &watches->prepare) != 0 || uv_idle_init(service->loop, &watches->idle) != 0)
        return LEDIG_EIO;
    return uv_prepare_start(&watches->prepare, on_prepare) == 0 ? 0 : LEDIG_EIO;
}
