/* SPDX-License-Identifier: MIT
 *
 * test_budget.c - what is cut when all is used, who hears that memory is there again, and a malloc
 * that fails.
 *
 * The budget's look is called, not waited for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <sys/socket.h>
#include <unistd.h>

#include "core/loop/budget.h"
#include "test/unit/support/peer.h"

#define LONG_MS    600000
#define CONN_COUNT 3

static struct budget budget;
static struct loop *loop;
static struct conn_set set;
static struct conn_stats stats;
static struct conn *conns[CONN_COUNT];
static int peers[CONN_COUNT];
static size_t held[CONN_COUNT];
static uint64_t moved[CONN_COUNT];
static int eased;

static size_t index_of(const struct conn *conn)
{
    return (size_t)((struct conn **)conn->ctx - conns);
}

static void on_data(struct conn *conn, const char *data, size_t len)
{
    (void)conn;
    (void)data;
    (void)len;
}

static void on_end(struct conn *conn, int status)
{
    (void)status;
    conn_close(conn);
}

static void on_event(struct conn *conn)
{
    (void)conn;
}

static void on_close(struct conn *conn)
{
    conns[index_of(conn)] = NULL;
}

static struct conn_weight weigh(const struct conn *conn)
{
    return (struct conn_weight){held[index_of(conn)], moved[index_of(conn)]};
}

static void on_eased(struct conn *conn)
{
    (void)conn;
    eased++;
}

static const struct conn_events events = {
    .on_data = on_data,
    .on_end = on_end,
    .on_drained = on_event,
    .on_timeout = on_event,
    .on_close = on_close,
    .weigh = weigh,
    .on_eased = on_eased,
};

static int set_up(void **state)
{
    const struct sockaddr_storage nobody = {.ss_family = AF_UNSPEC};
    (void)state;
    eased = 0;
    stats = (struct conn_stats){0};
    assert_int_equal(loop_create(&loop), 0);
    assert_int_equal(conn_set_init(&set, loop, LONG_MS), 0);
    budget_init(&budget, BUDGET_MIN_BYTES);
    set.quota = &budget.traffic;
    set.pool.quota = &budget.traffic;
    budget_start(&budget, loop, &set);
    for (size_t i = 0; i < CONN_COUNT; i++) {
        int fds[2];
        held[i] = 0;
        moved[i] = 0;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
                         0);
        assert_int_equal(conn_open(&set, fds[0], &nobody, &stats, &conns[i]), 0);
        conn_attach(conns[i], &events, &conns[i]);
        peers[i] = fds[1];
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    budget_stop(&budget);
    (void)conn_set_close_all(&set);
    peer_turn(loop, 3);
    for (size_t i = 0; i < CONN_COUNT; i++) {
        (void)close(peers[i]);
    }
    conn_set_deinit(&set);
    loop_destroy(loop);
    return 0;
}

/* fill charges so much that so many percent of what traffic may have are in use. */
static size_t fill(size_t percent)
{
    const size_t used = budget.traffic.used_bytes + atomic_load(&budget.pool.foreign_bytes);
    const size_t wanted = budget.traffic.limits[QUOTA_NORMAL] / 100 * percent;
    const size_t more = wanted > used ? wanted - used : 0;
    assert_true(quota_take(&budget.traffic, more, QUOTA_FORCED));
    return more;
}

static void look(int count)
{
    for (int i = 0; i < count; i++) {
        budget_tick(&budget);
        peer_turn(loop, 2);
    }
}

static void test_at_ease_nobody_is_cut(void **state)
{
    (void)state;
    held[0] = 1 << 20;
    look(5);
    assert_int_equal(budget.cut, 0);
    const size_t charged = fill(90);
    look(5);
    assert_int_equal(quota_level(&budget.traffic), QUOTA_TIGHT);
    assert_int_equal(budget.cut, 0);
    quota_release(&budget.traffic, charged);
}

static void test_those_that_hold_most_are_cut(void **state)
{
    (void)state;
    held[0] = 1 << 20;
    held[1] = 32 << 20; /* enough for all */
    held[2] = 2 << 20;
    const size_t charged = fill(100);
    look(1);
    assert_int_equal(budget.cut, 0); /* perhaps they move */
    look(1);
    assert_int_equal(budget.cut, 1);
    assert_null(conns[1]);
    assert_non_null(conns[0]);
    assert_non_null(conns[2]);
    quota_release(&budget.traffic, charged);
}

static void test_what_moves_is_not_cut(void **state)
{
    (void)state;
    held[0] = 32 << 20;
    const size_t charged = fill(100);
    for (int i = 0; i < 5; i++) {
        moved[0] += 65536;
        look(1);
    }
    assert_int_equal(budget.cut, 0);
    conn_set_vital(conns[0]);
    look(5);
    assert_int_equal(budget.cut, 0); /* diagnostics, too */
    quota_release(&budget.traffic, charged);
}

static void test_who_waits_hears_of_it(void **state)
{
    (void)state;
    const size_t charged = fill(90);
    look(1);
    assert_int_equal(eased, 0);
    quota_release(&budget.traffic, charged);
    look(1);
    assert_int_equal(quota_level(&budget.traffic), QUOTA_EASY);
    assert_int_equal(eased, CONN_COUNT);
    assert_int_equal(budget.tight_count, 1);
}

static void test_a_malloc_that_fails(void **state)
{
    (void)state;
    assert_non_null(budget.kept);
    assert_true(quota_note_short(&budget.traffic));
    assert_null(budget.kept); /* what was kept may be had now */
    assert_int_equal(quota_level(&budget.traffic), QUOTA_FULL);
    look(10);
    assert_int_equal(quota_level(&budget.traffic), QUOTA_EASY);
    assert_non_null(budget.kept);
    assert_int_equal(budget.short_count, 1);
}

static void test_a_share_shrinks(void **state)
{
    (void)state;
    assert_int_equal(conn_share(conns[0]), CONN_OUTPUT_MAX_BYTES);
    assert_true(conn_may_queue(conns[0], 0, 8 << 20));
    size_t charged = fill(90);
    look(1);
    assert_in_range(conn_share(conns[0]), CONN_SHARE_MIN_BYTES, 1 << 20);
    assert_true(conn_may_queue(conns[0], 0, CONN_SHARE_MIN_BYTES));
    assert_false(conn_may_queue(conns[0], 1 << 20, CONN_SHARE_MIN_BYTES));
    assert_false(conn_may_queue(conns[0], 0, 4 << 20));
    charged += fill(100);
    look(1);
    assert_int_equal(conn_share(conns[0]), OUTQ_BLOCK_BYTES);
    assert_int_equal(conn_write(conns[0], "503", 3), 0); /* from the reserve */
    conn_set_vital(conns[1]);
    assert_true(conn_may_queue(conns[1], 0, 8 << 20));
    quota_release(&budget.traffic, charged);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_at_ease_nobody_is_cut), TEST(test_those_that_hold_most_are_cut),
        TEST(test_what_moves_is_not_cut), TEST(test_who_waits_hears_of_it),
        TEST(test_a_malloc_that_fails),   TEST(test_a_share_shrinks),
    };
    return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
