/* SPDX-License-Identifier: MIT
 *
 * test_http1_refused.c - what is refused, with which status; and what looks like it but is not.
 *
 * Each case is a connection of its own: the answer, Connection: close, FIN.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdio.h>

#include "test/unit/support/http_fixture.h"

#define H  "Host: a\r\n"
#define G  "GET / HTTP/1.1\r\n"
#define P  "POST / HTTP/1.1\r\n" H
#define TE "Transfer-Encoding: chunked\r\n"

static size_t handled_count;
static struct http_fixture f;

static void handle(struct http_request *req, void *arg)
{
    (void)arg;
    handled_count++;
    http_fixture_respond(req, req->body);
}

static int setup(void **state)
{
    (void)state;
    struct http_limits limits = http_fixture_limits();
    limits.header_bytes = 1024;
    limits.header_count = 10;
    limits.target_bytes = 128;
    limits.body_bytes = 512;
    http_fixture_init(&f);
    http_fixture_add(&f, METHOD_GET, "/", handle, 0);
    http_fixture_add(&f, METHOD_POST, "/", handle, ROUTE_BODY);
    http_fixture_open(&f, &limits);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    http_fixture_deinit(&f);
    return 0;
}

struct refusal {
    const char *name;
    struct str bytes;
    int status;
};

static void assert_refused(const struct refusal *refusal)
{
    char status_line[64];
    struct peer peer;
    (void)snprintf(status_line, sizeof(status_line), "HTTP/1.1 %d ", refusal->status);
    peer_connect(&peer, f.loop, f.server.listener.port, 0);
    handled_count = 0;
    peer_send(&peer, refusal->bytes);
    (void)shutdown(peer.fd, SHUT_WR);
    peer_await_end(&peer);
    if (handled_count != 0 || peer.in.len == 0 || peer_count(&peer, "\r\nDate: ") != 1 ||
        memcmp(peer.in.data, status_line, strlen(status_line)) != 0 ||
        !peer_has(&peer, "Connection: close\r\n")) {
        print_error("%s: expected %d, got %" STR_FMT "\n", refusal->name, refusal->status,
                    STR_ARG(buf_str(&peer.in)));
        fail();
    }
    peer_deinit(&peer);
}

static void assert_all_refused(const struct refusal *refusals, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_refused(&refusals[i]);
    }
}

static void test_lines(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"folded field", STR(G H "X: a\r\n b\r\n\r\n"), 400},
        {"folded first field", STR(G " X: a\r\n" H "\r\n"), 400},
        {"field folded with a tab", STR(G H "X: a\r\n\tb\r\n\r\n"), 400},
        {"bare LF in a field", STR(G H "X: a\n\r\n"), 400},
        {"bare LF behind the request line", STR("GET / HTTP/1.1\n" H "\r\n"), 400},
        {"bare LF at the end", STR(G H "\n"), 400},
        {"LF LF", STR("GET / HTTP/1.1\n\n"), 400},
        {"bare CR in a value", STR(G H "X: a\rb\r\n\r\n"), 400},
        {"bare CR behind the request line", STR("GET / HTTP/1.1\r" H "\r\n"), 400},
        {"two CR", STR(G H "X: a\r\r\n\r\n"), 400},
        {"space before the colon", STR(G H "X : a\r\n\r\n"), 400},
        {"space in a name", STR(G H "X y: a\r\n\r\n"), 400},
        {"empty name", STR(G H ": a\r\n\r\n"), 400},
        {"empty name first", STR(G ": a\r\n" H "\r\n"), 400},
        {"no colon", STR(G H "X\r\n\r\n"), 400},
        {"control byte in a value",
         STR(G H "X: a\x01"
                 "b\r\n\r\n"),
         400},
        {"NUL in a value", STR(G H "X: a\0b\r\n\r\n"), 400},
        {"DEL in a value", STR(G H "X: a\x7F\r\n\r\n"), 400},
        {"NUL in a name", STR(G H "X\0y: a\r\n\r\n"), 400},
        {"high byte in a name", STR(G H "X\xFF: a\r\n\r\n"), 400},
    };
    assert_all_refused(refusals, ARRAY_COUNT(refusals));
}

static void test_request_lines(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"HTTP/0.9", STR("GET /\r\n\r\n"), 400},
        {"HTTP/0.9 by name", STR("GET / HTTP/0.9\r\n" H "\r\n"), 400},
        {"HTTP/2.0", STR("GET / HTTP/2.0\r\n" H "\r\n"), 505},
        {"not quite the HTTP/2 preface", STR("PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n"), 505},
        {"HTTP/1.2", STR("GET / HTTP/1.2\r\n" H "\r\n"), 505},
        {"HTTP/1.10", STR("GET / HTTP/1.10\r\n" H "\r\n"), 505},
        {"lower case version", STR("GET / http/1.1\r\n" H "\r\n"), 400},
        {"other protocol", STR("GET / ICE/1.0\r\n" H "\r\n"), 400},
        {"tab for a space", STR("GET\t/ HTTP/1.1\r\n" H "\r\n"), 400},
        {"space in the target", STR("GET /a b HTTP/1.1\r\n" H "\r\n"), 400},
        {"space at the end", STR("GET / HTTP/1.1 \r\n" H "\r\n"), 505},
        {"control byte in the target", STR("GET /\x01 HTTP/1.1\r\n" H "\r\n"), 400},
        {"fragment", STR("GET /a#b HTTP/1.1\r\n" H "\r\n"), 400},
        {"no path", STR("GET a HTTP/1.1\r\n" H "\r\n"), 400},
        {"asterisk for GET", STR("GET * HTTP/1.1\r\n" H "\r\n"), 400},
        {"bad escape", STR("GET /%zz HTTP/1.1\r\n" H "\r\n"), 400},
        {"cut escape", STR("GET /% HTTP/1.1\r\n" H "\r\n"), 400},
        {"NUL escape", STR("GET /%00 HTTP/1.1\r\n" H "\r\n"), 400},
        {"TLS", STR("\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03"), 400},
        {"no method", STR(" / HTTP/1.1\r\n" H "\r\n"), 400},
    };
    assert_all_refused(refusals, ARRAY_COUNT(refusals));
}

static void test_methods_that_are_not_ours(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"unknown", STR("BREW / HTTP/1.1\r\n" H "\r\n"), 501},
        {"lower case", STR("get / HTTP/1.1\r\n" H "\r\n"), 501},
        {"no token", STR("G@T / HTTP/1.1\r\n" H "\r\n"), 400},
    };
    assert_all_refused(refusals, ARRAY_COUNT(refusals));
}

static void test_hosts(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"missing", STR(G "\r\n"), 400},
        {"doubled", STR(G H H "\r\n"), 400},
        {"doubled in 1.0", STR("GET / HTTP/1.0\r\n" H H "\r\n"), 400},
        {"with a space", STR(G "Host: a b\r\n\r\n"), 400},
        {"list", STR(G "Host: a,b\r\n\r\n"), 400},
        {"with a path", STR(G "Host: a/b\r\n\r\n"), 400},
        {"with a user", STR(G "Host: a@b\r\n\r\n"), 400},
    };
    assert_all_refused(refusals, ARRAY_COUNT(refusals));
}

static void test_lengths(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"with a coding", STR(P "Content-Length: 4\r\n" TE "\r\n0\r\n\r\n"), 400},
        {"behind a coding", STR(P TE "Content-Length: 4\r\n\r\n0\r\n\r\n"), 400},
        {"zero with a coding", STR(P "Content-Length: 0\r\n" TE "\r\n0\r\n\r\n"), 400},
        {"zero behind a coding", STR(P TE "Content-Length: 0\r\n\r\n0\r\n\r\n"), 400},
        {"doubled", STR(P "Content-Length: 1\r\nContent-Length: 1\r\n\r\na"), 400},
        {"doubled with zero", STR(P "Content-Length: 0\r\nContent-Length: 5\r\n\r\nabcde"), 400},
        {"list", STR(P "Content-Length: 1, 1\r\n\r\na"), 400},
        {"plus", STR(P "Content-Length: +1\r\n\r\na"), 400},
        {"minus", STR(P "Content-Length: -1\r\n\r\na"), 400},
        {"hexadecimal", STR(P "Content-Length: 0x1\r\n\r\na"), 400},
        {"empty", STR(P "Content-Length:\r\n\r\n"), 400},
        {"blank", STR(P "Content-Length: \r\n\r\n"), 400},
        {"spaced", STR(P "Content-Length: 1 2\r\n\r\nabc"), 400},
        {"too big for 64 bits", STR(P "Content-Length: 18446744073709551617\r\n\r\na"), 400},
        {"fraction", STR(P "Content-Length: 1.0\r\n\r\na"), 400},
    };
    assert_all_refused(refusals, ARRAY_COUNT(refusals));
}

static void test_codings(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"in 1.0", STR("POST / HTTP/1.0\r\n" H TE "\r\n0\r\n\r\n"), 400},
        {"chunked not last", STR(P "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"), 400},
        {"identity", STR(P "Transfer-Encoding: identity\r\n\r\n"), 400},
        {"chunked twice", STR(P TE TE "\r\n0\r\n\r\n"), 400},
        {"chunked twice in one", STR(P "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
         400},
        {"gzip, then chunked", STR(P "Transfer-Encoding: gzip\r\n" TE "\r\n0\r\n\r\n"), 400},
        {"chunked, then gzip", STR(P TE "Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n"), 400},
        {"gzip and chunked", STR(P "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 501},
        {"xchunked", STR(P "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"), 400},
        {"quoted", STR(P "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"), 400},
        {"parameter", STR(P "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n"), 400},
        {"empty", STR(P "Transfer-Encoding:\r\n\r\n0\r\n\r\n"), 400},
    };
    assert_all_refused(refusals, ARRAY_COUNT(refusals));
}

static void test_chunks(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"LF behind a size", STR(P TE "\r\n1\na\r\n0\r\n\r\n"), 400},
        {"LF behind data", STR(P TE "\r\n1\r\na\n0\r\n\r\n"), 400},
        {"LF at the end", STR(P TE "\r\n1\r\na\r\n0\r\n\n"), 400},
        {"CR in an extension", STR(P TE "\r\n1;a\rb\r\na\r\n0\r\n\r\n"), 400},
        {"more data than its size", STR(P TE "\r\n1\r\nab\r\n0\r\n\r\n"), 400},
        {"size too big for 64 bits", STR(P TE "\r\n10000000000000001\r\na\r\n0\r\n\r\n"), 400},
        {"signed size", STR(P TE "\r\n+1\r\na\r\n0\r\n\r\n"), 400},
        {"prefixed size", STR(P TE "\r\n0x1\r\na\r\n0\r\n\r\n"), 400},
        {"empty size", STR(P TE "\r\n\r\na\r\n0\r\n\r\n"), 400},
        {"extension without size", STR(P TE "\r\n;a=b\r\na\r\n0\r\n\r\n"), 400},
        {"folded trailer", STR(P TE "\r\n0\r\nX: a\r\n b\r\n\r\n"), 400},
        {"bare LF in a trailer", STR(P TE "\r\n0\r\nX: a\n\r\n"), 400},
        {"control byte in a trailer", STR(P TE "\r\n0\r\nX: \x01\r\n\r\n"), 400},
    };
    assert_all_refused(refusals, ARRAY_COUNT(refusals));
}

static void test_expectations(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"unknown", STR(P "Expect: tea\r\n\r\n"), 417},
        {"empty", STR(P "Expect:\r\n\r\n"), 417},
        {"two", STR(P "Expect: 100-continue, tea\r\n\r\n"), 417},
    };
    assert_all_refused(refusals, ARRAY_COUNT(refusals));
}

/* assert_padded sends `before`, `count` times `c`, and `after`. */
static void assert_padded(int status, const char *before, size_t count, const char *after)
{
    struct buf bytes;
    buf_init(&bytes, 1 << 20);
    buf_append_cstr(&bytes, before);
    for (size_t i = 0; i < count; i++) {
        buf_append_char(&bytes, 'a');
    }
    buf_append_cstr(&bytes, after);
    assert_false(bytes.is_failed);
    if (status != 200) {
        assert_refused(&(struct refusal){before, buf_str(&bytes), status});
    } else {
        struct peer peer;
        peer_connect(&peer, f.loop, f.server.listener.port, 0);
        peer_send(&peer, buf_str(&bytes));
        peer_await(&peer, "HTTP/1.1 200 OK\r\n", 1);
        peer_deinit(&peer);
    }
    buf_deinit(&bytes);
}

