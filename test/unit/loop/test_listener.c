/* SPDX-License-Identifier: MIT
 *
 * test_listener.c - binding, accepting, the limit of connections, and running out of descriptors.
 *
 * Tests: core/loop/listener_metrics.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdio.h>
#include <sys/resource.h>

#include "core/loop/listener_metrics.h"
#include "core/telemetry/log.h"
#include "test/unit/support/peer.h"
#include "test/unit/support/render_metrics.h"

#define LONG_MS   600000
#define CONNS_MAX 3

static struct loop *loop;
static struct conn_set set;
static struct listener listener;
static uint64_t listener_closed_count;
static uint64_t accepted_count;
static uv_async_t keep; /* a loop with nothing but a resting listener would not turn */

static void on_data(struct conn *conn, const char *data, size_t len)
{
    assert_int_equal(conn_write(conn, data, len), 0);
}

static void on_end(struct conn *conn, int status)
{
    (void)status;
    conn_close(conn);
}

static void ignore(struct conn *conn)
{
    (void)conn;
}

static void on_accept(struct listener *from, struct conn *conn)
{
    static const struct conn_events events = {
        .on_data = on_data,
        .on_end = on_end,
        .on_drained = ignore,
        .on_timeout = ignore,
        .on_close = ignore,
    };
    assert_ptr_equal(from, &listener);
    accepted_count++;
    conn_attach(conn, &events, NULL);
}

static void on_closed(void *arg)
{
    ++*(uint64_t *)arg;
}

