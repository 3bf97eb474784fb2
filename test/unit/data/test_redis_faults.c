/* SPDX-License-Identifier: MIT
 *
 * test_redis_faults.c - the command client against a server that refuses, lies, is silent and goes
 * away.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/data/redis.h"
#include "test/unit/data/redis_fake.h"

#define CALLS_MAX 8

/* What a call brought. */
struct result {
    struct redis_call call;
    int runs;
    int status;
    char text[64];
    int64_t integer;
    struct task *current; /* while on_reply ran */
};

static struct loop *loop;
static struct fake fake;
static struct redis *redis;
static struct result results[CALLS_MAX];
static int ended; /* on_reply runs of all calls */
static int closed;

static void on_closed(void *arg)
{
    assert_ptr_equal(arg, &closed);
    closed++;
}

static void on_reply(struct redis_call *call, int status, const struct redis_reply *reply)
{
    struct result *result = CONTAINER_OF(call, struct result, call);
    assert_int_equal(reply != NULL, status == 0 || status == UV_EREMOTEIO);
    result->runs++;
    result->status = status;
    result->current = task_current();
    if (reply != NULL) {
        result->integer = reply->integer;
        (void)snprintf(result->text, sizeof(result->text), "%" STR_FMT, STR_ARG(reply->text));
    }
    ended++;
}

static void open_client(const struct redis_options *extra)
{
    struct redis_options options = *extra;
    options.host = "127.0.0.1";
    options.port = fake_port(&fake);
    options.stall_timeout_ms = options.stall_timeout_ms == 0 ? 60000 : options.stall_timeout_ms;
    assert_int_equal(redis_open(loop, &options, &redis), 0);
}

static void turn_until_ready(void)
{
    const uint64_t end_ns = clock_now_ns() + FAKE_PATIENCE_S * NS_PER_S;
    while (!redis_get_health(redis).is_ready) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
        assert_true(clock_now_ns() < end_ns);
    }
}

/* The client sends a PING of its own when it is ready; it is answered here. */
static void connect_client(const struct redis_options *extra)
{
    open_client(extra);
    turn_until_ready();
    turn_until(loop, &fake.commands, 1);
    fake_say(&fake, "+PONG\r\n");
    while (redis_pending_count(redis) > 0) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    fake.commands = 0;
    fake.reads = 0;
    fake.log[0] = '\0';
}

static int set_up(void **state)
{
    (void)state;
    memset(results, 0, sizeof(results));
    for (size_t i = 0; i < CALLS_MAX; i++) {
        redis_call_init(&results[i].call, NULL, on_reply);
    }
    ended = 0;
    closed = 0;
    redis = NULL;
    assert_int_equal(loop_create(&loop), 0);
    fake_start(&fake, loop);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (redis != NULL) {
        redis_close(redis, on_closed, &closed);
        turn_until(loop, &closed, 1);
    }
    fake_free(&fake);
    loop_destroy(loop); /* aborts when a handle is still open */
    return 0;
}

static int send_get(size_t i, const char *key, uint64_t timeout_ms)
{
    const struct str args[] = {STR("GET"), str_from(key)};
    return redis_send(redis, &results[i].call, args, ARRAY_COUNT(args), timeout_ms);
}

static const struct redis_options no_options = {0};

/* --- how it goes ---------------------------------------------------------------------------------
 */

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
    task_start(&task, "test", 0, NULL);
    connect_client(&no_options);
    redis_call_init(&results[0].call, &task, on_reply);
    assert_int_equal(send_get(0, "a", 0), 0);
    assert_string_equal(task.state, "redis");
    assert_non_null(task.await_site);
    turn_until(loop, &fake.commands, 1);
    fake_say(&fake, "$-1\r\n");
    turn_until(loop, &ended, 1);
    assert_ptr_equal(results[0].current, &task);
    assert_string_equal(task.state, "running");
    assert_null(task_current());
    task_end(&task);
}

/* --- refused at once -----------------------------------------------------------------------------
 */

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

/* --- deadlines and cancelling --------------------------------------------------------------------
 */

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

/* --- a server that misbehaves --------------------------------------------------------------------
 */

/* assert_dropped says bytes while two commands wait: both end, and the client connects anew. */
static void assert_dropped(const char *bytes, size_t len)
{
    connect_client(&(const struct redis_options){.max_reply_bytes = 65536});
    assert_int_equal(send_get(0, "a", 0), 0);
    assert_int_equal(send_get(1, "b", 0), 0);
    turn_until(loop, &fake.commands, 2);
    fake_say_bytes(&fake, bytes, len);
    turn_until(loop, &ended, 2);
    assert_int_equal(results[0].status, UV_ECONNRESET);
    assert_int_equal(results[1].status, UV_ECONNRESET);
    assert_int_equal(redis_pending_count(redis), 0);
    turn_until(loop, &fake.accepted, 2);
    turn_until_ready();
    assert_int_equal(send_get(0, "a", 0), 0);
    turn_until(loop, &fake.commands, 4); /* the two, PING, and this one */
    fake_say(&fake, "+PONG\r\n$2\r\nok\r\n");
    turn_until(loop, &ended, 3);
    assert_string_equal(results[0].text, "ok");
}

