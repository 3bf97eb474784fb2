/* SPDX-License-Identifier: MIT
 *
 * test_redis.c - commands, replies, deadlines and limits against a server that says what it is told
 * to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "test/unit/redis/redis_client.h"
#include "test/unit/support/render_metrics.h"

/* --- how it goes --- */

static void test_replies_in_order(void **state)
{
    (void)state;
    connect_client(&no_options);
    assert_int_equal(send_get(0, "a", 0), 0);
    assert_int_equal(send_get(1, "b", 0), 0);
    assert_int_equal(send_get(2, "c", 0), 0);
    assert_int_equal(redis_pending_count(redis), 3);
    turn_until(loop, &fake.commands, 3);
    assert_string_equal(fake.log, "GET a|GET b|GET c|");
    assert_int_equal(fake.reads, 1); /* one write for all of a turn */
    assert_int_equal(ended, 0);
    fake_say(&fake, "$1\r\nx\r\n:7\r\n-WRONGTYPE it is a list\r\n");
    turn_until(loop, &ended, 3);
    assert_string_equal(results[0].text, "x");
    assert_int_equal(results[0].status, 0);
    assert_int_equal(results[1].integer, 7);
    assert_int_equal(results[2].status, UV_EREMOTEIO);
    assert_string_equal(results[2].text, "WRONGTYPE it is a list");
    assert_int_equal(redis_pending_count(redis), 0);
    assert_true(redis_get_health(redis).is_ready);
}

