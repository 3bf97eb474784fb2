/* SPDX-License-Identifier: MIT
 *
 * wheel.h - a coarse timer wheel for timeouts that rarely fire.
 *
 * Moving a deadline further away, which is what a busy connection does all the time, only stores a
 * number: the timer stays in its slot and is put into the right one when that slot comes round.
 *
 * Thread: the loop.
 */
#ifndef TOQ_CORE_LOOP_WHEEL_H
#define TOQ_CORE_LOOP_WHEEL_H

#include "core/base/list.h"

#define WHEEL_TICK_MS    100
#define WHEEL_SLOT_COUNT 512 /* 51.2 s a turn; later deadlines go round again */

/* A timer that is not set is all zero but for on_fire. */
struct wheel_timer {
    struct list link; /* while it is set */
    uint64_t deadline_ms;
    uint64_t slot_ms;                           /* when its slot comes round; 0: it is not set */
    void (*on_fire)(struct wheel_timer *timer); /* the timer is unset when it runs */
};

struct wheel {
    uint64_t now_ms; /* the last tick that ran */
    struct list slots[WHEEL_SLOT_COUNT];
};

/* wheel_init starts an empty wheel.
 *
 * now_ms: the time that the first wheel_advance counts from.
 */
void wheel_init(struct wheel *wheel, uint64_t now_ms);

/* wheel_timer_init prepares a timer that is not set. */
void wheel_timer_init(struct wheel_timer *timer, void (*on_fire)(struct wheel_timer *timer));

/* wheel_set sets or moves a timer; it fires at the first tick at or after `deadline_ms`, never
 * before. */
void wheel_set(struct wheel *wheel, struct wheel_timer *timer, uint64_t deadline_ms);

/* wheel_unset takes a timer out; harmless when it is not set. A set timer must be unset before it
 * is freed. */
void wheel_unset(struct wheel_timer *timer);

/* wheel_is_set tells whether a timer is to fire. */
static inline bool wheel_is_set(const struct wheel_timer *timer)
{
    return timer->slot_ms != 0;
}

/* wheel_advance fires what is due at `now_ms`. Callbacks may set and unset any timer. */
void wheel_advance(struct wheel *wheel, uint64_t now_ms);

#endif