static void assert_dropped_by(const char *text)
{
    assert_dropped(text, strlen(text));
}

static void test_garbage(void **state)
{
    (void)state;
    assert_dropped_by("HTTP/1.1 400 Bad Request\r\n\r\n");
}

static void test_nesting_too_deep(void **state)
{
    (void)state;
    assert_dropped_by("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n");
}

static void test_array_too_long(void **state)
{
    (void)state;
    assert_dropped_by("*2147483647\r\n");
}

static void test_text_too_long(void **state)
{
    (void)state;
    static char bytes[256 << 10];
    memset(bytes, 'x', sizeof(bytes));
    memcpy(bytes, "$100000000\r\n", 12);
    assert_dropped(bytes, sizeof(bytes));
}

static void test_reply_to_nothing(void **state)
{
    (void)state;
    connect_client(&no_options);
    fake_say(&fake, "+surprise\r\n");
    turn_until(loop, &fake.accepted, 2);
    turn_until_ready();
}

static void test_gone_in_the_middle_of_a_reply(void **state)
{
    (void)state;
    connect_client(&no_options);
    assert_int_equal(send_get(0, "a", 0), 0);
    assert_int_equal(send_get(1, "b", 0), 0);
    turn_until(loop, &fake.commands, 2);
    fake_say(&fake, "$1\r\na\r\n$100\r\nhal");
    fake_stop(&fake);
    turn_until(loop, &ended, 2);
    assert_string_equal(results[0].text, "a");
    assert_int_equal(results[1].status, UV_ECONNRESET);
    assert_int_equal(send_get(0, "a", 0), UV_ENOTCONN);
}

static void test_silence(void **state)
{
    (void)state;
    connect_client(&(const struct redis_options){.stall_timeout_ms = 300});
    assert_int_equal(send_get(0, "a", 60000), 0);
    turn_until(loop, &ended, 1); /* no deadline, and yet it ends */
    assert_int_equal(results[0].status, UV_ECONNRESET);
    turn_until(loop, &fake.accepted, 2);
    turn_until_ready();
}

static void test_silence_in_the_greeting(void **state)
{
    (void)state;
    fake.greeting = NULL;
    open_client(&(const struct redis_options){.connect_timeout_ms = 100});
    turn_until(loop, &fake.accepted, 2);
    assert_false(redis_get_health(redis).is_ready);
    assert_string_equal(redis_get_health(redis).error, "connection timed out");
    fake.greeting = "+PONG\r\n";
    turn_until_ready();
}

/* assert_not_ready_by answers the greeting's PING with an error until a third connection. */
static void assert_not_ready_by(const char *greeting, const char *error)
{
    fake.greeting = greeting;
    open_client(&no_options);
    turn_until(loop, &fake.accepted, 3);
    assert_false(redis_get_health(redis).is_ready);
    assert_string_equal(redis_get_health(redis).error, error);
    assert_int_equal(send_get(0, "a", 0), UV_ENOTCONN);
    fake.greeting = "+PONG\r\n";
    turn_until_ready();
}

static void test_loading(void **state)
{
    (void)state;
    assert_not_ready_by("-LOADING Redis is loading the dataset in memory\r\n",
                        "LOADING Redis is loading the dataset in memory");
}

static void test_password_wanted(void **state)
{
    (void)state;
    assert_not_ready_by("-NOAUTH Authentication required.\r\n", "NOAUTH Authentication required.");
}

static void test_a_replica_is_left(void **state)
{
    (void)state;
    connect_client(&no_options);
    assert_int_equal(send_get(0, "a", 0), 0);
    assert_int_equal(send_get(1, "b", 0), 0);
    turn_until(loop, &fake.commands, 2);
    fake_say(&fake, "-READONLY You can't write against a read only replica.\r\n");
    turn_until(loop, &ended, 2);
    assert_int_equal(results[0].status, UV_EREMOTEIO);
    assert_int_equal(results[1].status, UV_ECONNRESET);
    turn_until(loop, &fake.accepted, 2);
    turn_until_ready();
}

/* --- closing -------------------------------------------------------------------------------------
 */

static void close_and_wait(void)
{
    redis_close(redis, on_closed, &closed);
    assert_int_equal(closed, 0);
    turn_until(loop, &closed, 1);
    redis = NULL;
}

