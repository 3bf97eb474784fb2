/* SPDX-License-Identifier: MIT
 *
 * test_listings_slots.c - who has a slot, who waits, and who has to make room.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "handlers/listings/work/listings_slots.h"

static uint64_t clock_ms;
static uint64_t timer_ms; /* when it is to fire; 0: it is not set */
static bool is_deferred;
#define loop_now_ms(loop)               ((void)(loop), clock_ms)
#define loop_set_timer(loop, timer, ms) ((void)(loop), (void)(timer), timer_ms = clock_ms + (ms))
#define loop_defer(loop, deferred)      ((void)(loop), (void)(deferred), is_deferred = true)
#include "handlers/listings/work/listings_slots.c"
#undef loop_now_ms
#undef loop_set_timer
#undef loop_defer

#define MORE  4
#define COUNT (LISTINGS_SLOTS_MAX + MORE)

struct owner {
    struct listings_slot slot;
    bool has;
    bool gives_at_once;
    unsigned dropped_count;
};

static struct listings_slots slots;
static struct owner owners[COUNT];

static void granted(struct listings_slot *slot)
{
    struct owner *owner = CONTAINER_OF(slot, struct owner, slot);
    assert_false(owner->has);
    owner->has = true;
    if (owner->gives_at_once) {
        owner->has = false;
        listings_slots_give(&slots, slot);
    }
}

static void dropped(struct listings_slot *slot)
{
    struct owner *owner = CONTAINER_OF(slot, struct owner, slot);
    assert_true(owner->has);
    owner->has = false;
    owner->dropped_count++;
}

/* turn ends the turn, and lets the timer fire when its time has come. */
static void turn(void)
{
    while (is_deferred) {
        is_deferred = false;
        run_grant(&slots.grant);
    }
    if (timer_ms > 0 && clock_ms >= timer_ms) {
        timer_ms = 0;
        on_timer(&slots.timer);
    }
}

static void take(size_t i)
{
    owners[i].has = listings_slots_take(&slots, &owners[i].slot);
}

static void give(size_t i)
{
    listings_slots_give(&slots, &owners[i].slot);
    owners[i].has = false;
}

static void park(size_t i)
{
    listings_slots_park(&slots, &owners[i].slot);
}

static size_t count_having(void)
{
    size_t count = 0;
    for (size_t i = 0; i < COUNT; i++) {
        count += owners[i].has;
    }
    return count;
}

/* set_up lets all but MORE have a slot, and those wait. */
static int set_up(void **state)
{
    (void)state;
    clock_ms = 1000;
    timer_ms = 0;
    is_deferred = false;
    listings_slots_init(&slots, NULL);
    for (size_t i = 0; i < COUNT; i++) {
        owners[i] = (struct owner){.slot = {.on_granted = granted, .on_dropped = dropped}};
        take(i);
    }
    turn();
    assert_int_equal(count_having(), LISTINGS_SLOTS_MAX);
    return 0;
}

/* tear_down gives all back. */
static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        give(i);
        give(i); /* harmless */
    }
    turn();
    assert_int_equal(slots.taken_count, 0);
    assert_true(list_is_empty(&slots.waiting) && list_is_empty(&slots.parked));
    return 0;
}

static void test_those_who_wait_are_served_in_turn(void **state)
{
    (void)state;
    for (size_t i = 0; i < MORE; i++) {
        give(i);
        assert_false(owners[LISTINGS_SLOTS_MAX + i].has); /* never from inside a call */
        turn();
        assert_true(owners[LISTINGS_SLOTS_MAX + i].has);
        assert_int_equal(count_having(), LISTINGS_SLOTS_MAX);
    }
}

static void test_one_who_comes_back_waits_behind_the_others(void **state)
{
    (void)state;
    give(0);
    take(0);
    assert_false(owners[0].has);
    turn();
    assert_true(owners[LISTINGS_SLOTS_MAX].has);
    assert_false(owners[0].has);
}

static void test_one_who_leaves_the_queue(void **state)
{
    (void)state;
    give(LISTINGS_SLOTS_MAX);
    give(0);
    turn();
    assert_false(owners[LISTINGS_SLOTS_MAX].has);
    assert_true(owners[LISTINGS_SLOTS_MAX + 1].has);
}

static void test_one_who_gives_it_back_at_once(void **state)
{
    (void)state;
    owners[LISTINGS_SLOTS_MAX].gives_at_once = true;
    give(0);
    turn();
    assert_false(owners[LISTINGS_SLOTS_MAX].has);
    assert_true(owners[LISTINGS_SLOTS_MAX + 1].has);
}

static void test_who_is_parked_for_longest_makes_room(void **state)
{
    (void)state;
    park(3);
    clock_ms++;
    park(2);
    turn();
    assert_true(owners[3].has); /* a moment is granted */
    clock_ms = timer_ms;
    turn();
    assert_false(owners[3].has);
    assert_true(owners[2].has);
    assert_true(owners[LISTINGS_SLOTS_MAX].has);
    clock_ms = timer_ms;
    turn();
    assert_false(owners[2].has);
    assert_true(owners[LISTINGS_SLOTS_MAX + 1].has);
    assert_int_equal(count_having(), LISTINGS_SLOTS_MAX);
    assert_int_equal(owners[2].dropped_count + owners[3].dropped_count, 2);
}

static void test_who_goes_on_in_time_keeps_it(void **state)
{
    (void)state;
    park(3);
    turn();
    listings_slots_unpark(&owners[3].slot);
    clock_ms += LISTINGS_SLOTS_GRACE_MS;
    turn();
    assert_true(owners[3].has);
    assert_int_equal(owners[3].dropped_count, 0);
    listings_slots_unpark(&owners[COUNT - 1].slot); /* harmless */
    assert_false(owners[COUNT - 1].has);
}

static void test_nobody_is_dropped_for_nobody(void **state)
{
    (void)state;
    for (size_t i = 0; i < MORE; i++) {
        give(LISTINGS_SLOTS_MAX + i);
    }
    park(0);
    turn();
    assert_int_equal(timer_ms, 0);
    clock_ms += 1000 * LISTINGS_SLOTS_GRACE_MS;
    take(COUNT - 1); /* now there is somebody */
    turn();
    assert_false(owners[0].has);
    assert_true(owners[COUNT - 1].has);
}

#define WITH_SLOTS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SLOTS(test_those_who_wait_are_served_in_turn),
        WITH_SLOTS(test_one_who_comes_back_waits_behind_the_others),
        WITH_SLOTS(test_one_who_leaves_the_queue),
        WITH_SLOTS(test_one_who_gives_it_back_at_once),
        WITH_SLOTS(test_who_is_parked_for_longest_makes_room),
        WITH_SLOTS(test_who_goes_on_in_time_keeps_it),
        WITH_SLOTS(test_nobody_is_dropped_for_nobody),
    };
    return cmocka_run_group_tests_name("listings_slots", tests, NULL, NULL);
}
