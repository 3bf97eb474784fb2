/* SPDX-License-Identifier: MIT
 *
 * test_conn.c - one connection over a socket pair: bytes both ways, a peer that does not read, the
 * ways to end, and memory that runs out: conn.c is included, with allocations that fail on demand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "test/unit/support/failing_alloc.h"
#define malloc  failing_malloc
#define realloc failing_realloc
#include "core/base/quota.c"
#include "core/loop/conn.c"
#undef malloc
#undef realloc

#include "test/unit/support/peer.h"

#define LONG_MS   600000 /* does not pass in a test */
#define BIG_BYTES (4u << 20)

/* What the protocol does in a callback. */
enum reaction { REACT_NOT, REACT_FINISH, REACT_CLOSE };

struct side {
    struct conn *conn;
    struct buf in;
    uint64_t ended;
    uint64_t drained;
    uint64_t timeouts;
    uint64_t fins;
    uint64_t closed;
    int end_status;
    enum reaction on_data;
    enum reaction on_end;
    enum reaction on_drained;
    enum reaction on_timeout;
    bool is_echo;
};

static struct loop *loop;
static struct conn_set set;
static struct conn_stats stats;
static struct side side;
static struct peer peer;
static uv_async_t keep; /* a loop with nothing but a paused connection would not turn */

static void react(struct conn *conn, enum reaction reaction)
{
    if (reaction == REACT_FINISH) {
        conn_finish(conn);
    } else if (reaction == REACT_CLOSE) {
        conn_close(conn);
    }
}

static void side_on_data(struct conn *conn, const char *data, size_t len)
{
    struct side *s = conn->ctx;
    buf_append(&s->in, data, len);
    if (s->is_echo) {
        assert_int_equal(conn_write(conn, data, len), 0);
    }
    react(conn, s->on_data);
}

static void side_on_end(struct conn *conn, int status)
{
    struct side *s = conn->ctx;
    s->ended++;
    s->end_status = status;
    react(conn, s->on_end);
}

static void side_on_fin(struct conn *conn)
{
    ((struct side *)conn->ctx)->fins++;
}

static void side_on_drained(struct conn *conn)
{
    struct side *s = conn->ctx;
    s->drained++;
    react(conn, s->on_drained);
}

static void side_on_timeout(struct conn *conn)
{
    struct side *s = conn->ctx;
    s->timeouts++;
    react(conn, s->on_timeout);
}

static void side_on_close(struct conn *conn)
{
    struct side *s = conn->ctx;
    s->closed++;
    s->conn = NULL;
}

static const struct conn_events side_events = {
    .on_data = side_on_data,
    .on_end = side_on_end,
    .on_fin = side_on_fin,
    .on_drained = side_on_drained,
    .on_timeout = side_on_timeout,
    .on_close = side_on_close,
};

static void make_tcp_pair(int *fds)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr *any = (struct sockaddr *)(void *)&addr;
    socklen_t len = sizeof(addr);
    const int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listening, any, len), 0);
    assert_int_equal(listen(listening, 1), 0);
    assert_int_equal(getsockname(listening, any, &len), 0);
    fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fds[1], any, len), 0);
    fds[0] = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    (void)close(listening);
}

static int setup_with(bool is_tcp)
{
    const struct sockaddr_storage nobody = {.ss_family = AF_UNSPEC};
    int fds[2];
    stats = (struct conn_stats){0};
    side = (struct side){.on_end = REACT_FINISH};
    buf_init(&side.in, 2 * BIG_BYTES);
    assert_int_equal(loop_create(&loop), 0);
    assert_int_equal(uv_async_init(loop_uv(loop), &keep, NULL), 0);
    assert_int_equal(conn_set_init(&set, loop, LONG_MS), 0);
    if (is_tcp) {
        make_tcp_pair(fds);
    } else {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    }
    assert_int_equal(conn_open(&set, fds[0], &nobody, &stats, &side.conn), 0);
    conn_attach(side.conn, &side_events, &side);
    peer_init(&peer, loop, fds[1]);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return setup_with(false);
}

