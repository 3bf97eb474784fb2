/* SPDX-License-Identifier: MIT
 *
 * test_http_pool.c - requests are used again, kept up to a number, and may be missing; by HTTP/1's.
 *
 * http_pool.c is included, with its calloc replaced by one that fails on demand and counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/base/quota.h"
#include "test/unit/support/failing_alloc.h"

static void *failing_quota_calloc(struct quota *quota, size_t size, size_t cost,
                                  enum quota_urgency urgency)
{
    return is_allocation_granted() ? quota_calloc(quota, size, cost, urgency) : NULL;
}

#define quota_calloc failing_quota_calloc
#include "core/http/http_pool.c"
#undef quota_calloc
#include "core/http1/http1_exchange.h"

#include "test/unit/support/http_fixture.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

static struct http_fixture f;

static void handle(struct http_request *req, void *arg)
{
    (void)arg;
    http_fixture_respond(req, STR("hello"));
}

static int setup(void **state)
{
    (void)state;
    const struct http_limits limits = http_fixture_limits();
    http_fixture_init(&f);
    http_fixture_add(&f, METHOD_GET, "/", handle, 0);
    http_fixture_open(&f, &limits);
    allocation_count = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    http_fixture_deinit(&f);
    return 0;
}

static void test_one_serves_all_in_turn(void **state)
{
    (void)state;
    struct peer peers[3];
    for (size_t i = 0; i < ARRAY_COUNT(peers); i++) {
        peer_connect(&peers[i], f.loop, f.server.listener.port, 0);
        peer_send(&peers[i], STR(GET GET GET));
        peer_await(&peers[i], "hello", 3);
    }
    assert_int_equal(allocation_count, HTTP_SPARE_MAX > 0 ? 1 : 3 * ARRAY_COUNT(peers));
    assert_int_equal(f.server.exchanges.count, HTTP_SPARE_MAX > 0 ? 1 : 0);
    for (size_t i = 0; i < ARRAY_COUNT(peers); i++) {
        peer_deinit(&peers[i]);
    }
}

static void test_without_memory_the_connection_closes(void **state)
{
    (void)state;
    struct peer peer;
    peer_connect(&peer, f.loop, f.server.listener.port, 0);
    peer_await_u64(f.loop, &f.server.listener.stats.accepted, 1);
    allocations_left = 0;
    peer_send(&peer, STR(GET));
    peer_await_end(&peer);
    allocations_left = SIZE_MAX;
    assert_int_equal(peer.in.len, 0);
    peer_deinit(&peer);
    peer_connect(&peer, f.loop, f.server.listener.port, 0);
    peer_send(&peer, STR(GET));
    peer_await(&peer, "hello", 1);
    peer_deinit(&peer);
}

static void put_back(struct http_request *req)
{
    http_pool_put(&f.server.exchanges, req);
}

static void test_no_more_are_kept_than_so_many(void **state)
{
    (void)state;
    static const struct http_pool_kind kind = {.size = sizeof(struct http_request)};
    static const struct http_transport alone = {.recycle = put_back};
    struct http_request *requests[HTTP_SPARE_MAX + 2];
    for (size_t i = 0; i < ARRAY_COUNT(requests); i++) {
        requests[i] = http_pool_get(&f.server.exchanges, &kind, &f.server, &alone, clock_now_ns());
        assert_non_null(requests[i]);
        assert_int_equal(requests[i]->task.id > 0, 1);
    }
    for (size_t i = 0; i < ARRAY_COUNT(requests); i++) {
        http_request_abandon(requests[i]);
    }
    assert_int_equal(f.server.exchanges.count, HTTP_SPARE_MAX);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_one_serves_all_in_turn),
        WITH_SERVER(test_without_memory_the_connection_closes),
        WITH_SERVER(test_no_more_are_kept_than_so_many),
    };
    return cmocka_run_group_tests_name("http_pool", tests, NULL, NULL);
}
