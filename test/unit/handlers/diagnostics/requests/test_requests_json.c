/* SPDX-License-Identifier: MIT
 *
 * test_requests_json.c - a look as JSON: every member, and what a peer chose as text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include "core/base/json.h"
#include "test/unit/handlers/diagnostics/requests/requests_rig.h"
#include <cmocka.h>

static void test_all_members(void **state)
{
    (void)state;
    struct buf out;
    rig_view();
    assert_string_equal(
        rig_write(&out, requests_json_write),
        "{\"in_flight_count\":1,\"in_flight\":[{\"id\":7,\"route\":\"/a/:b\",\"method\":\"GET\","
        "\"started\":\"2023-11-14T22:13:20.000000Z\",\"duration_us\":5000000,\"cpu_us\":1500,"
        "\"state\":\"mysql\",\"for\":\"a.get\",\"wakers\":0,\"stack\":[\"first\",\"second\"],"
        "\"parts\":[{\"state\":\"running\",\"start_us\":0,\"duration_us\":1000},"
        "{\"state\":\"mysql\",\"for\":\"a.get\",\"start_us\":1000,\"duration_us\":4999000}],"
        "\"parts_lost\":0}],"
        "\"slowest_count\":3,\"slowest\":[{\"id\":8,\"route\":\"/a/:b\",\"method\":\"GET\","
        "\"started\":\"2023-11-14T22:13:20.000000Z\",\"duration_us\":200000,\"cpu_us\":0,"
        "\"peer\":\"127.0.0.1:9\",\"trace_id\":\"ab010000000000000000000000000000\","
        "\"span_id\":\"cd02000000000000\",\"server\":\"http\",\"status\":200,"
        "\"path\":\"/a/\\\"<i>\\u001b\",\"ended_us_ago\":4800000,"
        "\"parts\":[{\"state\":\"running\",\"start_us\":0,\"duration_us\":200000}],"
        "\"parts_lost\":4}],"
        "\"failed_count\":0,\"failed\":[],\"most_expensive_count\":0,\"most_expensive\":[],"
        "\"routes\":[{\"route\":\"/a/:b\",\"method\":\"GET\",\"in_flight\":1,"
        "\"bands\":[0,0,0,0,0,3,0,0,0],\"failed\":0}],\"dropped\":2}\n");
    buf_deinit(&out);
}

static void test_what_is_there_at_times(void **state)
{
    (void)state;
    struct buf out;
    rig_view();
    items[1].record.rpc_status = "NOT_FOUND";
    items[1].record.trail.facts.costs =
        (struct task_costs){.behind_ns = 3000, .behind_upper_ns = 9000};
    const char *text = rig_write(&out, requests_json_write);
    assert_non_null(strstr(text, "\"rpc_status\":\"NOT_FOUND\""));
    assert_non_null(strstr(text, "\"behind\":\"[loop]\",\"behind_us\":3,\"behind_upper_us\":9,"));
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_members),
        cmocka_unit_test(test_what_is_there_at_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
