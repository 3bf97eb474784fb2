/* SPDX-License-Identifier: MIT
 *
 * test_redis_server.c - the clients against a real redis-server that is killed, paused, restarted
 * and full.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/redis/redis_pubsub.h"
#include "core/redis/redis_script.h"

#define TEST_TIMEOUT_S 60 /* ends hung tests only */
#define LOAD_CALLS     64
#define PIPELINED      5000

static struct loop *loop;
static struct redis *redis;
static uint16_t port;
static pid_t server;
static int closed;

/* --- the server --- */

static uint16_t find_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)(void *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)(void *)&address, &len), 0);
    assert_int_equal(close(fd), 0);
    return ntohs(address.sin_port);
}

static void become_server(const char *option, const char *value)
{
    char text[8];
    (void)snprintf(text, sizeof(text), "%u", port);
    const int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, 1) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
        _exit(126);
    }
    (void)execlp("redis-server", "redis-server", "--port", text, "--bind", "127.0.0.1", "--dir",
                 "/tmp", "--save", "", "--appendonly", "no", option, value, (char *)NULL);
    _exit(127);
}

static void start_server(const char *option, const char *value)
{
    server = fork();
    assert_true(server >= 0);
    if (server == 0) {
        become_server(option, value);
    }
}

static void kill_server(void)
{
    int status;
    if (server > 0) {
        assert_int_equal(kill(server, SIGKILL), 0);
        assert_int_equal(waitpid(server, &status, 0), server);
        server = 0;
    }
}

/* --- the client --- */

static void on_closed(void *arg)
{
    int *count = arg;
    (*count)++;
}

static void turn_until(const int *count, int at_least)
{
    const uint64_t end_ns = clock_now_ns() + TEST_TIMEOUT_S * NS_PER_S;
    while (*count < at_least) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
        assert_true(clock_now_ns() < end_ns);
    }
}

static void turn_until_ready(bool is_ready)
{
    const uint64_t end_ns = clock_now_ns() + TEST_TIMEOUT_S * NS_PER_S;
    while (redis_get_health(redis).is_ready != is_ready) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
        assert_true(clock_now_ns() < end_ns);
    }
}

static struct redis_options options_of(const struct redis_options *extra)
{
    struct redis_options options = *extra;
    options.host = "127.0.0.1";
    options.port = port;
    options.stall_timeout_ms = 300;
    return options;
}

static void connect_client(const struct redis_options *extra)
{
    const struct redis_options options = options_of(extra);
    assert_int_equal(redis_open(loop, &options, &redis), 0);
    turn_until_ready(true);
}

static int set_up(void **state)
{
    (void)state;
    closed = 0;
    redis = NULL;
    port = find_port();
    return loop_create(&loop);
}

static int tear_down(void **state)
{
    (void)state;
    if (redis != NULL) {
        redis_close(redis, on_closed, &closed);
        turn_until(&closed, 1);
    }
    kill_server();
    loop_destroy(loop);
    return 0;
}

/* One command and its answer, as text. */
struct answer {
    struct redis_call call;
    int ended;
    int status;
    char text[128];
};

static void on_answer(struct redis_call *call, int status, const struct redis_reply *reply)
{
    struct answer *answer = CONTAINER_OF(call, struct answer, call);
    answer->ended++;
    answer->status = status;
    if (reply == NULL || reply->type == REDIS_NIL) {
        answer->text[0] = '\0';
    } else if (reply->type == REDIS_INTEGER) {
        (void)snprintf(answer->text, sizeof(answer->text), "%lld", (long long)reply->integer);
    } else {
        (void)snprintf(answer->text, sizeof(answer->text), "%" STR_FMT, STR_ARG(reply->text));
    }
}

static struct answer ask(const char *name, const char *key, const char *value)
{
    struct answer answer = {0};
    const struct str args[] = {str_from(name), str_from(key), str_from(value)};
    const size_t count = value != NULL ? 3 : key != NULL ? 2 : 1;
    redis_call_init(&answer.call, NULL, on_answer);
    assert_int_equal(redis_send(redis, &answer.call, args, count, 10000), 0);
    turn_until(&answer.ended, 1);
    return answer;
}

static const struct redis_options no_options = {0};

/* --- a server that is well --- */

static void test_commands(void **state)
{
    (void)state;
    start_server("--maxclients", "100");
    connect_client(&no_options);
    assert_string_equal(ask("SET", "k", "v\r\n\xC3\xA3").text, "OK");
    assert_string_equal(ask("GET", "k", NULL).text, "v\r\n\xC3\xA3");
    assert_string_equal(ask("GET", "nothing", NULL).text, "");
    assert_string_equal(ask("INCR", "n", NULL).text, "1");
    const struct answer wrong = ask("LPUSH", "k", "x");
    assert_int_equal(wrong.status, UV_EREMOTEIO);
    assert_memory_equal(wrong.text, "WRONGTYPE ", 10);
    assert_true(redis_get_health(redis).latency_ns > 0);
}