static int setup_tcp(void **state)
{
    (void)state;
    return setup_with(true); /* only TCP has a state to look at */
}

static int teardown(void **state)
{
    (void)state;
    if (side.conn != NULL) {
        conn_close(side.conn);
    }
    peer_deinit(&peer);
    peer_turn(loop, 3);
    assert_int_equal(side.closed, 1);
    assert_int_equal(set.count, 0);
    assert_int_equal(stats.open, 0);
    conn_set_deinit(&set);
    uv_close((uv_handle_t *)&keep, NULL);
    loop_destroy(loop);
    buf_deinit(&side.in);
    return 0;
}

static void write_big(size_t len)
{
    static char block[65536];
    for (size_t done = 0; done < len; done += sizeof(block)) {
        for (size_t i = 0; i < sizeof(block); i++) {
            block[i] = (char)((done + i) % 251);
        }
        assert_int_equal(conn_write(side.conn, block, sizeof(block)), 0);
    }
}

static void assert_big(size_t len)
{
    assert_int_equal(peer.in.len, len);
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)peer.in.data[i] != i % 251) {
            fail_msg("byte %zu is wrong", i);
        }
    }
}

static void await_in(size_t len)
{
    const uint64_t end_ns = clock_now_ns() + PEER_PATIENCE_NS;
    for (peer_receive(&peer); peer.in.len < len; peer_receive(&peer)) {
        assert_true(clock_now_ns() < end_ns && !peer.has_ended);
        peer_wait(loop);
    }
}

/* --- bytes --- */

static void test_bytes_go_both_ways(void **state)
{
    (void)state;
    side.is_echo = true;
    peer_send(&peer, STR("hello"));
    peer_await(&peer, "hello", 1);
    assert_int_equal(conn_write(side.conn, " world", 6), 0); /* not inside a callback */
    assert_int_equal(conn_write(side.conn, NULL, 0), 0);
    peer_await(&peer, "hello world", 1);
    assert_int_equal(stats.received_bytes, 5);
    assert_int_equal(stats.sent_bytes, 11);
}

static void test_a_big_write_arrives_whole(void **state)
{
    (void)state;
    write_big(BIG_BYTES);
    await_in(BIG_BYTES);
    assert_big(BIG_BYTES);
    assert_int_equal(stats.sent_bytes, BIG_BYTES);
}

static void test_a_peer_that_does_not_read_clogs(void **state)
{
    (void)state;
    assert_false(conn_is_clogged(side.conn));
    write_big(BIG_BYTES);
    assert_true(conn_is_clogged(side.conn));
    peer_turn(loop, 5);
    assert_true(conn_is_clogged(side.conn));
    assert_int_equal(side.drained, 0);
    await_in(BIG_BYTES);
    peer_await_u64(loop, &side.drained, 1);
    assert_false(conn_is_clogged(side.conn));
    assert_big(BIG_BYTES);
}

