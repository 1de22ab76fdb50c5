#include "tests/simulation/timeline.h"

#include <stdlib.h>

struct event {
    int64_t at_us;
    uint64_t tie;
    void (*happen)(void *arg); /* NULL = cancelled */
    void *arg;
};

void timeline_open(struct timeline *timeline, struct dice *dice) {
    *timeline = (struct timeline){.dice = dice};
}

void timeline_close(struct timeline *timeline) {
    for (size_t i = 0; i < timeline->count; i++)
        free(timeline->heap[i]);
    free(timeline->heap);
}

static bool comes_before(const struct event *a, const struct event *b) {
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->tie < b->tie;
}

static void swap(struct timeline *timeline, size_t i, size_t j) {
    struct event *event = timeline->heap[i];
    timeline->heap[i] = timeline->heap[j];
    timeline->heap[j] = event;
}

struct event *timeline_at(struct timeline *timeline, int64_t at_us, void (*happen)(void *arg), void *arg) {
    struct event *event = malloc(sizeof *event);
    if (timeline->count == timeline->capacity) {
        timeline->capacity = timeline->capacity ? 2 * timeline->capacity : 256;
        timeline->heap = realloc(timeline->heap, timeline->capacity * sizeof *timeline->heap);
    }
    if (!event || !timeline->heap) abort();
    *event =
        (struct event){at_us > timeline->now_us ? at_us : timeline->now_us, dice_next(timeline->dice), happen, arg};
    size_t i = timeline->count++;
    timeline->heap[i] = event;
    for (; i > 0 && comes_before(timeline->heap[i], timeline->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(timeline, i, (i - 1) / 2);
    return event;
}

void timeline_cancel(struct event *event) {
    if (event) event->happen = NULL;
}

static struct event *take_first(struct timeline *timeline) {
    struct event *first = timeline->heap[0];
    timeline->heap[0] = timeline->heap[--timeline->count];
    for (size_t i = 0, child; (child = 2 * i + 1) < timeline->count; i = child) {
        if (child + 1 < timeline->count && comes_before(timeline->heap[child + 1], timeline->heap[child])) child++;
        if (!comes_before(timeline->heap[child], timeline->heap[i])) break;
        swap(timeline, i, child);
    }
    return first;
}

bool timeline_step(struct timeline *timeline) {
    while (timeline->count > 0) {
        struct event event, *first = take_first(timeline);
        event = *first;
        free(first);
        if (!event.happen) continue;
        timeline->now_us = event.at_us;
        event.happen(event.arg);
        return true;
    }
    return false;
}
