/* SPDX-License-Identifier: MIT
 *
 * redis_client.h - the command client beside the fake server, and what its calls brought.
 */
#ifndef TOQ_TEST_UNIT_REDIS_REDIS_CLIENT_H
#define TOQ_TEST_UNIT_REDIS_REDIS_CLIENT_H

#include "core/redis/redis.h"
#include "test/unit/redis/redis_fake.h"
#include "test/unit/support/pool_rig.h"

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
static struct lookups lookups;

static inline void on_closed(void *arg)
{
    assert_ptr_equal(arg, &closed);
    closed++;
}

static inline void on_reply(struct redis_call *call, int status, const struct redis_reply *reply)
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

static inline void open_client(const struct redis_options *extra)
{
    struct redis_options options = *extra;
    options.host = "127.0.0.1";
    options.port = fake_port(&fake);
    options.stall_timeout_ms = options.stall_timeout_ms == 0 ? 60000 : options.stall_timeout_ms;
    assert_int_equal(redis_open(loop, &options, &redis), 0);
}

static inline void turn_until_ready(void)
{
    const uint64_t end_ns = clock_now_ns() + FAKE_PATIENCE_S * NS_PER_S;
    while (!redis_get_health(redis).is_ready) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
        assert_true(clock_now_ns() < end_ns);
    }
}

/* The client sends a PING of its own when it is ready; it is answered here. */
static inline void connect_client(const struct redis_options *extra)
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

static inline int set_up(void **state)
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
    lookups_init(&lookups, loop, pool_rig_get());
    fake_start(&fake, loop);
    return 0;
}

static inline int tear_down(void **state)
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

static inline int send_get(size_t i, const char *key, uint64_t timeout_ms)
{
    const struct str args[] = {STR("GET"), str_from(key)};
    return redis_send(redis, &results[i].call, args, ARRAY_COUNT(args), timeout_ms);
}

static const struct redis_options no_options = {0};

static inline void close_and_wait(void)
{
    redis_close(redis, on_closed, &closed);
    assert_int_equal(closed, 0);
    turn_until(loop, &closed, 1);
    redis = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
