/* SPDX-License-Identifier: MIT
 *
 * test_http1_head.c - the raw lines of a head: each byte is looked at once, however they are cut,
 * and blanks of both kinds reach the parser as one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/http1/http1_exchange.h"

static const struct http_limits limits = {
    .header_bytes = 16384, .header_count = 100, .target_bytes = 8192};

/* What is behind a byte that was seen is written over with LFs: whoever looks at it again finds
 * lines there, and refuses them. */
static void test_a_head_that_drips_is_scanned_once(void **state)
{
    (void)state;
    static const char start[] = "GET / HTTP/1.1\r\nX: ";
    char head[8192];
    struct http1_scan scan = {0};
    struct http1_fault fault;
    size_t len = 0;
    size_t count = 0;
    memset(head, 'a', sizeof(head));
    memcpy(head, start, sizeof(start) - 1);
    for (size_t i = 1; i <= sizeof(head); i++) {
        assert_false(http1_head_scan((struct str){head, i}, &scan, &limits, &len, &count, &fault));
        assert_int_equal(scan.seen_bytes, i);
        if (i > sizeof(start)) {
            head[i - 2] = '\n';
        }
    }
    assert_int_equal(scan.line_count, 1);
}

static void test_a_head_is_found_however_it_is_cut(void **state)
{
    (void)state;
    const struct str head = STR("GET / HTTP/1.1\r\nA: b\r\nC: d\r\n\r\nGET");
    for (size_t cut = 0; cut < head.len; cut++) {
        struct http1_scan scan = {0};
        struct http1_fault fault;
        size_t len = 0;
        size_t count = 0;
        bool is_done =
            http1_head_scan((struct str){head.ptr, cut}, &scan, &limits, &len, &count, &fault);
        assert_int_equal(is_done, cut >= head.len - 3);
        is_done = is_done || http1_head_scan(head, &scan, &limits, &len, &count, &fault);
        assert_true(is_done);
        assert_int_equal(fault.status, 0);
        assert_int_equal(len, head.len - 3);
        assert_int_equal(count, 2);
    }
}

static void test_tabs_are_spaces_where_the_parser_reads(void **state)
{
    (void)state;
    struct arena arena;
    struct str copy;
    arena_init(&arena, 4096);
    assert_true(
        http1_head_copy(&arena,
                        STR("GET /\t HTTP/1.1\r\nConnection:\tclose\t,\tx\t\r\nX:\ta\tb\t\r\n"
                            "content-LENGTH:\t5\t\r\nTransfer-Encoding:chunked\t\r\n\r\n"),
                        &copy));
    assert_true(str_equal(copy, STR("GET /\t HTTP/1.1\r\nConnection: close , x \r\nX:\ta\tb\t\r\n"
                                    "content-LENGTH: 5 \r\nTransfer-Encoding:chunked \r\n\r\n")));
    arena_deinit(&arena);
    arena_init(&arena, 1);
    assert_false(http1_head_copy(&arena, STR("GET"), &copy));
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_head_that_drips_is_scanned_once),
        cmocka_unit_test(test_a_head_is_found_however_it_is_cut),
        cmocka_unit_test(test_tabs_are_spaces_where_the_parser_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
