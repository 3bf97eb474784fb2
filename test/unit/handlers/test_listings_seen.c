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

#include "handlers/listings_seen.h"

static struct listings_seen seen;

static int set_up(void **state)
{
    (void)state;
    seen = (struct listings_seen){0};
    return 0;
}

static void test_the_newest_version_counts(void **state)
{
    (void)state;
    assert_int_equal(listings_seen_version(&seen, STR("a"), 0), 0);
    listings_seen_note(&seen, STR("a"), 3, 100);
    listings_seen_note(&seen, STR("a"), 2, 200); /* heard of late */
    assert_int_equal(listings_seen_version(&seen, STR("a"), 0), 3);
    listings_seen_note(&seen, STR("a"), 4, 100);
    assert_int_equal(listings_seen_version(&seen, STR("a"), 0), 4);
    assert_int_equal(listings_seen_version(&seen, STR("b"), 0), 0);
}

static void test_until_nothing_older_can_be_left(void **state)
{
    (void)state;
    listings_seen_note(&seen, STR("a"), 3, 100);
    assert_int_equal(listings_seen_version(&seen, STR("a"), 99), 3);
    assert_int_equal(listings_seen_version(&seen, STR("a"), 100), 0);
}

static void test_more_than_there_is_room_for(void **state)
{
    (void)state;
    unsigned known = 0;
    for (unsigned i = 0; i < 4 * LISTINGS_SEEN_SLOTS; i++) {
        const struct str id = {(const char *)&i, sizeof(i)};
        listings_seen_note(&seen, id, i + 1, 100);
        assert_int_equal(listings_seen_version(&seen, id, 0), i + 1); /* the last one always is */
    }
    for (unsigned i = 0; i < 4 * LISTINGS_SEEN_SLOTS; i++) {
        const struct str id = {(const char *)&i, sizeof(i)};
        const uint64_t version = listings_seen_version(&seen, id, 0);
        assert_true(version == 0 || version == i + 1);
        known += version != 0;
    }
    assert_true(known > LISTINGS_SEEN_SLOTS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_the_newest_version_counts, set_up),
        cmocka_unit_test_setup(test_until_nothing_older_can_be_left, set_up),
        cmocka_unit_test_setup(test_more_than_there_is_room_for, set_up),
    };
    return cmocka_run_group_tests_name("listings_seen", tests, NULL, NULL);
}
