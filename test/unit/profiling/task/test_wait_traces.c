/* SPDX-License-Identifier: MIT
 *
 * test_wait_traces.c - the last waits are remembered, and a window has all that it wants.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdlib.h>

#include "profiling/task/wait_traces.h"

static struct wait_traces *traces;

static int setup(void **state)
{
    (void)state;
    traces = wait_traces_create();
    return traces == NULL;
}

static int teardown(void **state)
{
    (void)state;
    free(traces);
    return 0;
}

static void add(uint32_t site, uint64_t trace, uint64_t span, uint64_t ns)
{
    wait_traces_add(traces, &(struct wait_trace){.ids = {.trace_id = {trace, 0}, .span_id = span},
                                                 .ns = ns,
                                                 .count = 1,
                                                 .site = site});
}

static void test_the_ring_has_the_last(void **state)
{
    (void)state;
    add(1, 1, 0, 5); /* of no trace */
    assert_int_equal(wait_traces_count(traces, NULL), 0);
    for (uint32_t i = 0; i < WAIT_TRACES_RECENT_MAX + 10; i++) {
        add(i, 1, 1, 5);
    }
    assert_int_equal(wait_traces_count(traces, NULL), WAIT_TRACES_RECENT_MAX);
    struct wait_trace *copy = calloc(WAIT_TRACES_RECENT_MAX, sizeof(*copy));
    wait_traces_copy(traces, NULL, copy);
    assert_int_equal(wait_traces_sum(copy, WAIT_TRACES_RECENT_MAX), WAIT_TRACES_RECENT_MAX);
    assert_int_equal(copy[0].site, 10);
    assert_int_equal(copy[WAIT_TRACES_RECENT_MAX - 1].site, WAIT_TRACES_RECENT_MAX + 9);
    free(copy);
}

static void test_a_window_has_what_it_wants_and_a_bound(void **state)
{
    (void)state;
    struct wait_window *window = calloc(1, sizeof(*window));
    window->traces = (struct trace_filter){.is_one = true, .trace_id = {2, 0}};
    add(1, 2, 1, 5); /* before it */
    list_push_back(&traces->windows, &window->link);
    for (uint32_t i = 0; i < WAIT_TRACES_WINDOW_MAX + 3; i++) {
        add(1, 1, 1, 5);
        add(1, 2, 1, 5);
    }
    assert_int_equal(wait_traces_count(traces, window), WAIT_TRACES_WINDOW_MAX);
    assert_int_equal(window->dropped, 3);
    struct wait_trace *copy = calloc(WAIT_TRACES_WINDOW_MAX, sizeof(*copy));
    wait_traces_copy(traces, window, copy);
    assert_int_equal(wait_traces_sum(copy, WAIT_TRACES_WINDOW_MAX), 1);
    assert_int_equal(copy[0].count, WAIT_TRACES_WINDOW_MAX);
    assert_int_equal(copy[0].ns, 5 * WAIT_TRACES_WINDOW_MAX);
    free(copy);
    free(window);
}

static void test_sums_are_by_site_and_span(void **state)
{
    (void)state;
    struct wait_trace items[] = {
        {.ids = {{1, 0}, 1}, .ns = 1, .count = 1, .site = 2},
        {.ids = {{1, 0}, 1}, .ns = 2, .count = 1, .site = 1},
        {.ids = {{1, 0}, 2}, .ns = 3, .count = 1, .site = 2},
        {.ids = {{2, 0}, 1}, .ns = 4, .count = 1, .site = 2},
        {.ids = {{1, 0}, 1}, .ns = 5, .count = 0, .site = 2},
    };
    assert_int_equal(wait_traces_sum(items, ARRAY_COUNT(items)), 4);
    assert_int_equal(items[0].site, 1);
    assert_int_equal(items[1].ns + items[2].ns + items[3].ns, 13);
    assert_int_equal(wait_traces_sum(NULL, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_ring_has_the_last, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_window_has_what_it_wants_and_a_bound, setup,
                                        teardown),
        cmocka_unit_test(test_sums_are_by_site_and_span),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