static void test_limits_to_the_byte(void **state)
{
    (void)state;
    const size_t field = strlen(G H "X: \r\n\r\n");
    assert_padded(200, G H "X: ", 1024 - field, "\r\n\r\n");
    assert_padded(431, G H "X: ", 1025 - field, "\r\n\r\n");
    assert_padded(431, G H "X: ", 1025, ""); /* its end never comes */
    assert_padded(200, "GET /?", 126, " HTTP/1.1\r\n" H "\r\n");
    assert_padded(414, "GET /?", 127, " HTTP/1.1\r\n" H "\r\n");
    assert_padded(414, "GET /?", 600, "");
    assert_padded(200, P "Content-Length: 512\r\n\r\n", 512, "");
    assert_padded(413, P "Content-Length: 513\r\n\r\n", 0, "");
    assert_padded(200, P TE "\r\n200\r\n", 512, "\r\n0\r\n\r\n");
    assert_padded(413, P TE "\r\n201\r\n", 513, "\r\n0\r\n\r\n");
    assert_padded(200, P TE "\r\n1;", 16000, "\r\nb\r\n0\r\n\r\n");
    assert_padded(400, P TE "\r\n1;", 16385, "\r\nb\r\n0\r\n\r\n");
    assert_padded(400, P TE "\r\n0\r\nX: ", 16385, "\r\n\r\n");
}