static void test_greeting(void **state)
{
    (void)state;
    start_server("--requirepass", "secret");
    connect_client(
        &(const struct redis_options){.password = "secret", .db = 2, .client_name = "toq"});
    assert_string_equal(ask("CLIENT", "GETNAME", NULL).text, "toq");
    assert_non_null(strstr(ask("CLIENT", "INFO", NULL).text, "name=toq"));
    assert_string_equal(ask("SET", "k", "two").text, "OK");
    assert_string_equal(ask("MOVE", "k", "3").text, "1"); /* it was in 2 */
}

static void test_wrong_password(void **state)
{
    (void)state;
    start_server("--requirepass", "secret");
    const struct redis_options options =
        options_of(&(const struct redis_options){.password = "wrong"});
    assert_int_equal(redis_open(loop, &options, &redis), 0);
    const uint64_t end_ns = clock_now_ns() + TEST_TIMEOUT_S * NS_PER_S;
    while (strstr(redis_get_health(redis).error, "WRONGPASS") == NULL) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
        assert_true(clock_now_ns() < end_ns);
    }
    assert_false(redis_get_health(redis).is_ready);
}

static struct redis_call pipelined[PIPELINED];
static int64_t last_count;
static int counted;

static void on_count(struct redis_call *call, int status, const struct redis_reply *reply)
{
    (void)call;
    assert_int_equal(status, 0);
    assert_int_equal(reply->integer, last_count + 1);
    last_count = reply->integer;
    counted++;
}

static void test_many_at_once(void **state)
{
    (void)state;
    start_server("--maxclients", "100");
    connect_client(&no_options);
    const struct str args[] = {STR("INCR"), STR("n")};
    for (size_t i = 0; i < PIPELINED; i++) {
        redis_call_init(&pipelined[i], NULL, on_count);
        assert_int_equal(redis_send(redis, &pipelined[i], args, 2, 60000), 0);
    }
    turn_until(&counted, PIPELINED);
    assert_int_equal(last_count, PIPELINED);
}

static void test_big_values(void **state)
{
    (void)state;
    start_server("--maxclients", "100");
    connect_client(&(const struct redis_options){.max_reply_bytes = 2 << 20});
    const size_t len = (1 << 20) + 7;
    char *value = malloc(len + 1);
    assert_non_null(value);
    memset(value, 'v', len);
    value[len] = '\0';
    assert_string_equal(ask("SET", "big", value).text, "OK");
    assert_string_equal(ask("STRLEN", "big", NULL).text, "1048583");
    assert_memory_equal(ask("GET", "big", NULL).text, value, 127);
    assert_string_equal(ask("APPEND", "big", value).text, "2097166");
    assert_int_equal(ask("GET", "big", NULL).status, UV_ECONNRESET); /* more than we take */
    turn_until_ready(true);
    assert_string_equal(ask("STRLEN", "big", NULL).text, "2097166");
    free(value);
}

static struct redis_script script;
static int evals;
static int64_t eval_sum;

static void on_eval(struct redis_eval *eval, int status, const struct redis_reply *reply)
{
    (void)eval;
    assert_int_equal(status, 0);
    eval_sum += reply->integer;
    evals++;
}

static void test_scripts(void **state)
{
    (void)state;
    start_server("--maxclients", "100");
    connect_client(&no_options);
    redis_script_init(&script, "return redis.call('INCRBY', KEYS[1], ARGV[1])");
    const struct str args[] = {STR("sum"), STR("5")};
    for (int i = 1; i <= 3; i++) {
        struct redis_eval eval = {
            .script = &script, .args = args, .key_count = 1, .count = 2, .on_reply = on_eval};
        assert_int_equal(redis_eval_send(redis, &eval, NULL), 0);
        turn_until(&evals, i);
        assert_true(script.has_sha);
        assert_string_equal(ask("SCRIPT", "FLUSH", NULL).text, "OK"); /* so each is NOSCRIPT */
    }
    assert_int_equal(eval_sum, 5 + 10 + 15);
}

/* --- a server that goes away --- */

struct worker {
    struct redis_call call;
    bool is_waiting;
};

static struct worker workers[LOAD_CALLS];
static int succeeded;
static int failed;

static void on_load(struct redis_call *call, int status, const struct redis_reply *reply)
{
    struct worker *worker = CONTAINER_OF(call, struct worker, call);
    assert_true(worker->is_waiting); /* exactly once */
    worker->is_waiting = false;
    if (status == 0) {
        assert_string_equal(reply->text.ptr, "v");
        succeeded++;
    } else {
        assert_true(status == UV_ECONNRESET || status == UV_ETIMEDOUT);
        failed++;
    }
}

