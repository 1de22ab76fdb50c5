/* All that is random in a simulation comes from one of these, so that the same seed gives the same run. Never reads a
 * clock or the system; the caller owns it. xorshift64*: https://www.jstatsoft.org/article/view/v008i14 */
#ifndef LEDIG_SIMULATION_DICE_H
#define LEDIG_SIMULATION_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
    uint64_t state;
};

struct dice dice_of_seed(uint64_t seed);
uint64_t dice_next(struct dice *dice);
uint32_t dice_below(struct dice *dice, uint32_t bound);
int64_t dice_between(struct dice *dice, int64_t least, int64_t most); /* both may come */
bool dice_chance(struct dice *dice, double share);

#endif
