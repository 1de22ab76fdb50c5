#include "bench/histogram.h"

#include <math.h>

static unsigned shift_of(uint64_t value) {
    if (value < 2 * HISTOGRAM_HALF) return 0;
    return 63u - (unsigned)__builtin_clzll(value) -
           10u; /* leaves a number of HISTOGRAM_HALF … 2 × HISTOGRAM_HALF - 1 */
}

void histogram_record(struct histogram *histogram, uint64_t value) {
    if (value > HISTOGRAM_VALUE_MAX) value = HISTOGRAM_VALUE_MAX;
    if (value > histogram->max) histogram->max = value;
    unsigned shift = shift_of(value);
    histogram->slots[(uint64_t)shift * HISTOGRAM_HALF + (value >> shift)]++;
    histogram->total++;
}

void histogram_add(struct histogram *histogram, const struct histogram *other) {
    if (other->max > histogram->max) histogram->max = other->max;
    histogram->total += other->total;
    for (size_t slot = 0; slot < HISTOGRAM_SLOTS; slot++)
        histogram->slots[slot] += other->slots[slot];
}

/* The largest value that falls into a slot. */
static uint64_t slot_top(size_t slot) {
    if (slot < 2 * HISTOGRAM_HALF) return slot;
    unsigned shift = (unsigned)(slot / HISTOGRAM_HALF) - 1;
    uint64_t head = slot - (uint64_t)shift * HISTOGRAM_HALF;
    return ((head + 1) << shift) - 1;
}

uint64_t histogram_at(const struct histogram *histogram, double share) {
    if (histogram->total == 0) return 0;
    uint64_t rank = (uint64_t)ceil(share * (double)histogram->total);
    if (rank == 0) rank = 1;
    uint64_t passed = 0;
    for (size_t slot = 0; slot < HISTOGRAM_SLOTS; slot++) {
        passed += histogram->slots[slot];
        if (passed < rank) continue;
        uint64_t top = slot_top(slot);
        return top < histogram->max ? top : histogram->max;
    }
    return histogram->max;
}