static void load(void)
{
    const struct str args[] = {STR("ECHO"), STR("v")};
    for (size_t i = 0; i < LOAD_CALLS; i++) {
        struct worker *worker = &workers[i];
        if (worker->is_waiting) {
            continue;
        }
        redis_call_init(&worker->call, NULL, on_load);
        const int status = redis_send(redis, &worker->call, args, 2, 200);
        assert_true(status == 0 || status == UV_ENOTCONN);
        worker->is_waiting = status == 0;
    }
}

/* load_until keeps all workers busy until *count reaches at_least. */
static void load_until(const int *count, int at_least)
{
    const uint64_t end_ns = clock_now_ns() + TEST_TIMEOUT_S * NS_PER_S;
    while (*count < at_least) {
        load();
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
        assert_true(clock_now_ns() < end_ns);
    }
}

static void test_killed_and_restarted_under_load(void **state)
{
    (void)state;
    memset(workers, 0, sizeof(workers));
    start_server("--maxclients", "100");
    connect_client(&no_options);
    for (int round = 0; round < 3; round++) {
        succeeded = 0;
        load_until(&succeeded, 1000);
        load(); /* something is under way */
        kill_server();
        failed = 0;
        turn_until(&failed, 1);
        turn_until_ready(false);
        start_server("--maxclients", "100");
        turn_until_ready(true);
        succeeded = 0;
        load_until(&succeeded, 1000);
    }
}

static void test_paused(void **state)
{
    (void)state;
    memset(workers, 0, sizeof(workers));
    start_server("--maxclients", "100");
    connect_client(&no_options);
    succeeded = 0;
    load_until(&succeeded, 1000);
    assert_int_equal(kill(server, SIGSTOP), 0);
    failed = 0;
    load_until(&failed, LOAD_CALLS); /* none hangs */
    turn_until_ready(false);
    assert_int_equal(kill(server, SIGCONT), 0);
    turn_until_ready(true);
    succeeded = 0;
    load_until(&succeeded, 1000);
}

static void test_full(void **state)
{
    (void)state;
    start_server("--maxclients", "1");
    connect_client(&no_options);
    const struct redis_options options = options_of(&no_options);
    struct redis *second;
    assert_int_equal(redis_open(loop, &options, &second), 0);
    const uint64_t end_ns = clock_now_ns() + TEST_TIMEOUT_S * NS_PER_S;
    while (strstr(redis_get_health(second).error, "max number of clients") == NULL) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
        assert_true(clock_now_ns() < end_ns);
    }
    redis_close(redis, on_closed, &closed);
    turn_until(&closed, 1);
    closed = 0;
    redis = second;
    turn_until_ready(true);
}

/* --- messages --- */

static int lives;
static int losses;
static int messages;

static void on_live(struct redis_subscription *sub, bool is_live)
{
    (void)sub;
    lives += is_live ? 1 : 0;
    losses += is_live ? 0 : 1;
}

static void on_message(struct redis_subscription *sub, struct str channel, struct str payload)
{
    (void)sub;
    assert_true(str_equal(channel, STR("listings")));
    assert_true(str_equal(payload, STR("42")));
    messages++;
}

static void test_messages_across_a_restart(void **state)
{
    (void)state;
    start_server("--maxclients", "100");
    connect_client(&no_options);
    const struct redis_options options = options_of(&no_options);
    struct redis_pubsub *pubsub;
    assert_int_equal(redis_pubsub_open(loop, &options, &pubsub), 0);
    struct redis_subscription sub = {
        .channel = STR("listings"), .on_message = on_message, .on_live = on_live};
    redis_subscribe(pubsub, &sub);
    turn_until(&lives, 1);
    assert_string_equal(ask("PUBLISH", "listings", "42").text, "1");
    turn_until(&messages, 1);
    kill_server();
    turn_until(&losses, 1);
    turn_until_ready(false);
    start_server("--maxclients", "100");
    turn_until(&lives, 2);
    turn_until_ready(true);
    assert_string_equal(ask("PUBLISH", "listings", "42").text, "1");
    turn_until(&messages, 2);
    assert_int_equal(kill(server, SIGSTOP), 0); /* idle, and yet it is noticed */
    turn_until(&losses, 2);
    assert_int_equal(kill(server, SIGCONT), 0);
    turn_until(&lives, 3);
    int pubsub_closed = 0;
    redis_pubsub_close(pubsub, on_closed, &pubsub_closed);
    turn_until(&pubsub_closed, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_commands),
        TEST(test_greeting),
        TEST(test_wrong_password),
        TEST(test_many_at_once),
        TEST(test_big_values),
        TEST(test_scripts),
        TEST(test_killed_and_restarted_under_load),
        TEST(test_paused),
        TEST(test_full),
        TEST(test_messages_across_a_restart),
    };
    return cmocka_run_group_tests_name("redis_server", tests, NULL, NULL);
}
