/* SPDX-License-Identifier: MIT
 *
 * listings_slots.h - limits how many calls hold rows read from MySQL while their clients may not be
 * reading.
 *
 * Flow:    take -> on_granted -> read, send -> park, while the client does not read -> on_dropped,
 *          if others have to wait for it, or unpark -> send ... -> give
 * Order:   waiting calls get slots in turn. Of the parked ones the longest is dropped, but none
 *          that has been parked for less than LISTINGS_SLOTS_GRACE_MS, since its client is only a
 *          moment behind.
 * Memory:  a slot is its owner's until listings_slots_give.
 * Thread:  the loop.
 */
#ifndef TOQ_HANDLERS_LISTINGS_WORK_LISTINGS_SLOTS_H
#define TOQ_HANDLERS_LISTINGS_WORK_LISTINGS_SLOTS_H

#include "core/sql/sql.h"

#define LISTINGS_SLOTS_MAX      16 /* as many as there are connections to MySQL, by default */
#define LISTINGS_SLOTS_GRACE_MS 100

struct listings_slots {
    struct loop *loop; /* private, all of it */
    struct list waiting;
    struct list parked; /* for longest first */
    size_t taken_count; /* parked ones, too */
    struct loop_deferred grant;
    struct wheel_timer timer;
};

enum listings_slot_state { SLOT_NONE, SLOT_WAITING, SLOT_TAKEN, SLOT_PARKED };

struct listings_slot {
    /* the owner's: set before listings_slots_take, everything else zero */
    void (*on_granted)(struct listings_slot *slot); /* never from inside a call */
    void (*on_dropped)(
        struct listings_slot *slot); /* it has the slot no more: free what was read */

    /* private */
    struct list link; /* in waiting or parked */
    enum listings_slot_state state;
    uint64_t parked_ms;
};

/* listings_slots_init prepares them, all free. */
void listings_slots_init(struct listings_slots *slots, struct loop *loop);

/* listings_slots_take asks for a slot.
 *
 * Returns: true: the owner has it; false: others wait, too, and on_granted runs later, once.
 */
MUST_USE bool listings_slots_take(struct listings_slots *slots, struct listings_slot *slot);

/* listings_slots_park says that the owner of a slot cannot go on for now. */
void listings_slots_park(struct listings_slots *slots, struct listings_slot *slot);

/* listings_slots_unpark says that it can again; harmless when it has the slot no more. */
void listings_slots_unpark(struct listings_slot *slot);

/* listings_slots_give gives a slot back, or the place among those who wait; harmless without
 * either. */
void listings_slots_give(struct listings_slots *slots, struct listings_slot *slot);

#endif
