/* SPDX-License-Identifier: MIT
 *
 * test_metrics_render.c - the exact text of both formats.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <pthread.h>

#include <math.h>

#include "core/telemetry/metrics.h"
#include "test/unit/support/render_metrics.h"

#define TEXT_MAX_BYTES 65536

static const char *const labels[] = {"route", "code", NULL};
static const double bounds[] = {0.005, 1, 1e6};

static int setup(void **state)
{
    *state = metrics_create();
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    metrics_destroy(*state);
    return 0;
}

static struct metric_family *add(struct metrics *m, const struct metric_family_options *options)
{
    struct metric_family *f = metrics_family(m, options);
    assert_non_null(f);
    return f;
}

static void assert_renders(struct metrics *m, enum metrics_format format, const char *expected)
{
    struct buf out;
    buf_init(&out, TEXT_MAX_BYTES);
    render_metrics(m, format, &out);
    buf_append_char(&out, '\0');
    assert_false(out.is_failed);
    assert_string_equal(out.data, expected);
    buf_deinit(&out);
}

static void test_nothing_registered(void **state)
{
    assert_renders(*state, METRICS_TEXT_0_0_4, "");
    assert_renders(*state, METRICS_OPENMETRICS_1_0_0, "# EOF\n");
}

static void test_counter(void **state)
{
    static const struct metric_family_options options = {
        .type = METRIC_COUNTER,
        .name = "test_requests_total",
        .help = "Requests.",
        .labels = labels,
    };
    const struct str first[] = {STR("/a"), STR("200")};
    const struct str second[] = {STR("/a"), STR("404")};
    struct metric_family *f = add(*state, &options);
    *metric_counter(f, first) = UINT64_MAX;
    (void)*metric_counter(f, second);
    assert_renders(*state, METRICS_TEXT_0_0_4,
                   "# HELP test_requests_total Requests.\n"
                   "# TYPE test_requests_total counter\n"
                   "test_requests_total{route=\"/a\",code=\"200\"} 18446744073709551615\n"
                   "test_requests_total{route=\"/a\",code=\"404\"} 0\n");
    assert_renders(*state, METRICS_OPENMETRICS_1_0_0,
                   "# HELP test_requests Requests.\n"
                   "# TYPE test_requests counter\n"
                   "test_requests_total{route=\"/a\",code=\"200\"} 18446744073709551615\n"
                   "test_requests_total{route=\"/a\",code=\"404\"} 0\n"
                   "# EOF\n");
}

static void test_counter_of_nanoseconds_prints_seconds(void **state)
{
    static const struct metric_family_options options = {
        .type = METRIC_COUNTER,
        .name = "test_wait_seconds_total",
        .help = "Waits.",
        .divisor = NS_PER_S,
    };
    *metric_counter(add(*state, &options), NULL) = 1234567891;
    assert_renders(*state, METRICS_TEXT_0_0_4,
                   "# HELP test_wait_seconds_total Waits.\n"
                   "# TYPE test_wait_seconds_total counter\n"
                   "test_wait_seconds_total 1.234567891\n");
}

static void test_gauge_that_has_no_value_is_left_out(void **state)
{
    static const struct metric_family_options options = {
        .type = METRIC_GAUGE, .name = "test_connections", .help = "Connections."};
    double *cell = metric_gauge(add(*state, &options), NULL);
    *cell = -2.5;
    assert_renders(*state, METRICS_TEXT_0_0_4,
                   "# HELP test_connections Connections.\n"
                   "# TYPE test_connections gauge\n"
                   "test_connections -2.5\n");
    *cell = NAN;
    assert_renders(*state, METRICS_TEXT_0_0_4, "");
    assert_renders(*state, METRICS_OPENMETRICS_1_0_0, "# EOF\n");
}

static void test_histogram(void **state)
{
    static const struct metric_family_options options = {
        .type = METRIC_HISTOGRAM,
        .name = "test_duration_seconds",
        .help = "Durations.",
        .bounds = bounds,
        .bound_count = ARRAY_COUNT(bounds),
    };
    struct metric_histogram *h = metric_histogram(add(*state, &options), NULL);
    metric_observe(h, 0.005);
    metric_observe(h, 0.5);
    metric_observe(h, 1e7);
    assert_renders(*state, METRICS_TEXT_0_0_4,
                   "# HELP test_duration_seconds Durations.\n"
                   "# TYPE test_duration_seconds histogram\n"
                   "test_duration_seconds_bucket{le=\"0.005\"} 1\n"
                   "test_duration_seconds_bucket{le=\"1\"} 2\n"
                   "test_duration_seconds_bucket{le=\"1e+06\"} 2\n"
                   "test_duration_seconds_bucket{le=\"+Inf\"} 3\n"
                   "test_duration_seconds_sum 10000000.505\n"
                   "test_duration_seconds_count 3\n");
    assert_renders(*state, METRICS_OPENMETRICS_1_0_0,
                   "# HELP test_duration_seconds Durations.\n"
                   "# TYPE test_duration_seconds histogram\n"
                   "test_duration_seconds_bucket{le=\"0.005\"} 1\n"
                   "test_duration_seconds_bucket{le=\"1.0\"} 2\n"
                   "test_duration_seconds_bucket{le=\"1e+06\"} 2\n"
                   "test_duration_seconds_bucket{le=\"+Inf\"} 3\n"
                   "test_duration_seconds_sum 10000000.505\n"
                   "test_duration_seconds_count 3\n"
                   "# EOF\n");
}

static void test_histogram_with_labels_and_no_bounds(void **state)
{
    static const struct metric_family_options options = {
        .type = METRIC_HISTOGRAM, .name = "test_size_bytes", .help = "Sizes.", .labels = labels};
    const struct str values[] = {STR("/a"), STR("200")};
    metric_observe(metric_histogram(add(*state, &options), values), 7);
    assert_renders(*state, METRICS_TEXT_0_0_4,
                   "# HELP test_size_bytes Sizes.\n"
                   "# TYPE test_size_bytes histogram\n"
                   "test_size_bytes_bucket{route=\"/a\",code=\"200\",le=\"+Inf\"} 1\n"
                   "test_size_bytes_sum{route=\"/a\",code=\"200\"} 7\n"
                   "test_size_bytes_count{route=\"/a\",code=\"200\"} 1\n");
}

static void test_escapes(void **state)
{
    static const struct metric_family_options options = {
        .type = METRIC_GAUGE,
        .name = "test_info",
        .help = "A \"quote\", a \\ and a\nnewline.",
        .labels = labels,
    };
    const struct str values[] = {STR("\"\\\n"), STR("\xC3\xA4 b")};
    *metric_gauge(add(*state, &options), values) = 1;
    assert_renders(*state, METRICS_TEXT_0_0_4,
                   "# HELP test_info A \"quote\", a \\\\ and a\\nnewline.\n"
                   "# TYPE test_info gauge\n"
                   "test_info{route=\"\\\"\\\\\\n\",code=\"\xC3\xA4 b\"} 1\n");
    assert_renders(*state, METRICS_OPENMETRICS_1_0_0,
                   "# HELP test_info A \\\"quote\\\", a \\\\ and a\\nnewline.\n"
                   "# TYPE test_info gauge\n"
                   "test_info{route=\"\\\"\\\\\\n\",code=\"\xC3\xA4 b\"} 1\n"
                   "# EOF\n");
}

static void test_overflow_is_printed_once_it_is_used(void **state)
{
    static const struct metric_family_options options = {
        .type = METRIC_COUNTER,
        .name = "test_requests_total",
        .help = "Requests.",
        .labels = labels,
        .series_max = 1,
    };
    const struct str first[] = {STR("/a"), STR("200")};
    const struct str second[] = {STR("/b"), STR("200")};
    struct metric_family *f = add(*state, &options);
    ++*metric_counter(f, first);
    assert_renders(*state, METRICS_TEXT_0_0_4,
                   "# HELP test_requests_total Requests.\n"
                   "# TYPE test_requests_total counter\n"
                   "test_requests_total{route=\"/a\",code=\"200\"} 1\n");
    ++*metric_counter(f, second);
    ++*metric_counter(f, second);
    assert_renders(*state, METRICS_TEXT_0_0_4,
                   "# HELP test_requests_total Requests.\n"
                   "# TYPE test_requests_total counter\n"
                   "test_requests_total{route=\"/a\",code=\"200\"} 1\n"
                   "test_requests_total{route=\"other\",code=\"other\"} 2\n");
}

/* Two loops count by the same names. */
static void test_registries_are_added_up(void **state)
{
    static const char *const one_label[] = {"route", NULL};
    static const double one_bound[] = {1};
    static const struct metric_family_options counted = {
        .type = METRIC_COUNTER, .name = "test_total", .help = "Some.", .labels = one_label};
    static const struct metric_family_options observed = {.type = METRIC_HISTOGRAM,
                                                          .name = "test_s",
                                                          .help = "S.",
                                                          .bounds = one_bound,
                                                          .bound_count = 1};
    static const struct metric_family_options single = {
        .type = METRIC_GAUGE, .name = "test_single", .help = "One."};
    struct metrics *own = *state;
    struct metrics *other = metrics_create();
    assert_non_null(other);
    const struct str routes[] = {STR("/a"), STR("/b"), STR("/c")};
    METRIC_ADD(metric_counter(add(own, &counted), &routes[0]), 1);
    METRIC_ADD(metric_counter(add(own, &counted), &routes[1]), 2);
    METRIC_ADD(metric_counter(add(other, &counted), &routes[1]), 40);
    METRIC_ADD(metric_counter(add(other, &counted), &routes[2]), 50);
    METRIC_SET(metric_gauge(add(other, &single), NULL), 7);
    metric_observe(metric_histogram(add(own, &observed), NULL), 0.5);
    metric_observe(metric_histogram(add(other, &observed), NULL), 2);
    const struct metrics *registries[] = {own, other};
    struct buf out;
    buf_init(&out, TEXT_MAX_BYTES);
    metrics_render(registries, 2, METRICS_TEXT_0_0_4, &out);
    buf_append_char(&out, '\0');
    assert_string_equal(out.data, "# HELP test_total Some.\n# TYPE test_total counter\n"
                                  "test_total{route=\"/a\"} 1\n"
                                  "test_total{route=\"/b\"} 42\n"
                                  "test_total{route=\"/c\"} 50\n"
                                  "# HELP test_s S.\n# TYPE test_s histogram\n"
                                  "test_s_bucket{le=\"1\"} 1\n"
                                  "test_s_bucket{le=\"+Inf\"} 2\n"
                                  "test_s_sum 2.5\n"
                                  "test_s_count 2\n"
                                  "# HELP test_single One.\n# TYPE test_single gauge\n"
                                  "test_single 7\n");
    buf_deinit(&out);
    metrics_destroy(other);
}

