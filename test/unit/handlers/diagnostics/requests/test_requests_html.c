/* SPDX-License-Identifier: MIT
 *
 * test_requests_html.c - a look as a page: what a peer chose is text, every list is there, links
 * lead to traces.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include "test/unit/handlers/diagnostics/requests/requests_rig.h"
#include <cmocka.h>

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part)) {
        count++;
    }
    return count;
}

static void test_the_page(void **state)
{
    (void)state;
    struct buf out;
    rig_view();
    const char *page = rig_write(&out, requests_html_write);
    assert_memory_equal(page, "<!doctype html>\n", 16);
    assert_string_equal(page + strlen(page) - 15, "</body></html>\n");
    assert_int_equal(count_of(page, "<details>"), 2);
    assert_int_equal(count_of(page, "</details>"), 2);
    assert_int_equal(count_of(page, "<section id="), 5); /* four lists, and the routes */
    assert_non_null(strstr(page, "<section id=failed><h2>Failed of late <span class=dim>0<"));
    assert_int_equal(count_of(page, "<p class=dim>none</p>"), 2);
    assert_non_null(strstr(page, "<p class=dim>and 2 more</p>"));
    assert_non_null(strstr(page, "<pre>first\nsecond\n</pre>"));
    assert_non_null(strstr(page, "Later changes of state, not kept: 4<"));
    assert_non_null(strstr(page, "Records dropped: 2<"));
    assert_int_equal(count_of(page, "<span class=n>age<"), 1);
    assert_int_equal(count_of(page, "<span class=n>ended<"), 1);
    assert_non_null(strstr(page, "<th class=n>&lt; 10 us<th class=n>&ge; 10 us<"));
    assert_null(strstr(page, "style=")); /* the policy allows none */
    assert_null(strstr(page, "<script"));
    buf_deinit(&out);
}

static void test_what_a_peer_chose(void **state)
{
    (void)state;
    struct buf out;
    rig_view();
    (void)snprintf(view.filter.route, sizeof(view.filter.route), "\"><script>");
    const char *page = rig_write(&out, requests_html_write);
    assert_non_null(strstr(page, "<dt>path<dd>/a/&#34;&lt;i&gt;\xef\xbf\xbd\n"));
    assert_non_null(strstr(page, "value=\"&#34;&gt;&lt;script&gt;\""));
    assert_null(strstr(page, "<i>"));
    assert_null(strstr(page, "<script>"));
    buf_deinit(&out);
}

/* What the callback that runs has used is not known before it returns. */
static void test_cpu_of_one_that_runs(void **state)
{
    (void)state;
    struct buf out;
    rig_view();
    const char *page = rig_write(&out, requests_html_write);
    assert_non_null(strstr(page, "<span class=\"n dim\">1.5 ms<"));
    buf_deinit(&out);
    items[0].record.trail.facts.is_running = true;
    page = rig_write(&out, requests_html_write);
    assert_non_null(strstr(page, "<span class=\"n dim\">&ge; 1.5 ms<"));
    buf_deinit(&out);
}

static void test_links_to_traces(void **state)
{
    (void)state;
    struct buf out;
    rig_view();
    const char *page = rig_write(&out, requests_html_write);
    assert_non_null(strstr(page, "href=\"?trace_id=ab010000000000000000000000000000\""));
    assert_null(strstr(page, ">Jaeger<"));
    buf_deinit(&out);
    view.jaeger_ui = "http://j:16686/\"";
    page = rig_write(&out, requests_html_write);
    assert_non_null(strstr(
        page, "href=\"http://j:16686/&#34;/trace/ab010000000000000000000000000000\">Jaeger<"));
    buf_deinit(&out);
}

/* A bar is as wide as the time it stands for, of 1000, and never too narrow to be seen. */
static void test_bars(void **state)
{
    (void)state;
    struct buf out;
    rig_view();
    const char *page = rig_write(&out, requests_html_write);
    assert_non_null(
        strstr(page, "<rect class=\"s-run\" x=\"0.0\" width=\"2.0\" height=\"10\"><title>running"));
    assert_non_null(strstr(page, "<rect class=\"s-mysql\" x=\"0.2\" width=\"999.8\""));
    assert_non_null(strstr(page, "<rect class=\"s-run\" x=\"0.0\" width=\"1000.0\""));
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_page),
        cmocka_unit_test(test_what_a_peer_chose),
        cmocka_unit_test(test_cpu_of_one_that_runs),
        cmocka_unit_test(test_links_to_traces),
        cmocka_unit_test(test_bars),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