static int setup(void **state)
{
    (void)state;
    accepted_count = 0;
    listener_closed_count = 0;
    log_set_level(LOG_ERROR); /* shortages are meant to happen */
    assert_int_equal(loop_create(&loop), 0);
    assert_int_equal(uv_async_init(loop_uv(loop), &keep, NULL), 0);
    assert_int_equal(conn_set_init(&set, loop, LONG_MS), 0);
    assert_int_equal(listener_open(&listener, &set, "test", "127.0.0.1", 0, 16, on_accept, NULL),
                     0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (listener.is_open) {
        listener_close(&listener, on_closed, &listener_closed_count);
    }
    peer_await_u64(loop, &listener_closed_count, 1);
    (void)conn_set_close_all(&set);
    peer_turn(loop, 3);
    conn_set_deinit(&set);
    uv_close((uv_handle_t *)&keep, NULL);
    loop_destroy(loop);
    return 0;
}

static void test_a_free_port_is_named_and_taken(void **state)
{
    (void)state;
    char address[ADDRESS_TEXT_BYTES];
    struct listener second;
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", listener.port);
    assert_int_not_equal(listener.port, 0);
    assert_string_equal(listener.address, address);
    assert_int_equal(
        listener_open(&second, &set, "second", "localhost", listener.port, 16, on_accept, NULL),
        UV_EADDRINUSE);
    assert_int_equal(listener_open(&second, &set, "second", "example.org", 0, 16, on_accept, NULL),
                     UV_EINVAL);
    assert_int_equal(listener_open(&second, &set, "second", "192.0.2.1", 0, 16, on_accept, NULL),
                     UV_EADDRNOTAVAIL);
}

static void test_it_accepts_and_serves(void **state)
{
    (void)state;
    struct peer peers[2];
    for (size_t i = 0; i < ARRAY_COUNT(peers); i++) {
        peer_connect(&peers[i], loop, listener.port, 0);
        peer_send(&peers[i], STR("hello"));
    }
    for (size_t i = 0; i < ARRAY_COUNT(peers); i++) {
        peer_await(&peers[i], "hello", 1);
        peer_deinit(&peers[i]);
    }
    assert_int_equal(accepted_count, 2);
    assert_int_equal(listener.stats.accepted, 2);
    peer_await_u64(loop, &listener.stats.open, 0);
}

static void test_above_the_limit_it_closes(void **state)
{
    (void)state;
    struct peer peers[CONNS_MAX];
    struct peer extra;
    listener.limits.max_count = CONNS_MAX;
    for (size_t i = 0; i < CONNS_MAX; i++) {
        peer_connect(&peers[i], loop, listener.port, 0);
    }
    peer_await_u64(loop, &accepted_count, CONNS_MAX);
    peer_connect(&extra, loop, listener.port, 0);
    peer_await_end(&extra);
    peer_deinit(&extra);
    assert_int_equal(listener.shed_limit, 1);
    assert_true(listener.is_short);
    peer_deinit(&peers[0]);
    peer_await_u64(loop, &listener.stats.open, CONNS_MAX - 1);
    peer_connect(&peers[0], loop, listener.port, 0);
    peer_await_u64(loop, &accepted_count, CONNS_MAX + 1);
    assert_true(listener.is_short); /* one that finds room does not end the shortage */
    wheel_unset(&listener.calm);
    listener.calm.on_fire(&listener.calm);
    assert_false(listener.is_short);
    for (size_t i = 0; i < CONNS_MAX; i++) {
        peer_deinit(&peers[i]);
    }
}

static void assert_shed(uint64_t shed_fds)
{
    struct peer peer;
    peer_connect(&peer, loop, listener.port, 0);
    peer_await_end(&peer);
    peer_deinit(&peer);
    assert_int_equal(listener.shed_fds, shed_fds);
    assert_int_equal(accepted_count, 0);
}

static void test_descriptors_that_are_kept_are_not_taken(void **state)
{
    (void)state;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit limit = {.rlim_cur = 100, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    int taken[100];
    size_t count = 0;
    int fd = dup(0);
    for (; fd >= 0 && fd < 75; fd = dup(0)) {
        taken[count++] = fd;
    }
    (void)close(fd);
    listener.limits.kept_fds = 26; /* but no more than a quarter: 75 may be taken, 0 to 74 */
    assert_shed(1);
    listener.limits.kept_fds = 23;
    struct peer peer;
    peer_connect(&peer, loop, listener.port, 0);
    peer_await_u64(loop, &accepted_count, 1); /* the peer took 75, the connection 76 */
    peer_deinit(&peer);
    while (count > 0) {
        (void)close(taken[--count]);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void test_no_more_than_its_share_of_the_descriptors(void **state)
{
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    listener.limits = (struct listener_limits){
        .kept_fds = 1, .own_fds = (size_t)limit.rlim_cur - 4, .share_count = 3};
    struct peer peer;
    peer_connect(&peer, loop, listener.port, 0);
    peer_await_u64(loop, &accepted_count, 1); /* one of three */
    accepted_count = 0;
    assert_shed(1);
    peer_deinit(&peer);
}

/* forbid_descriptors lets no more be opened; descriptors that are open stay. */
static struct rlimit forbid_descriptors(void)
{
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const int lowest = dup(0); /* the next one to be given out */
    assert_true(lowest >= 0);
    (void)close(lowest);
    const struct rlimit none = {.rlim_cur = (rlim_t)lowest, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    return before;
}

static void test_without_descriptors_it_sheds_and_recovers(void **state)
{
    (void)state;
    struct peer shed[3];
    for (size_t i = 0; i < ARRAY_COUNT(shed); i++) {
        peer_connect(&shed[i], loop, listener.port, 0);
    }
    const struct rlimit before = forbid_descriptors();
    for (size_t i = 0; i < ARRAY_COUNT(shed); i++) {
        peer_await_end(&shed[i]);
    }
    assert_int_equal(listener.shed_fds, ARRAY_COUNT(shed));
    assert_int_equal(accepted_count, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    struct peer peer;
    peer_connect(&peer, loop, listener.port, 0);
    peer_send(&peer, STR("back"));
    peer_await(&peer, "back", 1);
    peer_deinit(&peer);
    for (size_t i = 0; i < ARRAY_COUNT(shed); i++) {
        peer_deinit(&shed[i]);
    }
}

static void test_without_the_reserve_it_rests_and_recovers(void **state)
{
    (void)state;
    struct peer peer;
    (void)close(listener.reserve_fd); /* somebody took it */
    listener.reserve_fd = -1;
    peer_connect(&peer, loop, listener.port, 0);
    const struct rlimit before = forbid_descriptors();
    while (!listener.is_resting) {
        peer_wait(loop);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    peer_send(&peer, STR("at last"));
    peer_await(&peer, "at last", 1);
    assert_true(listener.reserve_fd >= 0);
    peer_deinit(&peer);
}

static void test_closing_takes_what_is_queued(void **state)
{
    (void)state;
    struct peer peer;
    peer_connect(&peer, loop, listener.port, 0); /* the kernel has accepted, we have not */
    listener_close(&listener, on_closed, &listener_closed_count);
    assert_int_equal(listener_closed_count, 0);
    assert_int_equal(accepted_count, 1);
    peer_send(&peer, STR("late"));
    peer_await(&peer, "late", 1);
    peer_deinit(&peer);
}

static void test_closing_while_it_rests(void **state)
{
    (void)state;
    struct peer peer;
    (void)close(listener.reserve_fd);
    listener.reserve_fd = -1;
    peer_connect(&peer, loop, listener.port, 0);
    const struct rlimit before = forbid_descriptors();
    while (!listener.is_resting) {
        peer_wait(loop);
    }
    listener_close(&listener, on_closed, &listener_closed_count);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    peer_await_u64(loop, &listener_closed_count, 1);
    peer_deinit(&peer);
}

static void test_metrics_name_the_listener(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_create();
    struct buf text;
    struct peer peer;
    assert_non_null(metrics);
    assert_int_equal(listener_register_metrics(&listener, metrics), 0);
    peer_connect(&peer, loop, listener.port, 0);
    peer_send(&peer, STR("12345"));
    peer_await(&peer, "12345", 1);
    buf_init(&text, 1 << 20);
    render_metrics(metrics, METRICS_TEXT_0_0_4, &text);
    buf_append_char(&text, '\0');
    assert_non_null(strstr(text.data, "{listener=\"test\"} 5\n"));
    buf_deinit(&text);
    metrics_destroy(metrics);
    peer_deinit(&peer);
}

#define WITH_LISTENER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LISTENER(test_a_free_port_is_named_and_taken),
        WITH_LISTENER(test_it_accepts_and_serves),
        WITH_LISTENER(test_above_the_limit_it_closes),
        WITH_LISTENER(test_descriptors_that_are_kept_are_not_taken),
        WITH_LISTENER(test_no_more_than_its_share_of_the_descriptors),
        WITH_LISTENER(test_without_descriptors_it_sheds_and_recovers),
        WITH_LISTENER(test_without_the_reserve_it_rests_and_recovers),
        WITH_LISTENER(test_closing_takes_what_is_queued),
        WITH_LISTENER(test_closing_while_it_rests),
        WITH_LISTENER(test_metrics_name_the_listener),
    };
    return cmocka_run_group_tests_name("listener", tests, NULL, NULL);
}