static void test_close_ends_what_waits(void **state)
{
    (void)state;
    connect_client(&no_options);
    assert_int_equal(send_get(0, "a", 0), 0);
    assert_int_equal(send_get(1, "b", 0), 0);
    redis_close(redis, on_closed, &closed);
    assert_int_equal(ended, 0);
    assert_int_equal(send_get(2, "c", 0), UV_ENOTCONN);
    turn_until(loop, &closed, 1);
    redis = NULL;
    assert_int_equal(ended, 2);
    assert_int_equal(results[0].status, UV_ECANCELED);
    assert_int_equal(results[1].status, UV_ECANCELED);
}

static void test_close_in_every_state(void **state)
{
    (void)state;
    open_client(&no_options);
    close_and_wait(); /* before it dialled */
    closed = 0;
    fake.greeting = NULL;
    open_client(&no_options);
    turn_until(loop, &fake.accepted, 1);
    close_and_wait(); /* while it greets */
    closed = 0;
    fake_stop(&fake);
    open_client(&no_options);
    while (redis_get_health(redis).error[0] == '\0') {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    close_and_wait(); /* while it waits for the next attempt */
}

static void test_close_while_a_name_is_looked_up(void **state)
{
    (void)state;
    /* .invalid never resolves: RFC 6761 */
    const struct redis_options options = {.host = "redis.invalid", .port = 1};
    assert_int_equal(redis_open(loop, &options, &redis), 0);
    (void)uv_run(loop_uv(loop), UV_RUN_NOWAIT);
    close_and_wait();
}

static void test_unknown_name(void **state)
{
    (void)state;
    const struct redis_options options = {.host = "redis.invalid", .port = 1};
    assert_int_equal(redis_open(loop, &options, &redis), 0);
    while (redis_get_health(redis).error[0] == '\0') {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    assert_false(redis_get_health(redis).is_ready);
}

static void on_reply_close(struct redis_call *call, int status, const struct redis_reply *reply)
{
    on_reply(call, status, reply);
    if (redis != NULL) {
        redis_close(redis, on_closed, &closed);
        redis = NULL;
    }
}

static void test_close_from_a_reply(void **state)
{
    (void)state;
    connect_client(&no_options);
    redis_call_init(&results[0].call, NULL, on_reply_close);
    assert_int_equal(send_get(0, "a", 0), 0);
    assert_int_equal(send_get(1, "b", 0), 0);
    turn_until(loop, &fake.commands, 2);
    fake_say(&fake, ":1\r\n:2\r\n");
    turn_until(loop, &closed, 1);
    assert_int_equal(results[0].status, 0);
    assert_int_equal(results[1].status, UV_ECANCELED);
}

static void test_close_from_the_end_of_a_lost_call(void **state)
{
    (void)state;
    connect_client(&no_options);
    redis_call_init(&results[0].call, NULL, on_reply_close);
    assert_int_equal(send_get(0, "a", 0), 0);
    assert_int_equal(send_get(1, "b", 0), 0);
    turn_until(loop, &fake.commands, 2);
    fake_stop(&fake);
    turn_until(loop, &closed, 1);
    assert_int_equal(results[0].status, UV_ECONNRESET);
    assert_int_equal(results[1].status, UV_ECONNRESET);
}

/* --- metrics -------------------------------------------------------------------------------------
 */

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
    fake_say(&fake, "+PONG\r\n:1\r\n-ERR x\r\n");
    turn_until(loop, &ended, 3);
    struct buf text;
    buf_init(&text, 1 << 20);
    metrics_render(metrics, METRICS_TEXT_0_0_4, &text);
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
    assert_has_line(&text, "toq_redis_pending_commands 2\n");
    assert_has_line(&text, "toq_redis_connected{connection=\"commands\"} 1\n");
    assert_has_line(&text, "toq_redis_connects_total{connection=\"commands\"} 1\n");
    buf_deinit(&text);
    metrics_destroy(metrics);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_replies_in_order),
        TEST(test_a_reply_in_pieces),
        TEST(test_greeting_comes_first_and_again),
        TEST(test_a_callback_may_send),
        TEST(test_task_waits_and_runs),
        TEST(test_no_server_at_first),
        TEST(test_queue_has_an_end),
        TEST(test_late_replies_are_dropped),
        TEST(test_cancelled_calls_hear_nothing),
        TEST(test_a_callback_may_cancel),
        TEST(test_garbage),
        TEST(test_nesting_too_deep),
        TEST(test_array_too_long),
        TEST(test_text_too_long),
        TEST(test_reply_to_nothing),
        TEST(test_gone_in_the_middle_of_a_reply),
        TEST(test_silence),
        TEST(test_silence_in_the_greeting),
        TEST(test_loading),
        TEST(test_password_wanted),
        TEST(test_a_replica_is_left),
        TEST(test_close_ends_what_waits),
        TEST(test_close_in_every_state),
        TEST(test_close_while_a_name_is_looked_up),
        TEST(test_unknown_name),
        TEST(test_close_from_a_reply),
        TEST(test_close_from_the_end_of_a_lost_call),
        TEST(test_metrics),
    };
    return cmocka_run_group_tests_name("redis_faults", tests, NULL, NULL);
}
