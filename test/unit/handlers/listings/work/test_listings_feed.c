/* SPDX-License-Identifier: MIT
 *
 * test_listings_feed.c - which positions of the log are settled: in order, late, never, and far
 * away.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdlib.h>

#include "handlers/listings/work/listings_feed.h"

static uint64_t clock_ms;
static int start_status;
static unsigned timer_count;
#define loop_now_ms(loop)               ((void)(loop), clock_ms)
#define loop_set_timer(loop, timer, ms) ((void)(loop), (void)(timer), (void)(ms), timer_count++)
#define listings_changes_start(read)    ((void)(read), start_status)
#include "handlers/listings/work/listings_feed.c"
#undef loop_now_ms
#undef loop_set_timer
#undef listings_changes_start

static struct listings_feed feed;

static int set_up(void **state)
{
    (void)state;
    clock_ms = 1000;
    feed = (struct listings_feed){
        .settled = 100, .last = 100, .grace_position = 100, .grace_ms = 1000 + 12000};
    return 0;
}

static void read_up_to(uint64_t first, uint64_t last)
{
    for (uint64_t position = first; position <= last; position++) {
        see(&feed, position);
    }
    settle_old(&feed);
}

static void test_in_order(void **state)
{
    (void)state;
    for (uint64_t first = 101; first < 100 + 5 * LISTINGS_FEED_WINDOW; first += 37) {
        read_up_to(first, first + 36);
        assert_int_equal(feed.settled, first + 36);
        assert_int_equal(feed.seen_count, 0);
        assert_true(is_seen(&feed, first + 36));
        assert_false(is_seen(&feed, first + 37));
    }
}

static void test_one_that_comes_late(void **state)
{
    (void)state;
    read_up_to(102, 110);
    assert_int_equal(feed.settled, 100);
    assert_int_equal(feed.seen_count, 9);
    assert_false(is_seen(&feed, 101));
    assert_true(is_seen(&feed, 105));
    read_up_to(101, 101);
    assert_int_equal(feed.settled, 110);
    assert_int_equal(feed.seen_count, 0);
}

static void test_one_that_never_comes(void **state)
{
    (void)state;
    read_up_to(102, 110);
    clock_ms += 11999;
    settle_old(&feed);
    assert_int_equal(feed.settled, 100);
    clock_ms += 1; /* what was seen before the gap is old now; the gap itself may not be */
    settle_old(&feed);
    assert_int_equal(feed.settled, 100);
    clock_ms += 12000;
    settle_old(&feed);
    assert_int_equal(feed.settled, 110);
    assert_int_equal(feed.seen_count, 0);
    assert_true(is_seen(&feed, 101));
}

static void test_more_than_the_window(void **state)
{
    (void)state;
    read_up_to(102, 100 + LISTINGS_FEED_WINDOW);
    assert_int_equal(feed.settled, 100);
    assert_int_equal(feed.seen_count, LISTINGS_FEED_WINDOW - 1);
    read_up_to(101 + LISTINGS_FEED_WINDOW, 101 + LISTINGS_FEED_WINDOW);
    assert_int_equal(feed.settled, 101 + LISTINGS_FEED_WINDOW);
    assert_int_equal(feed.seen_count, 0);
}

static void test_positions_far_apart(void **state)
{
    (void)state;
    read_up_to(102, 103);
    read_up_to(UINT64_C(1) << 62, UINT64_C(1) << 62);
    assert_int_equal(feed.settled, (UINT64_C(1) << 62) - LISTINGS_FEED_WINDOW);
    assert_int_equal(feed.seen_count, 1);
    clock_ms += 12000;
    settle_old(&feed);
    clock_ms += 12000;
    settle_old(&feed);
    assert_int_equal(feed.settled, UINT64_C(1) << 62);
    assert_int_equal(feed.seen_count, 0);
}

static void test_every_third(void **state)
{
    (void)state;
    for (uint64_t position = 103; position < 103 + 3 * 1000; position += 3) {
        see(&feed, position);
        settle_old(&feed);
        assert_true(is_seen(&feed, position));
        assert_false(is_seen(&feed, position + 3));
    }
    assert_int_equal(feed.settled, 100);
    assert_int_equal(feed.seen_count, 1000);
}

/* --- ready --- */

static int ready_status;
static unsigned ready_count;

static void on_ready(struct listings_follower *follower, int status)
{
    (void)follower;
    ready_status = status;
    ready_count++;
}

/* begin_start makes a feed whose first read of the log is under way for one follower. */
static void begin_start(struct listings_follower *follower)
{
    listings_feed_init(&feed, NULL, NULL, NULL);
    *follower = (struct listings_follower){.on_ready = on_ready, .feed = &feed};
    list_push_back(&feed.followers, &follower->link);
    feed.follower_count = 1;
    feed.state = LISTINGS_FEED_STARTING;
    ready_count = 0;
    start_status = 0;
    read_log(&feed);
    assert_non_null(feed.reading);
    timer_count = 0;
}

/* A log that cannot be read to its end is none that a follower may be told of as read. */
static void test_ready_means_read_to_the_end(void **state)
{
    (void)state;
    struct listings_follower follower;
    begin_start(&follower);
    start_status = UV_EBUSY;
    feed.read.has_more = true;
    on_read(&feed.read, 0);
    assert_int_equal(feed.state, LISTINGS_FEED_STARTING);
    assert_int_equal(ready_count, 0);
    assert_int_equal(timer_count, 1);
    on_poll(&feed.timer);
    assert_int_equal(ready_count, 1);
    assert_int_equal(ready_status, UV_EBUSY);
    assert_int_equal(feed.state, LISTINGS_FEED_IDLE);
}

static void test_a_log_of_two_reads(void **state)
{
    (void)state;
    struct listings_follower follower;
    begin_start(&follower);
    feed.read.has_more = true;
    on_read(&feed.read, 0);
    assert_int_equal(ready_count, 0);
    feed.read.has_more = false;
    on_read(&feed.read, 0);
    assert_int_equal(ready_count, 1);
    assert_int_equal(ready_status, 0);
    assert_int_equal(feed.state, LISTINGS_FEED_READY);
    listings_feed_leave(&follower);
    assert_int_equal(feed.state, LISTINGS_FEED_IDLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_in_order, set_up),
        cmocka_unit_test_setup(test_one_that_comes_late, set_up),
        cmocka_unit_test_setup(test_one_that_never_comes, set_up),
        cmocka_unit_test_setup(test_more_than_the_window, set_up),
        cmocka_unit_test_setup(test_positions_far_apart, set_up),
        cmocka_unit_test_setup(test_every_third, set_up),
        cmocka_unit_test_setup(test_ready_means_read_to_the_end, set_up),
        cmocka_unit_test_setup(test_a_log_of_two_reads, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
