/* SPDX-License-Identifier: MIT
 *
 * test_redis_pubsub.c - who hears what, who is told when nothing is heard, and subscribing again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/redis/redis_pubsub.h"
#include "test/unit/redis/redis_fake.h"
#include "test/unit/support/render_metrics.h"

#define SUBS_MAX 4

struct listener {
    struct redis_subscription sub;
    struct redis_subscription *victim; /* unsubscribed by a message */
    struct redis_subscription *child;  /* subscribed by a message */
    int messages;
    int lives;
    int losses;
    char last[64]; /* "channel=payload" */
};

static struct loop *loop;
static struct fake fake;
static struct redis_pubsub *pubsub;
static struct listener listeners[SUBS_MAX];
static int closed;

static void on_message(struct redis_subscription *sub, struct str channel, struct str payload)
{
    struct listener *l = CONTAINER_OF(sub, struct listener, sub);
    l->messages++;
    (void)snprintf(l->last, sizeof(l->last), "%" STR_FMT "=%" STR_FMT, STR_ARG(channel),
                   STR_ARG(payload));
    if (l->victim != NULL) {
        redis_unsubscribe(l->victim);
    }
    if (l->child != NULL) {
        redis_subscribe(pubsub, l->child);
        l->child = NULL;
    }
}

static void on_live(struct redis_subscription *sub, bool is_live)
{
    struct listener *l = CONTAINER_OF(sub, struct listener, sub);
    if (is_live) {
        l->lives++;
    } else {
        l->losses++;
    }
}

static void on_closed(void *arg)
{
    int *count = arg;
    (*count)++;
}

