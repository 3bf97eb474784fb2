/* SPDX-License-Identifier: MIT
 *
 * listings_slots.c - two queues and a count.
 */
#include "handlers/listings/work/listings_slots.h"

static struct listings_slot *slot_at(struct list *link)
{
    return CONTAINER_OF(link, struct listings_slot, link);
}

/* drop_one makes room at the cost of who is parked for longest; false when that would be too early,
 * and the timer is set. */
static bool drop_one(struct listings_slots *slots)
{
    if (list_is_empty(&slots->parked)) {
        return false; /* all of them will give theirs, or park */
    }
    struct listings_slot *slot = slot_at(slots->parked.next);
    const uint64_t parked_ms = loop_now_ms(slots->loop) - slot->parked_ms;
    if (parked_ms < LISTINGS_SLOTS_GRACE_MS) {
        loop_set_timer(slots->loop, &slots->timer, LISTINGS_SLOTS_GRACE_MS - parked_ms);
        return false;
    }
    listings_slots_give(slots, slot);
    slot->on_dropped(slot);
    return true;
}

static void grant(struct listings_slots *slots)
{
    while (!list_is_empty(&slots->waiting) &&
           (slots->taken_count < LISTINGS_SLOTS_MAX || drop_one(slots))) {
        struct listings_slot *slot = slot_at(slots->waiting.next);
        list_unlink(&slot->link);
        slot->state = SLOT_TAKEN;
        slots->taken_count++;
        slot->on_granted(slot);
    }
}

static void run_grant(struct loop_deferred *deferred)
{
    grant(CONTAINER_OF(deferred, struct listings_slots, grant));
}

static void on_timer(struct wheel_timer *timer)
{
    grant(CONTAINER_OF(timer, struct listings_slots, timer));
}

static void wake(struct listings_slots *slots)
{
    if (!list_is_empty(&slots->waiting)) {
        loop_defer(slots->loop, &slots->grant);
    }
}

void listings_slots_init(struct listings_slots *slots, struct loop *loop)
{
    *slots = (struct listings_slots){.loop = loop, .grant = {.run = run_grant}};
    list_init(&slots->waiting);
    list_init(&slots->parked);
    list_init(&slots->grant.link);
    wheel_timer_init(&slots->timer, on_timer);
}

bool listings_slots_take(struct listings_slots *slots, struct listings_slot *slot)
{
    REQUIRE(slot->state == SLOT_NONE);
    if (slots->taken_count < LISTINGS_SLOTS_MAX && list_is_empty(&slots->waiting)) {
        slot->state = SLOT_TAKEN;
        slots->taken_count++;
        return true;
    }
    slot->state = SLOT_WAITING;
    list_push_back(&slots->waiting, &slot->link);
    wake(slots);
    return false;
}

void listings_slots_park(struct listings_slots *slots, struct listings_slot *slot)
{
    REQUIRE(slot->state == SLOT_TAKEN);
    slot->state = SLOT_PARKED;
    slot->parked_ms = loop_now_ms(slots->loop);
    list_push_back(&slots->parked, &slot->link);
    wake(slots);
}

void listings_slots_unpark(struct listings_slot *slot)
{
    if (slot->state == SLOT_PARKED) {
        list_unlink(&slot->link);
        slot->state = SLOT_TAKEN;
    }
}

void listings_slots_give(struct listings_slots *slots, struct listings_slot *slot)
{
    if (slot->state == SLOT_WAITING || slot->state == SLOT_PARKED) {
        list_unlink(&slot->link);
    }
    if (slot->state == SLOT_TAKEN || slot->state == SLOT_PARKED) {
        slots->taken_count--;
        wake(slots);
    }
    slot->state = SLOT_NONE;
}
