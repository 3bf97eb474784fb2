/* SPDX-License-Identifier: MIT
 *
 * test_wait.c - handlers that return without an answer: seen waiting, gone on with, forgotten.
 *
 * Tests: core/http/forgotten.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/base/clock.h"
#include "core/http/forgotten.h"
#include "test/unit/support/http_fixture.h"

static struct http_fixture f;
static struct peer peer;
static struct task_ref ref;
static uint64_t handled_count;
static unsigned resumed_count;

/* Says nothing of what it waits for. */
static void handle_silent(struct http_request *req, void *arg)
{
    (void)arg;
    handled_count++;
    ref = http_ref(req);
}

static void handle_waiting(struct http_request *req, void *arg)
{
    (void)arg;
    handled_count++;
    ref = http_wait(req, "bell");
}

static int setup(void **state)
{
    (void)state;
    const struct http_limits limits = http_fixture_limits();
    handled_count = 0;
    resumed_count = 0;
    http_fixture_init(&f);
    assert_int_equal(router_add(f.router, METHOD_GET, "/silent", handle_silent, NULL, 0), 0);
    assert_int_equal(router_add(f.router, METHOD_GET, "/waiting", handle_waiting, NULL, 0), 0);
    http_fixture_open(&f, &limits);
    peer_connect(&peer, f.loop, f.server.listener.port, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    peer_deinit(&peer);
    http_fixture_deinit(&f);
    return 0;
}

static void ask(const char *path)
{
    char text[128];
    const int len = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    peer_send(&peer, (struct str){text, (size_t)len});
    peer_await_u64(f.loop, &handled_count, 1);
}

/* facts are what others see of the request. */
static struct task_facts facts(void)
{
    struct http_request *req = http_from_ref(ref);
    assert_non_null(req);
    const struct task_facts copy = task_get_facts(&req->task);
    http_release(req);
    return copy;
}

static size_t forgotten_after_ms(uint64_t ms)
{
    return forgotten_look(clock_now_ns() + ms * NS_PER_MS);
}

static void go_on(struct http_request *req, void *arg)
{
    assert_ptr_equal(arg, &resumed_count);
    assert_ptr_equal(task_current(), &req->task);
    assert_string_equal(req->task.state, "running");
    resumed_count++;
    if (resumed_count == 2) {
        http_respond_text(req, 200, "rung twice\n");
    }
}

static void test_one_that_is_silent_waits_in_its_handler(void **state)
{
    (void)state;
    ask("/silent");
    const struct task_facts seen = facts();
    assert_string_equal(seen.state, "waiting");
    assert_int_equal(seen.await_depth, 1);
    assert_ptr_equal((const char *)seen.await_stack[0] - 1, seen.handler);
    assert_true(http_resume(ref, go_on, &resumed_count));
    assert_string_equal(facts().state, "waiting");
    assert_true(http_resume(ref, go_on, &resumed_count));
    peer_await(&peer, "rung twice", 1);
}

static void test_one_that_says_what_it_waits_for(void **state)
{
    (void)state;
    ask("/waiting");
    assert_string_equal(facts().state, "bell");
    assert_true(http_resume(ref, go_on, &resumed_count));
    assert_true(http_resume(ref, go_on, &resumed_count));
    peer_await(&peer, "rung twice", 1);
    assert_false(http_resume(ref, go_on, &resumed_count)); /* it has ended */
    assert_int_equal(resumed_count, 2);
}

static void test_one_that_was_cancelled_does_not_go_on(void **state)
{
    (void)state;
    ask("/waiting");
    struct http_request *req = http_from_ref(ref);
    assert_non_null(req);
    task_cancel(&req->task, UV_ETIMEDOUT);
    assert_true(http_is_cancelled(req));
    assert_false(http_resume(ref, go_on, &resumed_count));
    http_release(req); /* which ends it */
    assert_int_equal(task_count(), 0);
    assert_int_equal(resumed_count, 0);
}

static void test_one_that_is_silent_is_forgotten_in_the_end(void **state)
{
    (void)state;
    ask("/silent");
    assert_int_equal(forgotten_after_ms(FORGOTTEN_AFTER_MS - 1000), 0);
    assert_int_equal(forgotten_after_ms(FORGOTTEN_AFTER_MS), 1);
    struct http_request *req = http_from_ref(ref);
    assert_int_equal(forgotten_after_ms(FORGOTTEN_AFTER_MS), 1); /* to hold is not to wake */
    assert_true(req->is_forgotten);
    http_release(req);
    assert_string_equal(facts().state, "waiting");
    assert_int_equal(forgotten_after_ms(2 * FORGOTTEN_AFTER_MS), 1); /* counted on, told of once */
    req = http_from_ref(ref);
    http_respond_text(req, 200, "after all\n");
    http_release(req);
    assert_int_equal(forgotten_after_ms(FORGOTTEN_AFTER_MS), 0);
}

static void test_one_that_waits_for_something_is_not(void **state)
{
    (void)state;
    ask("/waiting");
    assert_int_equal(forgotten_after_ms(2 * FORGOTTEN_AFTER_MS), 0);
    assert_true(http_resume(ref, go_on, &resumed_count));
    assert_int_equal(forgotten_after_ms(2 * FORGOTTEN_AFTER_MS), 1); /* go_on waited for nothing */
}

static bool is_leaked(void)
{
    const struct task_facts seen = facts();
    return task_is_leaked(&seen);
}

static void test_one_whose_waker_is_gone_is_leaked(void **state)
{
    (void)state;
    ask("/waiting");
    struct http_request *req = http_from_ref(ref);
    (void)http_wait(req, "gong");
    http_release(req);
    http_unwait(ref);
    assert_false(is_leaked()); /* one is left */
    http_unwait(ref);
    assert_true(is_leaked());
    http_unwait(ref); /* harmless */
    assert_true(http_resume(ref, go_on, &resumed_count));
    assert_true(http_resume(ref, go_on, &resumed_count));
    http_unwait(ref); /* it has ended */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_one_that_is_silent_waits_in_its_handler),
        TEST(test_one_that_says_what_it_waits_for),
        TEST(test_one_that_was_cancelled_does_not_go_on),
        TEST(test_one_that_is_silent_is_forgotten_in_the_end),
        TEST(test_one_that_waits_for_something_is_not),
        TEST(test_one_whose_waker_is_gone_is_leaked),
    };
    return cmocka_run_group_tests_name("wait", tests, NULL, NULL);
}
