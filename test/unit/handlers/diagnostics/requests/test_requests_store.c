/* SPDX-License-Identifier: MIT
 *
 * test_requests_store.c - which requests are kept by route and class, and that memory has a bound.
 *
 * requests_store.c is included, with a ring of the test's own before it, and an allocator that
 * fails on demand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include "core/observe/records.h"
#include <cmocka.h>

/* What http_records_take gives next. */
static const struct http_record *next_records;
static size_t next_count;

static bool take(struct http_records *records, struct http_record *ret_record)
{
    (void)records;
    if (next_count == 0) {
        return false;
    }
    *ret_record = *next_records++;
    next_count--;
    return true;
}

#include "test/unit/support/failing_alloc.h"

#define http_records_take take
#define malloc            failing_malloc
#define calloc            failing_calloc
#include "handlers/diagnostics/requests/requests_store.c"
#undef malloc
#undef calloc

static struct requests_store store;

static int set_up(void **state)
{
    (void)state;
    requests_store_init(&store, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    requests_store_deinit(&store);
    assert_int_equal(store.count, 0);
    return 0;
}

static void drain(const struct http_record *records, size_t count)
{
    next_records = records;
    next_count = count;
    requests_store_drain(&store);
    assert_int_equal(next_count, 0);
}

static struct http_record record_of(uint32_t label, uint8_t band, uint64_t end_ns)
{
    struct http_record record = {.band = band, .end_ns = end_ns};
    record.trail.facts.label = label;
    return record;
}

static const struct http_record *kept(uint32_t label, size_t class, size_t place)
{
    return store.families[label] == NULL ? NULL : store.families[label]->kept[class][place];
}

static void test_by_route_and_class(void **state)
{
    (void)state;
    struct http_record records[] = {record_of(5, 3, 10), record_of(5, 4, 20), record_of(6, 3, 30)};
    records[1].is_failed = true;
    records[2].is_expensive = true;
    drain(records, 3);
    assert_int_equal(kept(5, 3, 0)->end_ns, 10);
    assert_int_equal(kept(5, REQUESTS_FAILED, 0)->end_ns, 20);
    assert_null(kept(5, 4, 0)); /* a failure is none of its band */
    assert_int_equal(kept(6, 3, 0)->end_ns, 30);
    assert_int_equal(kept(6, REQUESTS_EXPENSIVE, 0)->end_ns, 30); /* it is kept twice */
    assert_int_equal(store.count, 4);
}

static void test_the_latest_are_kept(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < REQUESTS_KEPT + 2; i++) {
        const struct http_record record = record_of(5, 0, i);
        drain(&record, 1);
    }
    assert_int_equal(kept(5, 0, 0)->end_ns, REQUESTS_KEPT);
    assert_int_equal(kept(5, 0, 1)->end_ns, REQUESTS_KEPT + 1);
    assert_int_equal(kept(5, 0, 2)->end_ns, 2);
    assert_int_equal(store.count, REQUESTS_KEPT);
    assert_int_equal(store.left_out, 0);
}

/* A label of a newer table than ours counts as another one. */
static void test_a_label_that_is_too_high(void **state)
{
    (void)state;
    const struct http_record record = record_of(LABEL_MAX, 0, 1);
    drain(&record, 1);
    assert_int_equal(kept(LABEL_OTHER, 0, 0)->end_ns, 1);
}

static void test_no_more_than_there_may_be(void **state)
{
    (void)state;
    struct http_record record;
    for (uint32_t label = 0; store.count < REQUESTS_MAX; label++) {
        for (uint8_t band = 0; band < HTTP_BANDS; band++) {
            for (uint64_t i = 0; i < REQUESTS_KEPT; i++) {
                record = record_of(label, band, 1);
                drain(&record, 1);
            }
        }
    }
    const uint64_t left_out = store.left_out;
    record = record_of(LABEL_MAX - 1, 0, 1);
    drain(&record, 1);
    assert_int_equal(store.count, REQUESTS_MAX);
    assert_int_equal(store.left_out, left_out + 1);
    assert_null(kept(LABEL_MAX - 1, 0, 0));
    record = record_of(0, 0, 2); /* a place that is used takes newer ones */
    drain(&record, 1);
    assert_int_equal(kept(0, 0, 0)->end_ns, 2);
}

static void test_memory_that_is_missing(void **state)
{
    (void)state;
    const struct http_record record = record_of(5, 0, 1);
    for (size_t granted = 0; granted < 2; granted++) {
        allocations_left = granted;
        drain(&record, 1);
        allocations_left = SIZE_MAX;
        assert_int_equal(store.left_out, granted + 1);
        assert_true(kept(5, 0, 0) == NULL);
    }
    drain(&record, 1);
    assert_int_equal(kept(5, 0, 0)->end_ns, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_by_route_and_class, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_latest_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_label_that_is_too_high, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_more_than_there_may_be, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory_that_is_missing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