static int set_up(void **state)
{
    (void)state;
    closed = 0;
    for (size_t i = 0; i < SUBS_MAX; i++) {
        listeners[i] = (struct listener){
            .sub = {.channel = STR("news"), .on_message = on_message, .on_live = on_live}};
    }
    assert_int_equal(loop_create(&loop), 0);
    fake_start(&fake, loop);
    const struct redis_options options = {
        .host = "127.0.0.1", .port = fake_port(&fake), .stall_timeout_ms = 60000};
    assert_int_equal(redis_pubsub_open(loop, &options, &pubsub), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (pubsub != NULL) {
        redis_pubsub_close(pubsub, on_closed, &closed);
        turn_until(loop, &closed, 1);
    }
    fake_free(&fake);
    loop_destroy(loop);
    return 0;
}

static void say_message(const char *channel, const char *payload)
{
    char text[256];
    (void)snprintf(text, sizeof(text), "*3\r\n$7\r\nmessage\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n",
                   strlen(channel), channel, strlen(payload), payload);
    fake_say(&fake, text);
}

static void go_live(struct listener *l)
{
    redis_subscribe(pubsub, &l->sub);
    turn_until(loop, &fake.commands, fake.commands + 1);
    fake_say(&fake, "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
    turn_until(loop, &l->lives, l->lives + 1);
}

static void test_messages(void **state)
{
    (void)state;
    go_live(&listeners[0]);
    assert_string_equal(fake.log, "PING|SUBSCRIBE news|");
    say_message("news", "one");
    say_message("other", "nobody's");
    say_message("news", "two");
    turn_until(loop, &listeners[0].messages, 2);
    assert_string_equal(listeners[0].last, "news=two");
    assert_int_equal(listeners[0].lives, 1);
}

static void test_patterns(void **state)
{
    (void)state;
    go_live(&listeners[0]);
    listeners[1].sub.channel = STR("n*");
    listeners[1].sub.is_pattern = true;
    redis_subscribe(pubsub, &listeners[1].sub);
    turn_until(loop, &fake.commands, 2);
    assert_string_equal(fake.log, "PING|SUBSCRIBE news|PSUBSCRIBE n*|");
    fake_say(&fake, "*3\r\n$10\r\npsubscribe\r\n$2\r\nn*\r\n:2\r\n"
                    "*4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$4\r\nnice\r\n$2\r\nhi\r\n");
    turn_until(loop, &listeners[1].messages, 1);
    assert_string_equal(listeners[1].last, "nice=hi");
    assert_int_equal(listeners[1].lives, 1);
    assert_int_equal(listeners[0].messages, 0);
}

static void test_subscribes_again(void **state)
{
    (void)state;
    go_live(&listeners[0]);
    fake.log[0] = '\0';
    fake_hang_up(&fake);
    turn_until(loop, &listeners[0].losses, 1);
    turn_until(loop, &fake.commands, 2);
    assert_string_equal(fake.log, "PING|SUBSCRIBE news|");
    assert_int_equal(listeners[0].lives, 1); /* asked for is not confirmed */
    fake_say(&fake, "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
    turn_until(loop, &listeners[0].lives, 2);
    say_message("news", "again");
    turn_until(loop, &listeners[0].messages, 1);
}

static void test_subscribed_before_there_is_a_server(void **state)
{
    (void)state;
    fake_stop(&fake);
    redis_subscribe(pubsub, &listeners[0].sub);
    for (int i = 0; i < 3; i++) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    assert_int_equal(listeners[0].losses, 0);
    fake_listen(&fake, loop);
    turn_until(loop, &fake.commands, 1);
    assert_string_equal(fake.log, "PING|SUBSCRIBE news|");
}

static void test_two_on_one_channel(void **state)
{
    (void)state;
    go_live(&listeners[0]);
    go_live(&listeners[1]);
    fake.log[0] = '\0';
    redis_unsubscribe(&listeners[0].sub);
    redis_unsubscribe(&listeners[0].sub);
    say_message("news", "one");
    turn_until(loop, &listeners[1].messages, 1);
    assert_int_equal(listeners[0].messages, 0);
    assert_string_equal(fake.log, ""); /* the other one still wants it */
    const int before = fake.commands;
    redis_unsubscribe(&listeners[1].sub);
    turn_until(loop, &fake.commands, before + 1);
    assert_string_equal(fake.log, "UNSUBSCRIBE news|");
}

static void say_done(const char *kind, const char *channel)
{
    char text[128];
    (void)snprintf(text, sizeof(text), "*3\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n:1\r\n", strlen(kind),
                   kind, strlen(channel), channel);
    fake_say(&fake, text);
}

/* The first one leaves before the server has answered it; that answer is not for the second. */
static void test_the_answer_to_one_that_has_left(void **state)
{
    (void)state;
    redis_subscribe(pubsub, &listeners[0].sub);
    turn_until(loop, &fake.commands, 1);
    redis_unsubscribe(&listeners[0].sub);
    redis_subscribe(pubsub, &listeners[1].sub);
    turn_until(loop, &fake.commands, 3);
    assert_string_equal(fake.log, "PING|SUBSCRIBE news|UNSUBSCRIBE news|SUBSCRIBE news|");
    say_done("subscribe", "news");
    say_message("news", "one");
    turn_until(loop, &listeners[1].messages, 1);
    assert_int_equal(listeners[1].lives, 0);
    say_done("unsubscribe", "news");
    say_done("subscribe", "news");
    turn_until(loop, &listeners[1].lives, 1);
    assert_int_equal(listeners[0].lives, 0);
}

/* A server that refuses UNSUBSCRIBE does not keep others from being live. */
static void test_an_unsubscription_that_is_refused(void **state)
{
    (void)state;
    go_live(&listeners[0]);
    redis_unsubscribe(&listeners[0].sub);
    redis_subscribe(pubsub, &listeners[1].sub);
    turn_until(loop, &fake.commands, 3);
    fake_say(&fake, "-NOPERM this user has no permissions\r\n");
    say_done("subscribe", "news");
    turn_until(loop, &listeners[1].lives, 1);
}

/* The count of a connection that was lost is not that of the next one. */
static void test_one_that_left_before_the_connection_was_lost(void **state)
{
    (void)state;
    go_live(&listeners[0]);
    redis_unsubscribe(&listeners[0].sub);
    redis_subscribe(pubsub, &listeners[1].sub);
    turn_until(loop, &fake.commands, 3);
    fake_say(&fake, "what?\r\n");
    turn_until(loop, &fake.accepted, 2);
    turn_until(loop, &fake.commands, 4);
    say_done("subscribe", "news");
    turn_until(loop, &listeners[1].lives, 1);
}

static void test_each_channel_for_itself(void **state)
{
    static const char *const channels[SUBS_MAX] = {"news", "other", "third", ""};
    (void)state;
    for (int i = 0; i < SUBS_MAX; i++) {
        listeners[i].sub.channel = str_from(channels[i]);
        redis_subscribe(pubsub, &listeners[i].sub);
    }
    turn_until(loop, &fake.commands, SUBS_MAX);
    for (int i = 0; i < SUBS_MAX; i++) {
        say_done("subscribe", channels[i]);
        turn_until(loop, &listeners[i].lives, 1);
        say_message(channels[i], channels[i]);
        turn_until(loop, &listeners[i].messages, 1);
    }
    fake_say(&fake, "what?\r\n"); /* the connection is lost */
    turn_until(loop, &fake.accepted, 2);
    turn_until(loop, &fake.commands, 2 * SUBS_MAX);
    for (int i = 0; i < SUBS_MAX; i++) {
        assert_int_equal(listeners[i].lives, 1);
        assert_int_equal(listeners[i].messages, 1);
        assert_int_equal(listeners[i].losses, 1);
    }
}

static void test_callbacks_change_the_list(void **state)
{
    (void)state;
    go_live(&listeners[0]);
    go_live(&listeners[1]);
    go_live(&listeners[2]);
    listeners[0].victim = &listeners[1].sub; /* not told any more */
    listeners[0].child = &listeners[3].sub;  /* not told yet */
    listeners[2].victim = &listeners[2].sub;
    say_message("news", "one");
    turn_until(loop, &listeners[2].messages, 1);
    assert_int_equal(listeners[0].messages, 1);
    assert_int_equal(listeners[1].messages, 0);
    assert_int_equal(listeners[3].messages, 0);
    say_message("news", "two");
    turn_until(loop, &listeners[3].messages, 1);
    assert_int_equal(listeners[0].messages, 2);
    assert_int_equal(listeners[2].messages, 1);
    assert_null(strstr(fake.log, "UNSUBSCRIBE")); /* there always was one left */
}

static void test_odd_replies_are_no_messages(void **state)
{
    (void)state;
    go_live(&listeners[0]);
    fake_say(&fake, "-NOPERM this user has no permissions\r\n+PONG\r\n:1\r\n$-1\r\n*0\r\n"
                    "*1\r\n$7\r\nmessage\r\n*3\r\n:1\r\n:2\r\n:3\r\n"
                    "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    say_message("news", "one");
    turn_until(loop, &listeners[0].messages, 1);
    assert_int_equal(fake.accepted, 1);
}

static void test_garbage(void **state)
{
    (void)state;
    go_live(&listeners[0]);
    fake_say(&fake, "what?\r\n");
    turn_until(loop, &listeners[0].losses, 1);
    turn_until(loop, &fake.accepted, 2);
}

static void test_close_is_silent(void **state)
{
    (void)state;
    go_live(&listeners[0]);
    say_message("news", "one");
    redis_pubsub_close(pubsub, on_closed, &closed);
    pubsub = NULL;
    turn_until(loop, &closed, 1);
    assert_int_equal(listeners[0].messages, 0);
    assert_int_equal(listeners[0].losses, 0);
    redis_unsubscribe(&listeners[0].sub); /* is harmless */
}

static void test_metrics(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_create();
    assert_non_null(metrics);
    assert_int_equal(redis_pubsub_register_metrics(pubsub, metrics), 0);
    assert_false(redis_pubsub_is_ready(pubsub));
    go_live(&listeners[0]);
    assert_true(redis_pubsub_is_ready(pubsub));
    struct buf text;
    buf_init(&text, 1 << 20);
    render_metrics(metrics, METRICS_TEXT_0_0_4, &text);
    buf_append_char(&text, '\0');
    assert_non_null(strstr(text.data, "toq_redis_connected{connection=\"pubsub\"} 1\n"));
    buf_deinit(&text);
    metrics_destroy(metrics);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_messages),
        TEST(test_patterns),
        TEST(test_subscribes_again),
        TEST(test_subscribed_before_there_is_a_server),
        TEST(test_two_on_one_channel),
        TEST(test_the_answer_to_one_that_has_left),
        TEST(test_an_unsubscription_that_is_refused),
        TEST(test_one_that_left_before_the_connection_was_lost),
        TEST(test_each_channel_for_itself),
        TEST(test_callbacks_change_the_list),
        TEST(test_odd_replies_are_no_messages),
        TEST(test_garbage),
        TEST(test_close_is_silent),
        TEST(test_metrics),
    };
    return cmocka_run_group_tests_name("redis_pubsub", tests, NULL, NULL);
}