/* A scrape while a loop adds series and counts: each line is whole, and no count goes back. */
static void *count_for_long(void *arg)
{
    static const char *const one_label[] = {"n", NULL};
    static const struct metric_family_options options = {
        .type = METRIC_COUNTER, .name = "test_total", .help = "Some.", .labels = one_label};
    struct metric_family *family = metrics_family(arg, &options);
    for (uint64_t i = 0; family != NULL && i < 20000; i++) {
        char digits[20];
        const struct str value = {digits, str_format_u64(digits, i % 100)};
        METRIC_ADD(metric_counter(family, &value), 1);
    }
    return family;
}

static void test_a_scrape_beside_a_loop_that_counts(void **state)
{
    pthread_t thread;
    const struct metrics *registry = *state;
    assert_int_equal(pthread_create(&thread, NULL, count_for_long, *state), 0);
    size_t len = 0;
    for (int i = 0; i < 100; i++) {
        struct buf out;
        buf_init(&out, TEXT_MAX_BYTES);
        metrics_render(&registry, 1, METRICS_TEXT_0_0_4, &out);
        assert_true(out.len >= len);
        len = out.len;
        buf_deinit(&out);
    }
    void *family;
    assert_int_equal(pthread_join(thread, &family), 0);
    assert_non_null(family);
}

static void test_a_text_above_the_maximum_fails(void **state)
{
    static const struct metric_family_options options = {
        .type = METRIC_GAUGE, .name = "test_scrapes", .help = "Scrapes."};
    struct buf out;
    (void)*metric_gauge(add(*state, &options), NULL);
    buf_init(&out, 40);
    render_metrics(*state, METRICS_TEXT_0_0_4, &out);
    assert_true(out.is_failed);
    buf_deinit(&out);
}

#define RENDER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RENDER_TEST(test_nothing_registered),
        RENDER_TEST(test_counter),
        RENDER_TEST(test_counter_of_nanoseconds_prints_seconds),
        RENDER_TEST(test_gauge_that_has_no_value_is_left_out),
        RENDER_TEST(test_histogram),
        RENDER_TEST(test_histogram_with_labels_and_no_bounds),
        RENDER_TEST(test_escapes),
        RENDER_TEST(test_overflow_is_printed_once_it_is_used),
        RENDER_TEST(test_registries_are_added_up),
        RENDER_TEST(test_a_scrape_beside_a_loop_that_counts),
        RENDER_TEST(test_a_text_above_the_maximum_fails),
    };
    return cmocka_run_group_tests_name("metrics_render", tests, NULL, NULL);
}