static void test_a_reply_in_pieces(void **state)
{
    (void)state;
    connect_client(&no_options);
    assert_int_equal(send_get(0, "a", 0), 0);
    turn_until(loop, &fake.commands, 1);
    const char *bytes = "$12\r\nhello, redis\r\n";
    for (size_t i = 0; bytes[i] != '\0'; i++) {
        assert_int_equal(ended, 0);
        fake_say_bytes(&fake, bytes + i, 1);
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    turn_until(loop, &ended, 1);
    assert_string_equal(results[0].text, "hello, redis");
}

static void test_greeting_comes_first_and_again(void **state)
{
    (void)state;
    const struct redis_options options = {.password = "secret", .db = 3, .client_name = "toq-1"};
    open_client(&options);
    turn_until_ready();
    turn_until(loop, &fake.commands, 1);
    const char *expected = "AUTH secret|SELECT 3|CLIENT SETNAME toq-1|PING|PING|";
    assert_string_equal(fake.log, expected);
    fake.log[0] = '\0';
    fake.commands = 0;
    fake_hang_up(&fake);
    turn_until(loop, &fake.accepted, 2);
    turn_until(loop, &fake.commands, 1);
    assert_string_equal(fake.log, expected);
}

static void on_reply_send_again(struct redis_call *call, int status,
                                const struct redis_reply *reply)
{
    struct result *result = CONTAINER_OF(call, struct result, call);
    assert_int_equal(status, 0);
    result->integer = reply->integer;
    const int next = (int)(result - results) + 1;
    if (++result->runs < 3) {
        assert_int_equal(send_get((size_t)next - 1, "again", 0), 0);
    }
    ended++;
}

static void test_a_callback_may_send(void **state)
{
    (void)state;
    connect_client(&no_options);
    redis_call_init(&results[0].call, NULL, on_reply_send_again);
    assert_int_equal(send_get(0, "first", 0), 0);
    for (int i = 1; i <= 3; i++) {
        turn_until(loop, &fake.commands, i);
        fake_say(&fake, ":1\r\n");
        turn_until(loop, &ended, i);
    }
    assert_int_equal(results[0].runs, 3);
}

static void test_task_waits_and_runs(void **state)
{
    (void)state;
    struct task task;
    assert_int_equal(task_start(&task, "test", 0, NULL), 0);
    connect_client(&no_options);
    redis_call_init(&results[0].call, &task, on_reply);
    assert_int_equal(send_get(0, "a", 0), 0);
    assert_string_equal(task.state, "redis");
    assert_true(task.await_depth > 0);
    turn_until(loop, &fake.commands, 1);
    fake_say(&fake, "$-1\r\n");
    turn_until(loop, &ended, 1);
    assert_ptr_equal(results[0].current, &task);
    assert_string_equal(task.state, "waiting");
    assert_null(task_current());
    task_end(&task);
}

/* --- refused at once --- */

static void test_no_server_at_first(void **state)
{
    (void)state;
    fake_stop(&fake);
    open_client(&no_options);
    assert_int_equal(send_get(0, "a", 0), UV_ENOTCONN);
    while (redis_get_health(redis).error[0] == '\0') {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    assert_string_equal(redis_get_health(redis).error, "connection refused");
    fake_listen(&fake, loop);
    turn_until_ready();
    assert_int_equal(send_get(0, "a", 0), 0);
    assert_string_equal(redis_get_health(redis).error, "");
}

static void test_a_name_is_looked_up(void **state)
{
    (void)state;
    /* the resolver folds its case, ours does not; it may have ::1 first, where nobody listens */
    const struct redis_options options = {
        .host = "LOCALHOST", .lookups = &lookups, .port = fake_port(&fake)};
    assert_int_equal(redis_open(loop, &options, &redis), 0);
    turn_until_ready();
    assert_int_equal(send_get(0, "a", 0), 0);
    turn_until(loop, &fake.commands, 2);
}

static void test_queue_has_an_end(void **state)
{
    (void)state;
    const struct redis_options options = {.max_pending = 4, .max_queue_bytes = 4096};
    connect_client(&options);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(send_get(i, "a", 0), 0);
    }
    assert_int_equal(send_get(4, "a", 0), UV_EBUSY);
    turn_until(loop, &fake.commands, 4);
    fake_say(&fake, ":1\r\n");
    turn_until(loop, &ended, 1);
    char big[5000];
    memset(big, 'x', sizeof(big));
    big[sizeof(big) - 1] = '\0';
    assert_int_equal(send_get(4, big, 0), UV_E2BIG);
    big[3000] = '\0';
    assert_int_equal(send_get(4, big, 0), 0);
    fake_say(&fake, ":1\r\n:1\r\n:1\r\n");
    turn_until(loop, &ended, 4);
    fake_say(&fake, ":1\r\n");
    turn_until(loop, &ended, 5);
    assert_int_equal(send_get(0, big, 0), 0);
    assert_int_equal(send_get(1, big, 0), UV_EBUSY); /* two of them are too many bytes */
}

/* --- deadlines and cancelling --- */

static void test_late_replies_are_dropped(void **state)
{
    (void)state;
    connect_client(&no_options);
    assert_int_equal(send_get(0, "slow", 1), 0);
    assert_int_equal(send_get(1, "next", 60000), 0);
    turn_until(loop, &ended, 1);
    assert_int_equal(results[0].status, UV_ETIMEDOUT);
    assert_int_equal(redis_pending_count(redis), 2);
    fake_say(&fake, "$4\r\nlate\r\n$4\r\nnext\r\n");
    turn_until(loop, &ended, 2);
    assert_int_equal(results[0].runs, 1);
    assert_string_equal(results[1].text, "next");
    assert_int_equal(fake.accepted, 1); /* one slow command is no reason to reconnect */
}

static void test_cancelled_calls_hear_nothing(void **state)
{
    (void)state;
    connect_client(&no_options);
    redis_cancel(&results[0].call); /* was never sent */
    assert_int_equal(send_get(0, "a", 0), 0);
    assert_int_equal(send_get(1, "b", 0), 0);
    redis_cancel(&results[0].call);
    redis_cancel(&results[0].call);
    assert_int_equal(send_get(0, "c", 0), 0); /* at once: the slot is nobody's */
    turn_until(loop, &fake.commands, 3);
    fake_say(&fake, "$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n");
    turn_until(loop, &ended, 2);
    assert_string_equal(results[0].text, "c");
    assert_int_equal(results[0].runs, 1);
    assert_string_equal(results[1].text, "b");
}

static void on_reply_cancel_next(struct redis_call *call, int status,
                                 const struct redis_reply *reply)
{
    on_reply(call, status, reply);
    redis_cancel(&results[1].call);
}

static void test_a_callback_may_cancel(void **state)
{
    (void)state;
    connect_client(&no_options);
    redis_call_init(&results[0].call, NULL, on_reply_cancel_next);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(send_get(i, "a", 0), 0);
    }
    turn_until(loop, &fake.commands, 3);
    fake_hang_up(&fake); /* all end in one walk, and the first gives up the second */
    turn_until(loop, &ended, 2);
    assert_int_equal(results[0].status, UV_ECONNRESET);
    assert_int_equal(results[1].runs, 0);
    assert_int_equal(results[2].status, UV_ECONNRESET);
}

