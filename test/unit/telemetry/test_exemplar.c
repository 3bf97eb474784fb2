/* SPDX-License-Identifier: MIT
 *
 * test_exemplar.c - the last trace of each bucket, in OpenMetrics alone.
 *
 * exemplar.c is included with an allocator that fails on demand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>

#include "test/unit/support/failing_alloc.h"
#define calloc failing_calloc
#include "core/telemetry/exemplar.c"
#undef calloc

#include "test/unit/support/render_metrics.h"

#define RACE_ROUNDS 20000

static const double bounds[] = {0.005, 1};
static struct metrics *metrics;
static struct metric_histogram *histogram;

static int setup(void **state)
{
    (void)state;
    allocations_left = SIZE_MAX;
    metrics = metrics_create();
    struct metric_family *family =
        metrics_family(metrics, &(struct metric_family_options){.type = METRIC_HISTOGRAM,
                                                                .name = "t_seconds",
                                                                .help = "T.",
                                                                .bounds = bounds,
                                                                .bound_count = 2});
    histogram = metric_histogram(family, NULL);
    return histogram == NULL;
}

static int teardown(void **state)
{
    (void)state;
    metrics_destroy(metrics);
    return 0;
}

static void note(double value, uint8_t id)
{
    const struct trace_context trace = {.trace_id = {id}, .span_id = {id}};
    metric_observe(histogram, value);
    exemplar_note(histogram, value, &trace, 1700000000123 * NS_PER_MS);
}

static void assert_renders(enum metrics_format format, const char *expected)
{
    struct buf out;
    buf_init(&out, 65536);
    render_metrics(metrics, format, &out);
    buf_append_char(&out, '\0');
    assert_string_equal(out.data, expected);
    buf_deinit(&out);
}

static void test_each_bucket_has_its_last(void **state)
{
    (void)state;
    note(0.5, 1);
    note(0.25, 2);
    note(7, 3);
    assert_renders(
        METRICS_OPENMETRICS_1_0_0,
        "# HELP t_seconds T.\n"
        "# TYPE t_seconds histogram\n"
        "t_seconds_bucket{le=\"0.005\"} 0\n"
        "t_seconds_bucket{le=\"1.0\"} 2 # {trace_id=\"02000000000000000000000000000000\","
        "span_id=\"0200000000000000\"} 0.25 1700000000.123\n"
        "t_seconds_bucket{le=\"+Inf\"} 3 # {trace_id=\"03000000000000000000000000000000\","
        "span_id=\"0300000000000000\"} 7 1700000000.123\n"
        "t_seconds_sum 7.75\n"
        "t_seconds_count 3\n"
        "# EOF\n");
    assert_renders(METRICS_TEXT_0_0_4, "# HELP t_seconds T.\n"
                                       "# TYPE t_seconds histogram\n"
                                       "t_seconds_bucket{le=\"0.005\"} 0\n"
                                       "t_seconds_bucket{le=\"1\"} 2\n"
                                       "t_seconds_bucket{le=\"+Inf\"} 3\n"
                                       "t_seconds_sum 7.75\n"
                                       "t_seconds_count 3\n");
}

static void test_without_memory_there_is_none(void **state)
{
    (void)state;
    struct exemplar exemplar;
    allocations_left = 0;
    note(0.5, 1);
    assert_false(exemplar_copy(histogram, 1, &exemplar));
    allocations_left = SIZE_MAX;
    note(0.5, 1);
    assert_true(exemplar_copy(histogram, 1, &exemplar));
    assert_false(exemplar_copy(histogram, 0, &exemplar)); /* of another bucket */
}

static void *copy_for_long(void *arg)
{
    const _Atomic bool *is_over = arg;
    struct exemplar exemplar;
    while (!*is_over) {
        if (exemplar_copy(histogram, 1, &exemplar) && exemplar.trace_id[0] != exemplar.span_id[0]) {
            return arg;
        }
    }
    return NULL;
}

static void test_a_copy_is_one_request_s(void **state)
{
    (void)state;
    _Atomic bool is_over = false;
    pthread_t thread;
    void *torn;
    assert_int_equal(pthread_create(&thread, NULL, copy_for_long, (void *)&is_over), 0);
    for (int i = 0; i < RACE_ROUNDS; i++) {
        note(0.5, (uint8_t)(1 + i % 200));
    }
    is_over = true;
    assert_int_equal(pthread_join(thread, &torn), 0);
    assert_null(torn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_bucket_has_its_last, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_memory_there_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_copy_is_one_request_s, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
