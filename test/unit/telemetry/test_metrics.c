/* SPDX-License-Identifier: MIT
 *
 * test_metrics.c - which cell a caller gets, what a histogram counts, and memory that runs out.
 *
 * metrics.c is included, with its allocations replaced by ones that fail on demand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "test/unit/support/failing_alloc.h"
#define calloc failing_calloc
#define malloc failing_malloc
#include "core/telemetry/metrics.c"
#undef calloc
#undef malloc

static const char *const labels[] = {"route", "method", NULL};
static const double bounds[] = {0.5, 1, 10};

static const struct metric_family_options counter_options = {
    .type = METRIC_COUNTER,
    .name = "test_requests_total",
    .help = "Requests.",
    .labels = labels,
    .series_max = 2,
};

static const struct metric_family_options plain_options = {
    .type = METRIC_GAUGE,
    .name = "test_connections",
    .help = "Connections.",
};

static const struct metric_family_options histogram_options = {
    .type = METRIC_HISTOGRAM,
    .name = "test_duration_seconds",
    .help = "Durations.",
    .bounds = bounds,
    .bound_count = ARRAY_COUNT(bounds),
};

static struct metrics *create(void)
{
    struct metrics *m = metrics_create();
    assert_non_null(m);
    return m;
}

static struct metric_family *add(struct metrics *m, const struct metric_family_options *options)
{
    struct metric_family *f = metrics_family(m, options);
    assert_non_null(f);
    return f;
}

static uint64_t *get(struct metric_family *f, const char *route, const char *method)
{
    const struct str values[] = {str_from(route), str_from(method)};
    return metric_counter(f, values);
}

static void test_the_same_values_give_the_same_cell(void **state)
{
    (void)state;
    struct metrics *m = create();
    struct metric_family *f = add(m, &counter_options);
    assert_ptr_equal(add(m, &counter_options), f);
    uint64_t *cell = get(f, "/a", "GET");
    assert_int_equal(*cell, 0);
    assert_ptr_equal(get(f, "/a", "GET"), cell);
    assert_ptr_not_equal(get(f, "/a", "PUT"), cell);
    metrics_destroy(m);
}

static void test_values_that_look_alike_when_joined_are_told_apart(void **state)
{
    (void)state;
    struct metrics *m = create();
    struct metric_family *f = add(m, &counter_options);
    assert_ptr_not_equal(get(f, "a\",method=\"b", "c"), get(f, "a", "b\",method=\"c"));
    metrics_destroy(m);
}

static void test_a_family_without_labels_has_one_cell(void **state)
{
    (void)state;
    struct metrics *m = create();
    struct metric_family *f = add(m, &plain_options);
    double *cell = metric_gauge(f, NULL);
    assert_ptr_equal(metric_gauge(f, NULL), cell);
    metrics_destroy(m);
}

static void test_too_many_series_share_other(void **state)
{
    (void)state;
    struct metrics *m = create();
    struct metric_family *f = add(m, &counter_options);
    uint64_t *first = get(f, "/a", "GET");
    uint64_t *second = get(f, "/b", "GET");
    uint64_t *third = get(f, "/c", "GET");
    assert_ptr_not_equal(third, first);
    assert_ptr_not_equal(third, second);
    assert_ptr_equal(get(f, "/d", "GET"), third);
    assert_ptr_equal(get(f, "other", "other"), third);
    assert_ptr_equal(get(f, "/a", "GET"), first);
    metrics_destroy(m);
}

static void test_a_value_too_long_counts_as_other(void **state)
{
    (void)state;
    struct metrics *m = create();
    struct metric_family *f = add(m, &counter_options);
    char route[LABELS_MAX_BYTES + 1];
    memset(route, 'x', sizeof(route) - 1);
    route[sizeof(route) - 1] = '\0';
    assert_ptr_equal(get(f, route, "GET"), get(f, "other", "other"));
    metrics_destroy(m);
}

static void test_a_bound_belongs_to_its_bucket(void **state)
{
    (void)state;
    struct metrics *m = create();
    struct metric_histogram *h = metric_histogram(add(m, &histogram_options), NULL);
    const double values[] = {-1, 0.5, 0.50001, 1, 10, 10.00001, 1e9};
    double sum = 0;
    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        metric_observe(h, values[i]);
        sum += values[i];
    }
    assert_int_equal(h->buckets[0], 2);
    assert_int_equal(h->buckets[1], 2);
    assert_int_equal(h->buckets[2], 1);
    assert_int_equal(h->buckets[3], 2);
    uint64_t count = 0;
    for (size_t i = 0; i < ARRAY_COUNT(h->buckets); i++) {
        count += h->buckets[i];
    }
    assert_int_equal(count, ARRAY_COUNT(values));
    assert_true(h->sum == sum);
    metrics_destroy(m);
}

static void test_without_memory_a_series_shares_other(void **state)
{
    (void)state;
    struct metrics *m = create();
    struct metric_family *f = add(m, &counter_options);
    allocations_left = 0;
    uint64_t *cell = get(f, "/a", "GET");
    allocations_left = SIZE_MAX;
    assert_non_null(cell);
    assert_ptr_equal(get(f, "other", "other"), cell);
    assert_ptr_not_equal(get(f, "/a", "GET"), cell);
    metrics_destroy(m);
}

/* build registers one of each; false when memory ran out on the way. */
static bool build(void)
{
    struct metrics *m = metrics_create();
    bool is_built = false;
    if (m != NULL && metrics_family(m, &counter_options) != NULL) {
        is_built = metrics_family(m, &histogram_options) != NULL;
    }
    metrics_destroy(m);
    return is_built;
}

static void test_each_failed_allocation_is_noticed(void **state)
{
    (void)state;
    size_t failures = 0;
    for (;; failures++) {
        allocations_left = failures;
        if (build()) {
            break;
        }
    }
    allocations_left = SIZE_MAX;
    assert_int_equal(failures, 5); /* registry, two families with a series each */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_values_give_the_same_cell),
        cmocka_unit_test(test_values_that_look_alike_when_joined_are_told_apart),
        cmocka_unit_test(test_a_family_without_labels_has_one_cell),
        cmocka_unit_test(test_too_many_series_share_other),
        cmocka_unit_test(test_a_value_too_long_counts_as_other),
        cmocka_unit_test(test_a_bound_belongs_to_its_bucket),
        cmocka_unit_test(test_without_memory_a_series_shares_other),
        cmocka_unit_test(test_each_failed_allocation_is_noticed),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