static void test_a_clog_that_goes_in_one_turn_is_told_too(void **state)
{
    (void)state;
    const int big = 2 << 20;
    uv_os_fd_t fd;
    assert_int_equal(uv_fileno((uv_handle_t *)&side.conn->tcp, &fd), 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
    write_big(CONN_HIGH_BYTES + 65536);
    assert_true(conn_is_clogged(side.conn));
    peer_await_u64(loop, &side.drained, 1);
}

static void test_pause_and_resume(void **state)
{
    (void)state;
    conn_pause(side.conn);
    conn_pause(side.conn);
    peer_send(&peer, STR("early"));
    peer_turn(loop, 5);
    assert_int_equal(side.in.len, 0);
    conn_resume(side.conn);
    conn_resume(side.conn);
    peer_turn(loop, 2);
    assert_int_equal(side.in.len, 5);
}

/* --- the end --- */

static void test_finish_writes_all_then_drains_the_peer(void **state)
{
    (void)state;
    write_big(BIG_BYTES);
    conn_finish(side.conn);
    conn_finish(side.conn);
    assert_false(conn_is_open(side.conn));
    assert_int_equal(conn_write(side.conn, "late", 4), 0); /* dropped */
    peer_send(&peer, STR("this is not read"));
    await_in(BIG_BYTES);
    peer_await_end(&peer);
    assert_int_equal(peer.error, 0); /* FIN, not RST */
    assert_big(BIG_BYTES);
    assert_int_equal(side.closed, 0); /* it lingers */
    assert_int_equal(side.in.len, 0);
    (void)shutdown(peer.fd, SHUT_WR);
    peer_await_u64(loop, &side.closed, 1);
    assert_int_equal(side.ended, 0);
}

static void test_a_lingering_connection_ends_by_itself(void **state)
{
    (void)state;
    conn_finish(side.conn);
    peer_await_end(&peer);
    peer_await_u64(loop, &side.closed, 1);
}

static void test_the_peers_end_is_told_once(void **state)
{
    (void)state;
    peer_send(&peer, STR("last words"));
    (void)shutdown(peer.fd, SHUT_WR);
    side.on_end = REACT_NOT;
    peer_await_u64(loop, &side.ended, 1);
    assert_int_equal(side.end_status, UV_EOF);
    assert_int_equal(side.in.len, 10);
    assert_int_equal(conn_write(side.conn, "answer", 6), 0); /* it may still read */
    peer_await(&peer, "answer", 1);
    conn_resume(side.conn);
    peer_turn(loop, 5);
    assert_int_equal(side.ended, 1);
    conn_finish(side.conn);
    peer_await_u64(loop, &side.closed, 1);
}

static void test_a_fin_behind_unread_bytes_is_told_once(void **state)
{
    (void)state;
    side.on_end = REACT_NOT;
    peer_send(&peer, STR("unread"));
    conn_pause(side.conn);
    (void)shutdown(peer.fd, SHUT_WR);
    peer_await_u64(loop, &side.fins, 1);
    on_watch(&side.conn->watch_timer);
    assert_int_equal(side.fins, 1);
    assert_int_equal(side.ended, 0);
    conn_resume(side.conn);
    peer_await_u64(loop, &side.ended, 1);
    assert_int_equal(side.end_status, UV_EOF);
    assert_int_equal(side.in.len, 6);
}

static void test_a_reset_behind_unread_bytes_ends_it(void **state)
{
    (void)state;
    peer_send(&peer, STR("unread"));
    conn_pause(side.conn);
    peer_reset(&peer);
    peer_await_u64(loop, &side.closed, 1);
    assert_int_equal(side.ended, 1);
    assert_int_equal(side.end_status, UV_ECONNRESET);
    assert_int_equal(side.in.len, 0);
}

static void test_a_reset_behind_the_peers_end_closes_it(void **state)
{
    (void)state;
    side.on_end = REACT_NOT;
    (void)shutdown(peer.fd, SHUT_WR);
    peer_await_u64(loop, &side.ended, 1);
    peer_reset(&peer);
    peer_await_u64(loop, &side.closed, 1);
    assert_int_equal(side.ended, 1);
}

static void test_finish_in_on_end_sends_what_is_queued(void **state)
{
    (void)state;
    write_big(BIG_BYTES);
    (void)shutdown(peer.fd, SHUT_WR);
    peer_await_u64(loop, &side.ended, 1);
    await_in(BIG_BYTES);
    peer_await_end(&peer);
    peer_await_u64(loop, &side.closed, 1);
    assert_big(BIG_BYTES);
}

static void test_a_peer_that_is_gone_while_we_write(void **state)
{
    (void)state;
    write_big(BIG_BYTES);
    peer_turn(loop, 2);
    peer_deinit(&peer);
    peer_await_u64(loop, &side.closed, 1);
    assert_int_equal(side.ended, 1);
    assert_true(side.end_status < 0);
}

static void test_a_peer_that_is_gone_after_finish(void **state)
{
    (void)state;
    write_big(BIG_BYTES);
    conn_finish(side.conn);
    peer_turn(loop, 2);
    peer_deinit(&peer);
    peer_await_u64(loop, &side.closed, 1);
    assert_int_equal(side.ended, 0); /* no event but on_close follows */
}

static void test_close_loses_what_is_queued_and_runs_no_event(void **state)
{
    (void)state;
    write_big(BIG_BYTES);
    peer_turn(loop, 2); /* a write is under way */
    conn_close(side.conn);
    conn_close(side.conn);
    conn_finish(side.conn);
    conn_resume(side.conn);
    conn_set_timeout(side.conn, 1);
    assert_int_equal(conn_write(side.conn, "late", 4), 0);
    assert_int_equal(side.closed, 0); /* never from inside the call */
    peer_turn(loop, 2);
    assert_int_equal(side.closed, 1);
    assert_int_equal(side.ended + side.drained + side.timeouts, 0);
}

static void test_close_in_each_callback(void **state)
{
    (void)state;
    side.on_data = REACT_CLOSE;
    side.is_echo = true;
    peer_send(&peer, STR("x"));
    peer_await_u64(loop, &side.closed, 1);
    (void)teardown(state);

    (void)setup(state);
    side.on_end = REACT_CLOSE;
    (void)shutdown(peer.fd, SHUT_WR);
    peer_await_u64(loop, &side.closed, 1);
    (void)teardown(state);

    (void)setup(state);
    side.on_drained = REACT_CLOSE;
    write_big(BIG_BYTES);
    assert_true(conn_is_clogged(side.conn));
    await_in(BIG_BYTES - CONN_LOW_BYTES);
    peer_await_u64(loop, &side.closed, 1);
    (void)teardown(state);

    (void)setup(state);
    side.on_timeout = REACT_CLOSE;
    conn_set_timeout(side.conn, 1);
    peer_await_u64(loop, &side.closed, 1);
    assert_int_equal(side.timeouts, 1);
}

static void test_finish_in_on_data_answers_first(void **state)
{
    (void)state;
    side.on_data = REACT_FINISH;
    side.is_echo = true;
    peer_send(&peer, STR("bye"));
    peer_await_end(&peer);
    assert_true(peer_has(&peer, "bye"));
    assert_int_equal(peer.error, 0);
}

static void test_finish_in_on_drained(void **state)
{
    (void)state;
    side.on_drained = REACT_FINISH;
    write_big(BIG_BYTES);
    assert_true(conn_is_clogged(side.conn));
    await_in(BIG_BYTES);
    peer_await_end(&peer);
    assert_big(BIG_BYTES);
}

/* --- timeouts --- */

static void test_a_timeout_can_be_unset(void **state)
{
    (void)state;
    conn_set_timeout(side.conn, 1);
    conn_set_timeout(side.conn, 0);
    conn_set_timeout(side.conn, 1);
    peer_await_u64(loop, &side.timeouts, 1);
    conn_set_timeout(side.conn, 1);
    conn_finish(side.conn); /* takes the timer for lingering */
    peer_await_u64(loop, &side.closed, 1);
    assert_int_equal(side.timeouts, 1);
}

static void test_a_stalled_write_ends_it(void **state)
{
    (void)state;
    set.write_timeout_ms = 1;
    write_big(BIG_BYTES);
    peer_await_u64(loop, &side.closed, 1);
    assert_int_equal(side.ended, 1);
    assert_int_equal(side.end_status, UV_ETIMEDOUT);
    assert_int_equal(stats.write_timeouts, 1);
}

static void test_a_stalled_write_ends_it_after_finish_too(void **state)
{
    (void)state;
    set.write_timeout_ms = 1;
    write_big(BIG_BYTES);
    conn_finish(side.conn);
    peer_await_u64(loop, &side.closed, 1);
    assert_int_equal(side.ended, 0);
    assert_int_equal(stats.write_timeouts, 1);
}

/* --- many, and memory --- */

static void on_empty(void *arg)
{
    ++*(uint64_t *)arg;
}

static void test_close_all_and_the_last_one(void **state)
{
    (void)state;
    uint64_t empty_count = 0;
    set.on_empty = on_empty;
    set.on_empty_arg = &empty_count;
    assert_int_equal(conn_set_close_all(&set), 1);
    assert_int_equal(empty_count, 0);
    peer_await_u64(loop, &empty_count, 1);
}

static void test_a_socket_that_is_none_is_refused(void **state)
{
    (void)state;
    const struct sockaddr_storage nobody = {.ss_family = AF_UNSPEC};
    struct conn *conn = NULL;
    assert_true(conn_open(&set, -1, &nobody, &stats, &conn) < 0);
    assert_null(conn);
    allocations_left = 0;
    assert_int_equal(conn_open(&set, dup(peer.fd), &nobody, &stats, &conn), UV_ENOMEM);
    struct conn_set poor;
    assert_int_equal(conn_set_init(&poor, loop, 1), UV_ENOMEM);
    allocations_left = SIZE_MAX;
    assert_null(conn);
}

static void test_without_memory_a_write_that_must_wait_ends_it(void **state)
{
    (void)state;
    write_big(BIG_BYTES);
    allocations_left = 0;
    peer_await_u64(loop, &side.ended, 1);
    allocations_left = SIZE_MAX;
    assert_int_equal(side.end_status, UV_ENOMEM);
    peer_await_u64(loop, &side.closed, 1);
}

static void test_addresses(void **state)
{
    (void)state;
    char text[CONN_PEER_BYTES];
    struct sockaddr_storage addr = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&addr;
    *in = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(80), .sin_addr = {htonl(0x7F000001)}};
    side.conn->peer = address_of(&addr);
    conn_format_peer(side.conn, text);
    assert_string_equal(text, "127.0.0.1:80");
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&addr;
    *in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(65535)};
    memset(&in6->sin6_addr, 0xFE, sizeof(in6->sin6_addr));
    side.conn->peer = address_of(&addr);
    conn_format_peer(side.conn, text);
    assert_string_equal(text, "[fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe]:65535");
}

