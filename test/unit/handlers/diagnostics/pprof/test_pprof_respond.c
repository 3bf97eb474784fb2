/* SPDX-License-Identifier: MIT
 *
 * test_pprof_respond.c - big bodies to fast, slow and leaving clients; who frees them.
 *
 * pprof_respond.c is included with an allocator that fails on demand, and a free that counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "test/unit/support/failing_alloc.h"

static uint64_t freed_bodies;
static char *whole;

static void counting_free(void *memory)
{
    freed_bodies += memory == whole;
    free(memory);
}

#define malloc failing_malloc
#define free   counting_free
#include "handlers/diagnostics/pprof/pprof_respond.c"
#undef malloc
#undef free

#include "test/unit/support/http_fixture.h"

#define BIG_BYTES   (5u << 20)
#define SMALL_BYTES 1000u
#define GET(path)   STR("GET " path " HTTP/1.0\r\n\r\n")

static struct http_fixture f;
static struct peer peer;

static char byte_at(size_t position)
{
    return (char)('a' + position * 2654435761u % 26);
}

static void send_some(struct http_request *req, const char *name, size_t len)
{
    whole = malloc(len);
    assert_non_null(whole);
    for (size_t i = 0; i < len; i++) {
        whole[i] = byte_at(i);
    }
    freed_bodies = 0;
    pprof_send(req, name, whole, len);
}

static void handle_big(struct http_request *req, void *arg)
{
    (void)arg;
    send_some(req, "heap", BIG_BYTES);
}

static void handle_small(struct http_request *req, void *arg)
{
    (void)arg;
    send_some(req, NULL, SMALL_BYTES);
}

static void start(struct str request, int receive_bytes)
{
    struct http_limits limits = http_fixture_limits();
    allocations_left = SIZE_MAX;
    http_fixture_init(&f);
    http_fixture_add(&f, METHOD_GET, "/big", handle_big, 0);
    http_fixture_add(&f, METHOD_GET, "/small", handle_small, 0);
    http_fixture_open(&f, &limits);
    peer_connect(&peer, f.loop, f.server.listener.port, receive_bytes);
    peer_send(&peer, request);
}

static void stop(void)
{
    peer_deinit(&peer);
    http_fixture_deinit(&f);
}

static void assert_body(size_t len)
{
    const char *end = memmem(peer.in.data, peer.in.len, "\r\n\r\n", 4);
    assert_non_null(end);
    const char *start_ = end + 4;
    assert_int_equal(peer.in.data + peer.in.len - start_, len);
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(start_[i], byte_at(i));
    }
}

static void test_a_big_body_arrives_whole(void **state)
{
    (void)state;
    start(GET("/big"), 0);
    peer_await_end(&peer);
    assert_body(BIG_BYTES);
    assert_true(peer_has(&peer, "Content-Disposition: attachment; filename=\"heap\"\r\n"));
    assert_true(peer_has(&peer, "Content-Type: application/octet-stream\r\n"));
    assert_int_equal(freed_bodies, 1);
    stop();
}

static void test_a_small_body_leaves_at_once(void **state)
{
    (void)state;
    start(GET("/small"), 0);
    peer_await_end(&peer);
    assert_body(SMALL_BYTES);
    assert_true(peer_has(&peer, "Content-Length: 1000\r\n"));
    assert_true(peer_has(&peer, "Content-Type: text/plain; charset=utf-8\r\n"));
    assert_false(peer_has(&peer, "Content-Disposition"));
    assert_int_equal(freed_bodies, 1);
    stop();
}

static void test_head_has_no_body(void **state)
{
    (void)state;
    start(STR("HEAD /big HTTP/1.0\r\n\r\n"), 0);
    peer_await_end(&peer);
    assert_body(0);
    assert_true(peer_has(&peer, "Content-Length: 5242880\r\n"));
    assert_int_equal(freed_bodies, 1);
    stop();
}

/* The body waits with us, not in the output queue. */
static void test_a_slow_client_gets_it_piece_by_piece(void **state)
{
    (void)state;
    start(GET("/big"), 4096);
    peer_turn(f.loop, 50);
    assert_int_equal(freed_bodies, 0);
    peer_await_end(&peer);
    assert_body(BIG_BYTES);
    assert_int_equal(freed_bodies, 1);
    stop();
}

static void test_a_client_that_leaves_frees_it(void **state)
{
    (void)state;
    start(GET("/big"), 4096);
    peer_turn(f.loop, 50);
    assert_int_equal(freed_bodies, 0);
    peer_reset(&peer);
    peer_await_u64(f.loop, &freed_bodies, 1);
    stop();
}

static void test_a_deadline_frees_it(void **state)
{
    (void)state;
    start(GET("/big"), 4096);
    peer_turn(f.loop, 50);
    assert_int_equal(freed_bodies, 0);
    assert_int_equal(task_cancel_all(UV_ETIMEDOUT), 1);
    assert_int_equal(freed_bodies, 1);
    stop();
}

static void test_without_memory_it_is_copied(void **state)
{
    (void)state;
    start(GET("/big"), 0);
    allocations_left = 0;
    peer_await_end(&peer);
    assert_body(BIG_BYTES);
    assert_int_equal(freed_bodies, 1);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_big_body_arrives_whole),
        cmocka_unit_test(test_a_small_body_leaves_at_once),
        cmocka_unit_test(test_head_has_no_body),
        cmocka_unit_test(test_a_slow_client_gets_it_piece_by_piece),
        cmocka_unit_test(test_a_client_that_leaves_frees_it),
        cmocka_unit_test(test_a_deadline_frees_it),
        cmocka_unit_test(test_without_memory_it_is_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
