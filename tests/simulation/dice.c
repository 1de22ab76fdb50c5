#include "tests/simulation/dice.h"

/* splitmix64 spreads seeds that lie close together, and never leaves a state of 0 to xorshift. */
struct dice dice_of_seed(uint64_t seed) {
    uint64_t z = seed + 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (struct dice){z ? z : 1};
}

uint64_t dice_next(struct dice *dice) {
    dice->state ^= dice->state >> 12;
    dice->state ^= dice->state << 25;
    dice->state ^= dice->state >> 27;
    return dice->state * 2685821657736338717u;
}

uint32_t dice_below(struct dice *dice, uint32_t bound) {
    return (uint32_t)((dice_next(dice) >> 32) % bound);
}

int64_t dice_between(struct dice *dice, int64_t least, int64_t most) {
    return least + (int64_t)((dice_next(dice) >> 11) % (uint64_t)(most - least + 1));
}

bool dice_chance(struct dice *dice, double share) {
    return dice_below(dice, 1000000) < share * 1000000;
}
