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

/* parse parses a head of three fields. */
static struct http1_fault parse(struct http1_exchange *ex, size_t arena_bytes, struct str head)
{
    static struct http_server server;
    server.limits = limits;
    *ex = (struct http1_exchange){.req = {.server = &server, .target = STR("")}};
    arena_init(&ex->req.arena, arena_bytes);
    return http1_head_parse(ex, head, 3);
}

static void test_tabs_are_spaces_where_the_parser_reads(void **state)
{
    (void)state;
    static struct http1_exchange ex;
    const struct str length = STR("POST / HTTP/1.0\r\nConnection:\tkeep-alive\t\r\n"
                                  "X:\ta\tb\t\r\ncontent-LENGTH:\t5\t\r\n\r\n");
    assert_int_equal(parse(&ex, 4096, length).status, 0);
    assert_true(ex.is_keep_alive);
    assert_int_equal(ex.body_kind, BODY_LENGTH);
    assert_int_equal(ex.body_left_bytes, 5);
    assert_int_equal(ex.req.header_count, 3);
    assert_true(str_equal(ex.req.headers[1].value, STR("a\tb")));
    arena_deinit(&ex.req.arena);

    const struct str chunked = STR("POST / HTTP/1.1\r\nHost: a\r\nConnection:\tx\t,\tclose\t\r\n"
                                   "Transfer-Encoding:\tchunked\t\r\n\r\n");
    assert_int_equal(parse(&ex, 4096, chunked).status, 0);
    assert_false(ex.is_keep_alive);
    assert_int_equal(ex.body_kind, BODY_CHUNKED);
    arena_deinit(&ex.req.arena);

    assert_int_equal(parse(&ex, 1, chunked).status, 503);
    arena_deinit(&ex.req.arena);
}

static void test_an_authority_counts_for_the_host(void **state)
{
    (void)state;
    static struct http1_exchange ex;
    assert_int_equal(parse(&ex, 4096, STR("GET http://b:80/p HTTP/1.1\r\nHost: a\r\n\r\n")).status,
                     0);
    assert_true(str_equal(ex.req.host, STR("b:80")));
    assert_true(str_equal(ex.req.path, STR("/p")));
    arena_deinit(&ex.req.arena);
    assert_int_equal(parse(&ex, 4096, STR("GET http://b@c/p HTTP/1.1\r\nHost: a\r\n\r\n")).status,
                     400);
    arena_deinit(&ex.req.arena);
    assert_int_equal(parse(&ex, 4096, STR("GET http://b/p HTTP/1.1\r\nHost: a b\r\n\r\n")).status,
                     400);
    arena_deinit(&ex.req.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_head_that_drips_is_scanned_once),
        cmocka_unit_test(test_a_head_is_found_however_it_is_cut),
        cmocka_unit_test(test_tabs_are_spaces_where_the_parser_reads),
        cmocka_unit_test(test_an_authority_counts_for_the_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
