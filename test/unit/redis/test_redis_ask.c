/* SPDX-License-Identifier: MIT
 *
 * test_redis_ask.c - commands for a task: each callback once, whatever ends them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/redis/redis_ask.h"
#include "test/unit/redis/redis_client.h"
#include "test/unit/support/task_rig.h"

struct brought {
    int done_count;
    int status;
    int64_t integer;
    struct task *current;
};

static struct task task;

static int start_task(void **state)
{
    const int rc = set_up(state);
    task_rig_start(&task, NULL);
    return rc;
}

static int end_task(void **state)
{
    task_end(&task);
    assert_true(task_rig.is_freed);
    return tear_down(state);
}

static void on_asked(void *arg, int status, const struct redis_reply *reply)
{
    struct brought *brought = arg;
    brought->done_count++;
    brought->status = status;
    brought->integer = reply == NULL ? -1 : reply->integer;
    brought->current = task_current();
}

static void ask(struct task_ref ref, struct brought *brought)
{
    char key[] = "key"; /* copied */
    redis_ask(
        redis, ref,
        &(struct redis_command){.args = (struct str[]){STR("INCR"), str_from(key)}, .count = 2},
        on_asked, brought);
    key[0] = 'x';
}

static void test_an_ask(void **state)
{
    (void)state;
    struct brought brought = {0};
    connect_client(&no_options);
    fake.log[0] = '\0';
    ask(task_make_ref(&task), &brought);
    assert_string_equal(task.state, "redis");
    assert_int_equal(task.holds, 1);
    turn_until(loop, &fake.commands, 1);
    assert_string_equal(fake.log, "INCR key|");
    fake_say(&fake, ":41\r\n");
    turn_until(loop, &brought.done_count, 1);
    assert_int_equal(brought.status, 0);
    assert_int_equal(brought.integer, 41);
    assert_ptr_equal(brought.current, &task);
    assert_int_equal(task.holds, 0);
}

static void test_a_refusal_is_told_later(void **state)
{
    (void)state;
    struct brought brought = {0};
    open_client(&no_options); /* not connected yet */
    ask(task_make_ref(&task), &brought);
    assert_int_equal(brought.done_count, 0);
    turn_until(loop, &brought.done_count, 1);
    assert_int_equal(brought.status, UV_ENOTCONN);
    assert_ptr_equal(brought.current, &task);
}

static void test_a_cancel_gives_up(void **state)
{
    (void)state;
    struct brought brought = {0};
    connect_client(&no_options);
    ask(task_make_ref(&task), &brought);
    turn_until(loop, &fake.commands, 1);
    task_cancel(&task, UV_ECANCELED);
    assert_int_equal(brought.done_count, 1);
    assert_int_equal(brought.status, UV_ECANCELED);
    assert_true(task_rig.is_freed);
    fake_say(&fake, ":1\r\n"); /* which nobody waits for */
    while (redis_pending_count(redis) > 0) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    assert_int_equal(brought.done_count, 1);
}

static void test_an_ask_for_what_has_gone(void **state)
{
    (void)state;
    struct brought brought = {0};
    connect_client(&no_options);
    const struct task_ref ref = task_make_ref(&task);
    task_end(&task);
    ask(ref, &brought);
    turn_until(loop, &brought.done_count, 1);
    assert_int_equal(brought.status, UV_ECANCELED);
    assert_int_equal(fake.commands, 0);
}

static void test_what_is_told_waits_for_nobody(void **state)
{
    (void)state;
    connect_client(&no_options);
    fake.log[0] = '\0';
    redis_tell(redis,
               &(struct redis_command){.args = (struct str[]){STR("DEL"), STR("a")}, .count = 2});
    turn_until(loop, &fake.commands, 1);
    assert_string_equal(fake.log, "DEL a|");
    fake_say(&fake, "-ERR no\r\n");
    while (redis_pending_count(redis) > 0) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
}

int main(void)
{
#define ASK_TEST(name) cmocka_unit_test_setup_teardown(name, start_task, end_task)
    const struct CMUnitTest tests[] = {
        ASK_TEST(test_an_ask),
        ASK_TEST(test_a_refusal_is_told_later),
        ASK_TEST(test_a_cancel_gives_up),
        ASK_TEST(test_an_ask_for_what_has_gone),
        ASK_TEST(test_what_is_told_waits_for_nobody),
    };
    return cmocka_run_group_tests_name("redis_ask", tests, NULL, NULL);
}
