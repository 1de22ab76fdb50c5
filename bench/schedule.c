#include "bench/scenario.h"
#include "bench/terminal.h"

#include <math.h>

/* Companies in turn, and in each its publishers in turn. */
static struct publisher *whose_turn(struct crowd *crowd, uint64_t change, uint32_t companies) {
    struct assembly *company = &crowd->company[change % companies];
    return &company->publisher[(change / companies) % company->publishers];
}

static bool is_over(struct scenario *scenario, const struct schedule *schedule, uint64_t done, uint64_t changes) {
    if (scenario->crowd.gone > 0) return true;
    return done >= changes && !(schedule->goes_on && schedule->goes_on(scenario));
}

int schedule_play(struct scenario *scenario, struct schedule *schedule, const char *what) {
    struct crowd *crowd = &scenario->crowd;
    const int64_t began_ns = clock_now_ns();
    const double gap_ns = 1e9 / schedule->rate;
    const uint64_t changes = (uint64_t)fmax(1, schedule->seconds * schedule->rate);
    for (uint64_t i = 0; !is_over(scenario, schedule, i, changes);) {
        if (interrupt_asked()) return complain(LEDIG_EIO, "interrupted");
        if (crowd->out_of_memory) return complain(LEDIG_ENO_MEMORY, "out of memory");
        if (generators_look(&scenario->generators) != 0) return LEDIG_EIO;
        int64_t due_ns = began_ns + (int64_t)((double)i * gap_ns);
        if (due_ns > clock_now_ns()) {
            progress_show(what, i < changes ? i : changes, changes);
            crowd_turn(crowd, due_ns);
            continue;
        }
        int error = publisher_change(whose_turn(crowd, schedule->turn++, schedule->companies), due_ns);
        if (error == LEDIG_ENO_MEMORY) return complain(error, "out of memory");
        i++;
        crowd_turn(crowd, 0); /* behind schedule or not: what has come is read */
    }
    progress_end();
    if (crowd->gone == 0) (void)crowd_await(crowd, "the last changes"); /* what is missing then is found by the check */
    if (crowd->gone == 0 && !interrupt_asked() && scenario->generators.processes > 1) {
        int error = generators_order(&scenario->generators, crowd, ORDER_CATCH_UP);
        if (error != 0 && error != LEDIG_EUNAVAILABLE) return error;
    }
    return interrupt_asked() ? LEDIG_EIO : 0;
}
