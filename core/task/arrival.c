/* SPDX-License-Identifier: MIT
 *
 * arrival.c - keeps the times of the last two polls of a loop.
 */
#include "core/task/arrival.h"

#include "core/base/clock.h"

/* Events that arrive during a shorter turn count as having arrived at its end. */
#define LONG_TURN_NS NS_PER_MS

void arrival_start(struct arrival *arrival, uv_loop_t *uv)
{
    const uint64_t now_ns = clock_now_ns();
    *arrival = (struct arrival){
        .uv = uv, .turn_ns = now_ns, .poll_ns = now_ns, .idle_ns = uv_metrics_idle_time(uv)};
    task_self.arrival = arrival;
}

void arrival_stop(void)
{
    task_self.arrival = NULL;
}

void arrival_poll_begins(struct arrival *arrival, uint64_t now_ns, uint64_t idle_ns)
{
    arrival->turn_ns = arrival->poll_ns + (idle_ns - arrival->idle_ns);
    arrival->poll_ns = now_ns;
    arrival->idle_ns = idle_ns;
    arrival->woken_ns = 0;
}

uint64_t arrival_ns(void)
{
    struct arrival *arrival = task_self.arrival;
    if (arrival == NULL) {
        return UINT64_MAX;
    }
    if (arrival->woken_ns == 0) { /* libuv takes a lock to tell */
        const uint64_t slept_ns = uv_metrics_idle_time(arrival->uv) - arrival->idle_ns;
        const bool was_long = arrival->poll_ns - arrival->turn_ns >= LONG_TURN_NS;
        arrival->woken_ns =
            slept_ns == 0 && was_long ? arrival->turn_ns : arrival->poll_ns + slept_ns;
    }
    return arrival->woken_ns;
}
