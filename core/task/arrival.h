/* SPDX-License-Identifier: MIT
 *
 * arrival.h - the time at which the events arrived that the loop is processing now.
 *
 * This tells waiting for an event from waiting for the loop: the poll returned at that time, and
 * other callbacks ran first.
 *
 * Flow:   loop_run -> arrival_start; each turn arrival_poll_begins; a callback arrival_ns
 * Thread: a loop's own; on other threads arrival_ns returns UINT64_MAX.
 */
#ifndef TOQ_CORE_TASK_ARRIVAL_H
#define TOQ_CORE_TASK_ARRIVAL_H

#include <uv.h>

#include "core/task/task_self.h"

/* The times of a loop's polls. */
struct arrival {
    uv_loop_t *uv;
    uint64_t turn_ns;  /* when the poll before the last one was woken */
    uint64_t poll_ns;  /* when the last poll began ... */
    uint64_t idle_ns;  /* ... and uv_metrics_idle_time then */
    uint64_t woken_ns; /* arrival_ns of the last poll; 0: nobody has asked */
};

/* arrival_start begins to keep the times of a loop, which the calling thread runs from now on.
 *
 * uv: measures its idle time (UV_METRICS_IDLE_TIME).
 */
void arrival_start(struct arrival *arrival, uv_loop_t *uv);

/* arrival_stop ends that: the calling thread runs no loop any more. */
void arrival_stop(void);

/* arrival_poll_begins is called once a turn, right before the loop polls.
 *
 * now_ns: clock_now_ns. idle_ns: uv_metrics_idle_time.
 */
void arrival_poll_begins(struct arrival *arrival, uint64_t now_ns, uint64_t idle_ns);

/* arrival_poll_began_ns is when the last poll began, by clock_now_ns: a request that began before
 * took more than one turn to arrive.
 *
 * Returns: 0 when no loop runs.
 */
static inline uint64_t arrival_poll_began_ns(void)
{
    const struct arrival *arrival = task_self.arrival;
    return arrival == NULL ? 0 : arrival->poll_ns;
}

/* arrival_ns is when the last poll was woken, by clock_now_ns. A poll that did not sleep found
 * events from the turn before, whose time the kernel does not tell: they count from the start of
 * that turn if it took 1 ms or longer, so that what is charged to the loop is an upper bound; else
 * from its end.
 *
 * Returns: UINT64_MAX when no loop runs.
 */
uint64_t arrival_ns(void);

#endif
