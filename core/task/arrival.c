/* SPDX-License-Identifier: MIT
 *
 * arrival.c - keeps the times of the last two polls of this thread's loop.
 */
#include "core/task/arrival.h"

#include "core/base/clock.h"

/* Events that arrive during a shorter turn count as having arrived at its end. */
#define LONG_TURN_NS NS_PER_MS

static _Thread_local struct {
    uv_loop_t *uv;       /* NULL: none runs */
    uint64_t turn_ns;    /* when the poll before the last one was woken */
    uint64_t poll_ns;    /* when the last poll began ... */
    uint64_t idle_ns;    /* ... and uv_metrics_idle_time then */
    uint64_t arrival_ns; /* of what the last poll found; 0: nobody has asked */
} own;

uv_loop_t *arrival_follow(uv_loop_t *uv)
{
    uv_loop_t *previous = own.uv;
    own.uv = uv;
    own.poll_ns = uv == NULL ? 0 : clock_now_ns();
    own.idle_ns = uv == NULL ? 0 : uv_metrics_idle_time(uv);
    own.turn_ns = own.poll_ns;
    own.arrival_ns = 0;
    return previous;
}

void arrival_poll_begins(uint64_t now_ns, uint64_t idle_ns)
{
    own.turn_ns = own.poll_ns + (idle_ns - own.idle_ns);
    own.poll_ns = now_ns;
    own.idle_ns = idle_ns;
    own.arrival_ns = 0;
}

uint64_t arrival_poll_began_ns(void)
{
    return own.poll_ns;
}

uint64_t arrival_ns(void)
{
    if (own.uv == NULL) {
        return UINT64_MAX;
    }
    if (own.arrival_ns == 0) { /* libuv takes a lock to tell */
        const uint64_t slept_ns = uv_metrics_idle_time(own.uv) - own.idle_ns;
        const bool was_long = own.poll_ns - own.turn_ns >= LONG_TURN_NS;
        own.arrival_ns = slept_ns == 0 && was_long ? own.turn_ns : own.poll_ns + slept_ns;
    }
    return own.arrival_ns;
}