#define WITH_CONN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define WITH_TCP(test)  cmocka_unit_test_setup_teardown(test, setup_tcp, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CONN(test_bytes_go_both_ways),
        WITH_CONN(test_a_big_write_arrives_whole),
        WITH_CONN(test_a_peer_that_does_not_read_clogs),
        WITH_CONN(test_a_clog_that_goes_in_one_turn_is_told_too),
        WITH_CONN(test_pause_and_resume),
        WITH_CONN(test_finish_writes_all_then_drains_the_peer),
        WITH_CONN(test_a_lingering_connection_ends_by_itself),
        WITH_CONN(test_the_peers_end_is_told_once),
        WITH_TCP(test_a_fin_behind_unread_bytes_is_told_once),
        WITH_TCP(test_a_reset_behind_unread_bytes_ends_it),
        WITH_TCP(test_a_reset_behind_the_peers_end_closes_it),
        WITH_CONN(test_finish_in_on_end_sends_what_is_queued),
        WITH_CONN(test_a_peer_that_is_gone_while_we_write),
        WITH_CONN(test_a_peer_that_is_gone_after_finish),
        WITH_CONN(test_close_loses_what_is_queued_and_runs_no_event),
        WITH_CONN(test_close_in_each_callback),
        WITH_CONN(test_finish_in_on_data_answers_first),
        WITH_CONN(test_finish_in_on_drained),
        WITH_CONN(test_a_timeout_can_be_unset),
        WITH_CONN(test_a_stalled_write_ends_it),
        WITH_CONN(test_a_stalled_write_ends_it_after_finish_too),
        WITH_CONN(test_close_all_and_the_last_one),
        WITH_CONN(test_a_socket_that_is_none_is_refused),
        WITH_CONN(test_without_memory_a_write_that_must_wait_ends_it),
        WITH_CONN(test_addresses),
    };
    return cmocka_run_group_tests_name("conn", tests, NULL, NULL);
}
