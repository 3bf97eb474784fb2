/* SPDX-License-Identifier: MIT
 *
 * test_listings_seen.c - versions that are remembered, for as long as it matters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "handlers/listings/cache/listings_seen.h"

static struct listings_seen seen;

static int set_up(void **state)
{
    (void)state;
    seen = (struct listings_seen){0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    listings_seen_deinit(&seen);
    return 0;
}

/* version_of is the oldest version that is believed. */
static uint64_t version_of(struct str id, uint64_t now_ms)
{
    uint64_t version = 0;
    while (!listings_seen_allows(&seen, id, version, now_ms)) {
        version++;
    }
    return version;
}

static void note(uint32_t id, uint64_t version, uint64_t now_ms, uint64_t until_ms)
{
    listings_seen_note(&seen, (struct str){(const char *)&id, sizeof(id)}, version, now_ms,
                       until_ms);
}

static bool allows(uint32_t id, uint64_t version, uint64_t now_ms)
{
    return listings_seen_allows(&seen, (struct str){(const char *)&id, sizeof(id)}, version,
                                now_ms);
}

static void test_the_newest_version_counts(void **state)
{
    (void)state;
    assert_int_equal(version_of(STR("a"), 0), 0);
    listings_seen_note(&seen, STR("a"), 3, 0, 100);
    listings_seen_note(&seen, STR("a"), 2, 0, 200); /* heard of late */
    assert_int_equal(version_of(STR("a"), 0), 3);
    assert_int_equal(version_of(STR("a"), 100), 0);
    listings_seen_note(&seen, STR("a"), 4, 0, 100);
    assert_int_equal(version_of(STR("a"), 0), 4);
    assert_int_equal(version_of(STR("b"), 0), 0);
}

static void test_until_nothing_older_can_be_left(void **state)
{
    (void)state;
    listings_seen_note(&seen, STR("a"), 3, 0, 100);
    assert_int_equal(version_of(STR("a"), 99), 3);
    assert_int_equal(version_of(STR("a"), 100), 0);
}

/* Not one of as many as fit is forgotten, whatever their hashes. */
static void test_all_are_remembered(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < LISTINGS_SEEN_MAX; i++) {
        note(i, i + 1, 0, 100);
    }
    for (uint32_t i = 0; i < LISTINGS_SEEN_MAX; i++) {
        assert_false(allows(i, i, 99));
        assert_true(allows(i, i + 1, 99));
    }
    assert_int_equal(seen.count, LISTINGS_SEEN_MAX);
}

static void test_one_more_than_there_is_room_for_makes_all_doubtful(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < LISTINGS_SEEN_MAX; i++) {
        note(i, 1, 0, 100);
    }
    assert_true(allows(LISTINGS_SEEN_MAX, 1, 10));
    note(LISTINGS_SEEN_MAX, 2, 10, 110);
    assert_false(allows(LISTINGS_SEEN_MAX, 2, 10)); /* whatever it is: nothing is believed */
    assert_false(allows(LISTINGS_SEEN_MAX + 1, 1, 109));
    assert_true(allows(LISTINGS_SEEN_MAX + 1, 1, 110));
    note(LISTINGS_SEEN_MAX + 2, 7, 110, 210); /* the first ones have ended: there is room again */
    assert_false(allows(LISTINGS_SEEN_MAX + 2, 6, 110));
    assert_true(allows(LISTINGS_SEEN_MAX + 2, 7, 110));
}

/* What is over makes room: it never holds more than what is noted within a time, and its double. */
static void test_it_does_not_grow_for_ever(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 1000000; i++) {
        note(i, 1, i / 10, i / 10 + 100);
        assert_true(seen.count <= 1001);
    }
    assert_int_equal(seen.made_count, LISTINGS_SEEN_CHUNK);
}

static void test_one_that_is_noted_again_and_again(void **state)
{
    (void)state;
    for (uint32_t i = 1; i < 10000; i++) {
        note(1, i, i, i + 100);
        note(i + 2, 1, i, i + 100);
        assert_false(allows(1, i - 1, i));
        assert_true(seen.count <= 102);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_newest_version_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_until_nothing_older_can_be_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_all_are_remembered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_more_than_there_is_room_for_makes_all_doubtful,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_it_does_not_grow_for_ever, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_that_is_noted_again_and_again, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("listings_seen", tests, NULL, NULL);
}
