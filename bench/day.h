/* A working day: what each of many people does and when, drawn from a seed. They come in the morning, are in meetings,
 * at lunch and on breaks with a return time, want to be left alone, let their devices rest; phones are looked at now
 * and then and change network; most go home.
 *
 * Pure, and in whole numbers alone: the same seed and people give the same day everywhere, and each person's day
 * depends on nobody else's. Times are seconds since midnight. */
#ifndef LEDIG_BENCH_DAY_H
#define LEDIG_BENCH_DAY_H

#include <stddef.h>
#include <stdint.h>

#define DAY_BEGINS_S (6 * 3600)
#define DAY_ENDS_S (18 * 3600)

enum day_kind {
    DAY_ELSEWHERE,   /* nobody here: no day is drawn */
    DAY_SWITCHBOARD, /* there before the others, and to the end */
    DAY_DESK,        /* a computer at work */
    DAY_MOBILE,      /* somebody with nothing but a phone */
    DAY_PHONE        /* the second device of somebody who has a computer */
};

enum day_act {
    DAY_ARRIVES, /* connects */
    DAY_SETS,    /* a status, `for_s` long; 0 = without a return time */
    DAY_TURNS,   /* the device becomes active, idle or background */
    DAY_MOVES,   /* the line breaks, and the device comes back over another */
    DAY_LEAVES,
    DAY_ACTS /* number of them */
};

enum day_status { DAY_AVAILABLE, DAY_MEETING, DAY_LUNCH, DAY_BREAK, DAY_FOCUS, DAY_GONE_HOME };
enum day_device { DAY_ACTIVE, DAY_IDLE, DAY_BACKGROUND };
enum day_arrival { DAY_RESUMES, DAY_AFRESH }; /* with the place of the evening before, or with nothing */
enum day_line { DAY_CLOSED, DAY_SILENT };     /* the broker is told that the line has ended, or hears nothing more */

struct day_event {
    uint32_t at_s, for_s;
    uint32_t who; /* index of the subscriber */
    uint32_t nth; /* of that subscriber's events, as they were drawn */
    uint8_t act;  /* enum day_act */
    uint8_t what; /* of the act: day_status, day_device, day_arrival or day_line */
};

struct day {
    struct day_event *event; /* in order */
    size_t count, capacity;
    size_t acts[DAY_ACTS]; /* how many of each */
};

/* A number below `below`, the same for the same seed, subscriber and purpose. */
uint32_t day_draw(uint32_t seed, uint32_t who, uint32_t purpose, uint32_t below);

/* 0 or LEDIG_ENO_MEMORY. End with day_free. */
int day_plan(struct day *day, uint32_t seed, const enum day_kind *kinds, uint32_t count);
void day_free(struct day *day); /* {0} too */

/* A checksum of all of it, to tell two days apart. Of one that is drawn in parts, the sum of theirs. */
uint64_t day_mark(const struct day *day);

#endif
