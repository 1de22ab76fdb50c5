#include "bench/day.h"
#include "protocol/errors.h"

#include <stdbool.h>
#include <stdlib.h>

#define MINUTE 60
#define HOUR 3600
#define CLOCK(hour, minute) ((hour)*HOUR + (minute)*MINUTE)
#define PURPOSE_DAY 0 /* of day_draw: the day itself */

struct hours { /* one subscriber's day while it is drawn */
    struct day *day;
    uint64_t random;
    uint32_t who, nth;
    uint32_t from_s, until_s; /* nothing happens before or after */
    bool failed;
};

/* ---- Chance ---- */

/* SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). */
static uint64_t next(uint64_t *random) {
    uint64_t mixed = *random += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

static uint64_t begin(uint32_t seed, uint32_t who, uint32_t purpose) {
    uint64_t random = (uint64_t)seed << 32 | who;
    random = next(&random) ^ purpose;
    return next(&random);
}

uint32_t day_draw(uint32_t seed, uint32_t who, uint32_t purpose, uint32_t below) {
    uint64_t random = begin(seed, who, purpose);
    return (uint32_t)(next(&random) % below);
}

static uint32_t below(struct hours *hours, uint32_t limit) {
    return (uint32_t)(next(&hours->random) % limit);
}

static uint32_t between(struct hours *hours, uint32_t low, uint32_t high) {
    return low + below(hours, high - low + 1);
}

static bool chance(struct hours *hours, uint32_t percent) {
    return below(hours, 100) < percent;
}

/* Most are near the middle: the mean of four. */
static uint32_t around(struct hours *hours, uint32_t middle, uint32_t spread) {
    uint32_t sum = 0;
    for (int i = 0; i < 4; i++)
        sum += below(hours, 2 * spread + 1);
    return middle - spread + sum / 4;
}

/* ---- What happens ---- */

static void add(struct hours *hours, uint32_t at_s, enum day_act act, unsigned what, uint32_t for_s) {
    struct day *day = hours->day;
    if (at_s < hours->from_s || at_s > hours->until_s) return;
    if (day->count == day->capacity) {
        size_t capacity = day->capacity ? day->capacity * 2 : 1024;
        struct day_event *grown = realloc(day->event, capacity * sizeof *grown);
        if (!grown) {
            hours->failed = true;
            return;
        }
        day->event = grown;
        day->capacity = capacity;
    }
    day->event[day->count++] = (struct day_event){at_s, for_s, hours->who, hours->nth++, (uint8_t)act, (uint8_t)what};
    day->acts[act]++;
}

/* Away from the desk for a while; the device rests meanwhile. */
static void rest(struct hours *hours, enum day_status why, uint32_t at_s, uint32_t for_s) {
    add(hours, at_s, DAY_SETS, why, for_s);
    add(hours, at_s + 2 * MINUTE, DAY_TURNS, DAY_IDLE, 0);
    add(hours, at_s + for_s, DAY_TURNS, DAY_ACTIVE, 0);
}

static void meet(struct hours *hours) {
    uint32_t at_s = CLOCK(8, 0) + 30 * MINUTE * below(hours, 16), for_s = 30 * MINUTE * between(hours, 1, 3);
    add(hours, at_s, DAY_SETS, DAY_MEETING, for_s);
    if (chance(hours, 30)) add(hours, at_s + for_s * 3 / 5, DAY_SETS, DAY_AVAILABLE, 0); /* over early */
}

static void concentrate(struct hours *hours) {
    uint32_t at_s = around(hours, CLOCK(13, 0), 3 * HOUR);
    add(hours, at_s, DAY_SETS, DAY_FOCUS, 0);
    add(hours, at_s + between(hours, 45, 120) * MINUTE, DAY_SETS, DAY_AVAILABLE, 0);
}

static void work(struct hours *hours) {
    uint32_t meetings = below(hours, 4), breaks = below(hours, 3);
    for (uint32_t i = 0; i < meetings; i++)
        meet(hours);
    for (uint32_t i = 0; i < breaks; i++)
        rest(hours, DAY_BREAK, around(hours, CLOCK(12, 0), 4 * HOUR), between(hours, 10, 20) * MINUTE);
    rest(hours, DAY_LUNCH, around(hours, CLOCK(11, 45), 45 * MINUTE), between(hours, 30, 45) * MINUTE);
    if (chance(hours, 40)) concentrate(hours);
}

static void carry_phone(struct hours *hours) {
    uint32_t looks = between(hours, 3, 6), moves = between(hours, 2, 5);
    for (uint32_t i = 0; i < looks; i++) {
        uint32_t at_s = around(hours, CLOCK(12, 0), 5 * HOUR);
        add(hours, at_s, DAY_TURNS, DAY_ACTIVE, 0);
        add(hours, at_s + between(hours, 2, 5) * MINUTE, DAY_TURNS, DAY_BACKGROUND, 0);
    }
    for (uint32_t i = 0; i < moves; i++)
        add(hours, around(hours, CLOCK(12, 0), 5 * HOUR), DAY_MOVES, chance(hours, 50) ? DAY_SILENT : DAY_CLOSED, 0);
}

static void arrive(struct hours *hours, uint32_t at_s, uint32_t afresh_percent) {
    hours->from_s = at_s;
    add(hours, at_s, DAY_ARRIVES, chance(hours, afresh_percent) ? DAY_AFRESH : DAY_RESUMES, 0);
}

static void go_home(struct hours *hours) {
    if (!chance(hours, 70)) return; /* the others work late */
    hours->until_s = around(hours, CLOCK(16, 0), 90 * MINUTE);
    add(hours, hours->until_s - MINUTE, DAY_SETS, DAY_GONE_HOME, 24 * HOUR + CLOCK(8, 0) - hours->until_s);
    add(hours, hours->until_s, DAY_LEAVES, 0, 0);
}

static void spend(struct hours *hours, enum day_kind kind) {
    hours->until_s = DAY_ENDS_S;
    switch (kind) {
    case DAY_ELSEWHERE:
        break;
    case DAY_SWITCHBOARD:
        arrive(hours, CLOCK(6, 30), 0);
        rest(hours, DAY_LUNCH, CLOCK(11, 0), 30 * MINUTE);
        break;
    case DAY_DESK:
    case DAY_MOBILE:
        arrive(hours, around(hours, CLOCK(8, 0), 75 * MINUTE), kind == DAY_DESK ? 30 : 10);
        add(hours, hours->from_s + between(hours, 1, 5) * MINUTE, DAY_SETS, DAY_AVAILABLE, 0);
        go_home(hours);
        work(hours);
        if (kind == DAY_MOBILE) carry_phone(hours);
        break;
    case DAY_PHONE:
        arrive(hours, between(hours, DAY_BEGINS_S, CLOCK(7, 30)), 10);
        carry_phone(hours);
        break;
    }
}

/* ---- The whole ---- */

static int order(const void *a, const void *b) {
    const struct day_event *one = a, *other = b;
    if (one->at_s != other->at_s) return one->at_s < other->at_s ? -1 : 1;
    if (one->who != other->who) return one->who < other->who ? -1 : 1;
    return one->nth < other->nth ? -1 : one->nth > other->nth ? 1 : 0;
}

int day_plan(struct day *day, uint32_t seed, const enum day_kind *kinds, uint32_t count) {
    *day = (struct day){0};
    for (uint32_t i = 0; i < count; i++) {
        struct hours hours = {.day = day, .random = begin(seed, i, PURPOSE_DAY), .who = i};
        spend(&hours, kinds[i]);
        if (hours.failed) return LEDIG_ENO_MEMORY;
    }
    if (day->count > 0) qsort(day->event, day->count, sizeof *day->event, order);
    return 0;
}

void day_free(struct day *day) {
    free(day->event);
    *day = (struct day){0};
}

uint64_t day_mark(const struct day *day) {
    uint64_t sum = 0;
    for (size_t i = 0; i < day->count; i++) {
        const struct day_event *event = &day->event[i];
        const uint32_t fields[] = {event->at_s, event->for_s, event->who, event->nth, event->act, event->what};
        uint64_t mark = UINT64_C(0xcbf29ce484222325); /* FNV-1a, a field at a time */
        for (size_t f = 0; f < sizeof fields / sizeof *fields; f++)
            mark = (mark ^ fields[f]) * UINT64_C(0x100000001b3);
        sum += mark;
    }
    return sum;
}
