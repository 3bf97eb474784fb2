/* SPDX-License-Identifier: MIT
 *
 * test_metrics_export.c - a table of fields as metrics: kinds, labels, the end of an export, memory
 * that runs out.
 *
 * metrics_export.c is included, with its allocation replaced by one that fails on demand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "test/unit/support/failing_alloc.h"
#define calloc failing_calloc
#include "core/telemetry/metrics_export.c"
#undef calloc
#include "test/unit/support/render_metrics.h"

struct source {
    uint64_t count;
    size_t size;
    uint32_t small;
    double share;
    bool is_on;
};

#define FIELD(field) METRIC_FIELD(struct source, field)

static const char *const pool_label[] = {"pool", NULL};
static const char *const why_labels[] = {"pool", "why", NULL};

static const struct metric_row rows[] = {
    {"test_total", "Counted.", METRIC_COUNTER, FIELD(count), .divisor = 4},
    {"test_size", "A size.", METRIC_GAUGE, FIELD(size)},
    {"test_small", "A small one.", METRIC_GAUGE, FIELD(small)},
    {"test_share", "A share.", METRIC_GAUGE, FIELD(share)},
    {"test_on", "Whether.", METRIC_GAUGE, FIELD(is_on)},
    {"test_shed_total", "Shed.", METRIC_COUNTER, FIELD(count), METRIC_LABEL(why_labels, "fds")},
    {"test_shed_total", "Shed.", METRIC_COUNTER, FIELD(size), METRIC_LABEL(why_labels, "memory")},
};

static void assert_has(struct metrics *m, const char *line)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    render_metrics(m, METRICS_TEXT_0_0_4, &text);
    buf_append_char(&text, '\0');
    assert_non_null(strstr(text.data, line));
    buf_deinit(&text);
}

static int add(struct metrics *m, const char *value, struct source *source)
{
    return metrics_export(m, &(struct metrics_export){
                                 .rows = rows,
                                 .row_count = ARRAY_COUNT(rows),
                                 .labels = pool_label,
                                 .value = value,
                                 .arg = source,
                             });
}

static void test_a_scrape_prints_what_the_fields_hold_now(void **state)
{
    (void)state;
    struct source source = {.count = 1, .size = 2, .small = 3, .share = 0.5, .is_on = true};
    struct metrics *m = metrics_create();
    assert_int_equal(add(m, "a", &source), 0);
    assert_has(m, "\ntest_total{pool=\"a\"} 0.25\n");
    assert_has(m, "\ntest_size{pool=\"a\"} 2\n");
    assert_has(m, "\ntest_small{pool=\"a\"} 3\n");
    assert_has(m, "\ntest_share{pool=\"a\"} 0.5\n");
    assert_has(m, "\ntest_on{pool=\"a\"} 1\n");
    assert_has(m, "\ntest_shed_total{pool=\"a\",why=\"fds\"} 1\n");
    assert_has(m, "\ntest_shed_total{pool=\"a\",why=\"memory\"} 2\n");
    source.count = 10;
    source.is_on = false;
    assert_has(m, "\ntest_total{pool=\"a\"} 2.5\n");
    assert_has(m, "\ntest_on{pool=\"a\"} 0\n");
    metrics_destroy(m);
}

static void test_exports_of_one_family_have_series_of_their_own(void **state)
{
    (void)state;
    struct source a = {.size = 1};
    struct source b = {.size = 2};
    struct metrics *m = metrics_create();
    assert_int_equal(add(m, "a", &a), 0);
    assert_int_equal(add(m, "b", &b), 0);
    assert_has(m, "\ntest_size{pool=\"a\"} 1\ntest_size{pool=\"b\"} 2\n");
    metrics_destroy(m);
}

static void test_an_ended_export_keeps_its_last_values(void **state)
{
    (void)state;
    struct source kept = {.size = 1};
    struct source gone = {.size = 2};
    struct metrics *m = metrics_create();
    assert_int_equal(add(m, "kept", &kept), 0);
    const size_t first = metrics_count_exports(m);
    assert_int_equal(add(m, "gone", &gone), 0);
    assert_has(m, "{pool=\"gone\"} 2\n");
    metrics_end_exports(m, first, metrics_count_exports(m));
    kept.size = gone.size = 3;
    assert_has(m, "\ntest_size{pool=\"kept\"} 3\ntest_size{pool=\"gone\"} 2\n");
    metrics_destroy(m);
}

static void fill(void *arg, void *values)
{
    struct source *source = values;
    source->size += *(const size_t *)arg;
}

static void test_fill_finds_what_it_wrote_before(void **state)
{
    (void)state;
    size_t step = 5;
    struct metrics *m = metrics_create();
    assert_int_equal(
        metrics_export(m, &(struct metrics_export){.rows = &rows[1],
                                                   .row_count = 1,
                                                   .labels = pool_label,
                                                   .value = "a",
                                                   .fill = fill,
                                                   .values_bytes = sizeof(struct source),
                                                   .arg = &step}),
        0);
    assert_has(m, "{pool=\"a\"} 5\n");
    assert_has(m, "{pool=\"a\"} 10\n");
    metrics_destroy(m);
}

static void test_missing_memory_is_told(void **state)
{
    (void)state;
    struct source source = {.size = 1};
    struct metrics *m = metrics_create();
    allocations_left = 0;
    assert_int_equal(add(m, "a", &source), -ENOMEM);
    allocations_left = SIZE_MAX;
    assert_int_equal(metrics_count_exports(m), 0);
    metrics_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_scrape_prints_what_the_fields_hold_now),
        cmocka_unit_test(test_exports_of_one_family_have_series_of_their_own),
        cmocka_unit_test(test_an_ended_export_keeps_its_last_values),
        cmocka_unit_test(test_fill_finds_what_it_wrote_before),
        cmocka_unit_test(test_missing_memory_is_told),
    };
    return cmocka_run_group_tests_name("metrics_export", tests, NULL, NULL);
}