static void test_the_number_of_fields(void **state)
{
    (void)state;
#define NINE "1: a\r\n2: a\r\n3: a\r\n4: a\r\n5: a\r\n6: a\r\n7: a\r\n8: a\r\n9: a\r\n"
    assert_padded(200, G H NINE "\r\n", 0, "");
    assert_padded(431, G H NINE "10: ", 1, "\r\n\r\n");
}

static void test_what_is_fine(void **state)
{
    (void)state;
    static const char *const fine[] = {
        "\r\n" G H "\r\n", /* RFC 9112 2.2 */
        "\r\n\r\n" G H "\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\n" H "\r\n",
        "GET HTTP://a HTTP/1.1\r\n" H "\r\n",
        "GET http://a?x HTTP/1.1\r\n" H "\r\n",
        G "Host:\r\n\r\n",
        G "hOsT: [::1]:8080\r\n\r\n",
        G H "X:\r\n\r\n",
        G H "X: a \t \r\n\r\n",
        G H "X: gr\xC3\xBC\xC3\x9F\r\n\r\n",
        G H "Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\n\r\n",
        G H "Content-Length: 0\r\n\r\n",
        P "Content-Length: 003\r\n\r\nabc",
        P "Transfer-Encoding: CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        P TE "\r\n003;x=\"y\"\r\nabc\r\n00\r\nX: y\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_COUNT(fine); i++) {
        assert_padded(200, fine[i], 0, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_request_lines),
        cmocka_unit_test(test_methods_that_are_not_ours),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_codings),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_expectations),
        cmocka_unit_test(test_limits_to_the_byte),
        cmocka_unit_test(test_the_number_of_fields),
        cmocka_unit_test(test_what_is_fine),
    };
    return cmocka_run_group_tests_name("http1_refused", tests, setup, teardown);
}
