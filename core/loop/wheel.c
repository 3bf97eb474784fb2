/* SPDX-License-Identifier: MIT
 *
 * wheel.c - hashed slots of 100 ms.
 */
#include "core/loop/wheel.h"

void wheel_init(struct wheel *wheel, uint64_t now_ms)
{
    wheel->now_ms = now_ms - now_ms % WHEEL_TICK_MS;
    for (size_t i = 0; i < WHEEL_SLOT_COUNT; i++) {
        list_init(&wheel->slots[i]);
    }
}

void wheel_timer_init(struct wheel_timer *timer, void (*on_fire)(struct wheel_timer *timer))
{
    *timer = (struct wheel_timer){.on_fire = on_fire};
}

static struct list *slot_at(struct wheel *wheel, uint64_t tick_ms)
{
    return &wheel->slots[tick_ms / WHEEL_TICK_MS % WHEEL_SLOT_COUNT];
}

void wheel_unset(struct wheel_timer *timer)
{
    if (timer->slot_ms != 0) {
        timer->slot_ms = 0;
        list_unlink(&timer->link);
    }
}

/* insert puts a timer into the slot of its deadline, out of the one that it is in. */
static void insert(struct wheel *wheel, struct wheel_timer *timer)
{
    const uint64_t first_ms = wheel->now_ms + WHEEL_TICK_MS;
    const uint64_t last_ms = wheel->now_ms + (uint64_t)WHEEL_SLOT_COUNT * WHEEL_TICK_MS;
    uint64_t tick_ms = timer->deadline_ms;
    if (tick_ms < first_ms) {
        tick_ms = first_ms;
    } else if (tick_ms > last_ms) {
        tick_ms = last_ms;
    }
    tick_ms += WHEEL_TICK_MS - 1; /* up to the next tick: late by less than one, never early */
    tick_ms -= tick_ms % WHEEL_TICK_MS;
    struct list *slot = slot_at(wheel, tick_ms);
    wheel_unset(timer);
    timer->slot_ms = tick_ms;
    list_push_back(slot, &timer->link);
}

void wheel_set(struct wheel *wheel, struct wheel_timer *timer, uint64_t deadline_ms)
{
    timer->deadline_ms = deadline_ms;
    if (timer->slot_ms == 0 || deadline_ms < timer->slot_ms) {
        insert(wheel, timer);
    } /* else it is moved when its slot comes round */
}

static void run_slot(struct wheel *wheel, struct list *slot)
{
    struct list due;
    list_init(&due);
    list_splice(&due, slot);
    while (!list_is_empty(&due)) {
        struct wheel_timer *timer = CONTAINER_OF(due.next, struct wheel_timer, link);
        if (timer->deadline_ms > wheel->now_ms) {
            insert(wheel, timer);
        } else {
            wheel_unset(timer);
            timer->on_fire(timer);
        }
    }
}

void wheel_advance(struct wheel *wheel, uint64_t now_ms)
{
    /* after a long stall one turn of the wheel visits every slot: earlier ticks can be skipped */
    const uint64_t turn_ms = (uint64_t)WHEEL_SLOT_COUNT * WHEEL_TICK_MS;
    if (now_ms > wheel->now_ms + turn_ms) {
        wheel->now_ms = now_ms - now_ms % WHEEL_TICK_MS - turn_ms;
    }
    while (wheel->now_ms + WHEEL_TICK_MS <= now_ms) {
        wheel->now_ms += WHEEL_TICK_MS;
        run_slot(wheel, slot_at(wheel, wheel->now_ms));
    }
}
