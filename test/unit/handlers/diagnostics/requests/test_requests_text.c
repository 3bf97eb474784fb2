/* SPDX-License-Identifier: MIT
 *
 * test_requests_text.c - a look for a terminal: what is there, and nothing that a peer could say
 * to it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include "test/unit/handlers/diagnostics/requests/requests_rig.h"
#include <cmocka.h>

static void test_the_lists(void **state)
{
    (void)state;
    struct buf out;
    rig_view();
    assert_string_equal(
        rig_write(&out, requests_text_write),
        "In flight: 1\n"
        "  5 s, CPU 1.5 ms: GET /a/:b [mysql]\n"
        "    +0 us  1 ms  running\n"
        "    +1 ms  5 s  mysql (a.get)\n"
        "      at first\n"
        "      at second\n"
        "\nSlowest of late: 3, the first of them:\n"
        "  200 ms, CPU 0 us: GET /a/:b 200, ended 4.8 s ago, path /a/\"<i>?, peer 127.0.0.1:9,"
        " trace ab010000000000000000000000000000\n"
        "    +0 us  200 ms  running\n"
        "    and 4 changes more, which were not kept\n"
        "\nFailed of late: 0\n"
        "\nMost expensive of late (CPU): 0\n"
        "\n2 records were dropped\n");
    buf_deinit(&out);
}

static void test_a_call_that_runs(void **state)
{
    (void)state;
    struct buf out;
    rig_view();
    items[0].record.method = ""; /* it has none before it ends */
    items[0].record.trail.facts.is_running = true;
    const char *text = rig_write(&out, requests_text_write);
    assert_non_null(strstr(text, "\n  5 s, CPU >= 1.5 ms: /a/:b ["));
    buf_deinit(&out);
}

static void test_behind_whom_it_waited(void **state)
{
    (void)state;
    struct buf out;
    rig_view();
    items[0].record.trail.facts.costs.behind_ns = 2 * NS_PER_MS;
    items[0].record.trail.facts.costs.behind_label = label_intern(STR("/slow"), "GET");
    items[1].record.trail.facts.costs.behind_upper_ns = NS_PER_MS;
    const char *text = rig_write(&out, requests_text_write);
    assert_non_null(strstr(text, "    waited for the loop behind /slow: 2 ms\n"));
    assert_non_null(strstr(text, "    waited for the loop behind [loop]: at most 1 ms"
                                 " before the kernel gave it to the loop\n"));
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_lists),
        cmocka_unit_test(test_a_call_that_runs),
        cmocka_unit_test(test_behind_whom_it_waited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
