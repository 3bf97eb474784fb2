/* SPDX-License-Identifier: MIT
 *
 * test_offload.c - work on threads: done on the loop, called off with its request, refused by a
 * full pool.
 *
 * Tests: core/http/respond.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "core/http/offload.h"
#include "test/unit/support/http_fixture.h"

static struct http_fixture f;
static struct peer peer;
static struct pool *pool;
static pthread_t loop_thread;
static atomic_bool may_work;
static atomic_uint worked;
static unsigned done_count;
static int done_status;
static int offload_status;
static struct task_ref ref;

static void work(void *arg)
{
    bool *was_elsewhere = arg;
    while (!may_work) {
    }
    *was_elsewhere = pthread_equal(pthread_self(), loop_thread) == 0;
    worked++;
}

static void on_worked(struct http_request *req, void *arg, int status)
{
    const bool *was_elsewhere = arg;
    done_count++;
    done_status = status;
    http_respond_text(req, 200, "%s on another thread\n", *was_elsewhere ? "worked" : "not");
}

static void handle(struct http_request *req, void *arg)
{
    bool *was_elsewhere = arena_alloc(&req->arena, sizeof(*was_elsewhere));
    (void)arg;
    *was_elsewhere = false;
    ref = http_ref(req);
    offload_status = http_offload(req, pool, work, on_worked, was_elsewhere);
    if (offload_status < 0) {
        http_fail(req, offload_status);
        return;
    }
    assert_string_equal(req->task.state, "offload");
}

static int setup(void **state)
{
    (void)state;
    const struct http_limits limits = http_fixture_limits();
    const struct pool_options options = {
        .name = "toq-test", .kind = "test", .threads = 1, .queue_max = 1};
    loop_thread = pthread_self();
    may_work = true;
    worked = 0;
    done_count = 0;
    assert_int_equal(pool_create(&options, &pool), 0);
    http_fixture_init(&f);
    assert_int_equal(router_add(f.router, METHOD_GET, "/work", handle, NULL, 0), 0);
    http_fixture_open(&f, &limits);
    peer_connect(&peer, f.loop, f.server.listener.port, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    may_work = true;
    peer_deinit(&peer);
    assert_true(pool_destroy(pool, UINT32_MAX));
    http_fixture_deinit(&f);
    return 0;
}

#define GET_WORK "GET /work HTTP/1.1\r\nHost: a\r\n\r\n"

static void turn_until(bool (*is_true)(void))
{
    while (!is_true()) {
        (void)uv_run(loop_uv(f.loop), UV_RUN_ONCE);
    }
}

static void test_the_answer_comes_behind_the_work(void **state)
{
    (void)state;
    peer_send(&peer, STR(GET_WORK));
    peer_await(&peer, "worked on another thread\n", 1);
    assert_int_equal(done_count, 1);
    assert_int_equal(done_status, 0);
}

static bool is_started(void)
{
    return ref.id != 0 && pool_get_stats(pool).running == 1;
}

static bool is_done(void)
{
    return done_count > 0;
}

static bool is_refused(void)
{
    return offload_status != 0;
}

static void test_a_cancelled_request_is_held_until_the_work_is_done(void **state)
{
    (void)state;
    may_work = false;
    ref = (struct task_ref){0};
    peer_send(&peer, STR(GET_WORK));
    turn_until(is_started);
    struct http_request *req = http_from_ref(ref);
    assert_non_null(req);
    task_cancel(&req->task, UV_ECANCELED);
    http_release(req);
    assert_int_equal(done_count, 0);
    may_work = true;
    turn_until(is_done);
    assert_int_equal(done_status, UV_ECANCELED);
    assert_int_equal(worked, 1);
    assert_null(http_from_ref(ref));
    peer_await(&peer, "HTTP/1.1 503 ", 1);
}

/* One that works, one that waits for the thread, and one too many. */
static void test_what_waits_is_called_off_and_a_full_pool_refuses(void **state)
{
    (void)state;
    struct peer waiting;
    struct peer refused;
    may_work = false;
    ref = (struct task_ref){0};
    peer_send(&peer, STR(GET_WORK));
    turn_until(is_started);
    peer_connect(&waiting, f.loop, f.server.listener.port, 0);
    peer_connect(&refused, f.loop, f.server.listener.port, 0);
    const struct task_ref first = ref;
    peer_send(&waiting, STR(GET_WORK));
    while (ref.id == first.id) {
        (void)uv_run(loop_uv(f.loop), UV_RUN_ONCE);
    }
    const struct task_ref second = ref;
    peer_send(&refused, STR(GET_WORK));
    turn_until(is_refused);
    assert_int_equal(offload_status, UV_EBUSY);
    peer_await(&refused, "503 Service Unavailable: the server is busy\n", 1);
    struct http_request *req = http_from_ref(second);
    assert_non_null(req);
    task_cancel(&req->task, UV_ECANCELED);
    http_release(req);
    turn_until(is_done);
    assert_int_equal(done_status, UV_ECANCELED);
    assert_int_equal(worked, 0);
    may_work = true;
    peer_await(&peer, "worked on another thread\n", 1);
    assert_int_equal(worked, 1);
    peer_deinit(&waiting);
    peer_deinit(&refused);
}

#define OFFLOAD_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OFFLOAD_TEST(test_the_answer_comes_behind_the_work),
        OFFLOAD_TEST(test_a_cancelled_request_is_held_until_the_work_is_done),
        OFFLOAD_TEST(test_what_waits_is_called_off_and_a_full_pool_refuses),
    };
    return cmocka_run_group_tests_name("offload", tests, NULL, NULL);
}