/* --- metrics --- */

static void assert_has_line(const struct buf *text, const char *line)
{
    if (strstr(text->data, line) == NULL) {
        print_error("%s", text->data);
        fail_msg("missing: %s", line);
    }
}

static void test_metrics(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_create();
    assert_non_null(metrics);
    open_client(&no_options);
    assert_int_equal(redis_register_metrics(redis, metrics), 0);
    turn_until_ready();
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(send_get(i, "a", i == 2 ? 1 : 60000), 0);
    }
    redis_cancel(&results[3].call);
    const struct str odd[] = {STR("A.COMMAND.OF.SOME.MODULE")};
    assert_int_equal(redis_send(redis, &results[4].call, odd, 1, 60000), 0);
    redis_cancel(&results[4].call);
    const struct str huge[] = {STR("SET"), {"", SIZE_MAX}};
    assert_int_equal(redis_send(redis, &results[5].call, huge, 2, 0), UV_E2BIG);
    fake_say(&fake, "+PONG\r\n:1\r\n-ERR x\r\n");
    turn_until(loop, &ended, 3);
    struct buf text;
    buf_init(&text, 1 << 20);
    render_metrics(metrics, METRICS_TEXT_0_0_4, &text);
    buf_append_char(&text, '\0');
    assert_false(text.is_failed);
#define DURATION_COUNT "db_client_operation_duration_seconds_count{db_system_name=\"redis\","
    assert_has_line(&text, DURATION_COUNT "db_operation_name=\"GET\",error_type=\"\"} 1\n");
    assert_has_line(&text,
                    DURATION_COUNT "db_operation_name=\"GET\",error_type=\"server_error\"} 1\n");
    assert_has_line(&text, DURATION_COUNT "db_operation_name=\"GET\",error_type=\"timeout\"} 1\n");
    assert_has_line(&text,
                    DURATION_COUNT "db_operation_name=\"GET\",error_type=\"cancelled\"} 1\n");
    assert_has_line(&text, DURATION_COUNT "db_operation_name=\"PING\",error_type=\"\"} 1\n");
    assert_has_line(&text,
                    DURATION_COUNT "db_operation_name=\"other\",error_type=\"cancelled\"} 1\n");
    assert_has_line(&text, "toq_redis_refused_total 1\n");
    assert_has_line(&text, "toq_redis_pending_commands 3\n");
    assert_has_line(&text, "toq_redis_connected{connection=\"commands\"} 1\n");
    assert_has_line(&text, "toq_redis_connects_total{connection=\"commands\"} 1\n");
    buf_deinit(&text);
    metrics_destroy(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_replies_in_order),
        TEST(test_a_reply_in_pieces),
        TEST(test_greeting_comes_first_and_again),
        TEST(test_a_callback_may_send),
        TEST(test_task_waits_and_runs),
        TEST(test_no_server_at_first),
        TEST(test_a_name_is_looked_up),
        TEST(test_queue_has_an_end),
        TEST(test_late_replies_are_dropped),
        TEST(test_cancelled_calls_hear_nothing),
        TEST(test_a_callback_may_cancel),
        TEST(test_metrics),
    };
    return cmocka_run_group_tests_name("redis", tests, NULL, NULL);
}
