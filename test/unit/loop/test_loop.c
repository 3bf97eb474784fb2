/* SPDX-License-Identifier: MIT
 *
 * test_loop.c - deferred calls, calls from other threads, the wheel's clock, and a loop that ends
 * with nothing open.
 *
 * loop.c is included, with its calloc replaced by one that fails on demand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "test/unit/support/failing_alloc.h"
#define calloc failing_calloc
#include "core/loop/loop.c"
#include "test/unit/support/render_metrics.h"
#undef calloc

#define MANY 1000

static struct loop *loop;
static uv_async_t keep; /* the heartbeat alone does not keep a loop running */

static int setup(void **state)
{
    (void)state;
    assert_int_equal(loop_create(&loop), 0);
    return uv_async_init(loop_uv(loop), &keep, NULL);
}

static int teardown(void **state)
{
    (void)state;
    uv_close((uv_handle_t *)&keep, NULL);
    loop_destroy(loop); /* aborts on a handle that is open */
    loop = NULL;
    return 0;
}

/* --- deferred calls --- */

struct step {
    struct loop_deferred deferred;
    unsigned runs;
    unsigned order;
    struct step *next;   /* deferred when this one runs */
    struct step *victim; /* taken back when this one runs */
    unsigned stop_after; /* runs; 0: never */
};

static unsigned order;

static void run_step(struct loop_deferred *deferred)
{
    struct step *step = CONTAINER_OF(deferred, struct step, deferred);
    step->runs++;
    step->order = ++order;
    if (step->next != NULL) {
        loop_defer(loop, &step->next->deferred);
    }
    if (step->victim != NULL) {
        loop_undefer(&step->victim->deferred);
    }
    if (step->runs == step->stop_after) {
        loop_undefer(&step->next->deferred);
        loop_stop(loop);
    }
}

static void step_init(struct step *step)
{
    *step = (struct step){.deferred = {.run = run_step}};
    list_init(&step->deferred.link);
}

static void turn(void)
{
    (void)uv_run(loop_uv(loop), UV_RUN_NOWAIT);
}

static void test_deferred_calls_run_once_in_order(void **state)
{
    (void)state;
    struct step steps[3];
    order = 0;
    for (size_t i = 0; i < ARRAY_COUNT(steps); i++) {
        step_init(&steps[i]);
        loop_defer(loop, &steps[i].deferred);
    }
    loop_defer(loop, &steps[0].deferred); /* is queued already */
    turn();
    turn();
    for (unsigned i = 0; i < ARRAY_COUNT(steps); i++) {
        assert_int_equal(steps[i].runs, 1);
        assert_int_equal(steps[i].order, i + 1);
    }
}

/* run_long takes as long as a round may take in all. */
static void run_long(struct loop_deferred *deferred)
{
    const uint64_t end_ns = clock_now_ns() + 2 * NS_PER_MS;
    run_step(deferred);
    while (clock_now_ns() < end_ns) {
    }
}

static void test_deferred_calls_that_take_long_are_spread_over_turns(void **state)
{
    (void)state;
    struct step steps[20];
    unsigned turns = 0;
    order = 0;
    for (size_t i = 0; i < ARRAY_COUNT(steps); i++) {
        step_init(&steps[i]);
        steps[i].deferred.run = run_long;
        loop_defer(loop, &steps[i].deferred);
    }
    for (; order < ARRAY_COUNT(steps); turns++) {
        const unsigned before = order;
        turn();
        assert_true(order - before <= 8); /* four a round, two rounds a turn */
    }
    assert_true(turns >= 3);
    for (unsigned i = 0; i < ARRAY_COUNT(steps); i++) {
        assert_int_equal(steps[i].runs, 1);
        assert_int_equal(steps[i].order, i + 1); /* and in their order all the same */
    }
}

/* Its owner takes it back when the loop is gone, and neither touches what was the loop's. */
static void test_a_deferred_call_may_outlive_the_loop(void **state)
{
    (void)state;
    struct loop *short_lived;
    struct step steps[2];
    assert_int_equal(loop_create(&short_lived), 0);
    for (size_t i = 0; i < ARRAY_COUNT(steps); i++) {
        step_init(&steps[i]);
        loop_defer(short_lived, &steps[i].deferred);
    }
    loop_destroy(short_lived);
    for (size_t i = 0; i < ARRAY_COUNT(steps); i++) {
        assert_true(list_is_empty(&steps[i].deferred.link));
        loop_undefer(&steps[i].deferred);
        assert_int_equal(steps[i].runs, 0);
    }
}

static void test_a_deferred_call_can_be_taken_back(void **state)
{
    (void)state;
    struct step first;
    struct step second;
    step_init(&first);
    step_init(&second);
    first.victim = &second;
    loop_defer(loop, &first.deferred);
    loop_defer(loop, &second.deferred);
    turn();
    assert_int_equal(first.runs, 1);
    assert_int_equal(second.runs, 0);
    loop_undefer(&second.deferred);
}

static void on_timer(uv_timer_t *timer)
{
    ++*(unsigned *)timer->data;
}

/* What the last callback of a turn defers is run also where no handle would bring another turn. */
static void test_a_deferred_call_needs_no_handle(void **state)
{
    (void)state;
    struct step first;
    struct step second;
    step_init(&first);
    step_init(&second);
    first.next = &second;
    uv_unref((uv_handle_t *)&keep);
    loop_defer(loop, &first.deferred);
    loop_run(loop);
    assert_int_equal(first.runs, 1);
    assert_int_equal(second.runs, 1);
}

/* Two calls that defer each other must leave room for timers, and must not wait for one. */
static void test_deferring_for_ever_starves_nobody(void **state)
{
    (void)state;
    struct step ping;
    struct step pong;
    static uv_timer_t timer; /* closed after this returns */
    unsigned fired = 0;
    step_init(&ping);
    step_init(&pong);
    ping.next = &pong;
    pong.next = &ping;
    ping.stop_after = MANY;
    assert_int_equal(uv_timer_init(loop_uv(loop), &timer), 0);
    timer.data = &fired;
    assert_int_equal(uv_timer_start(&timer, on_timer, 0, 0), 0);
    loop_defer(loop, &ping.deferred);
    loop_run(loop);
    assert_int_equal(ping.runs, MANY);
    assert_true(fired > 0);
    assert_int_equal(ping.runs - pong.runs, 1);
    uv_close((uv_handle_t *)&timer, NULL);
}

/* --- posts --- */

#define POSTERS 3

struct poster {
    pthread_t thread;
    struct loop *loop;
    struct poster_call {
        struct loop_post post;
        unsigned order; /* 0: it has not run */
        pthread_t ran_on;
    } calls[MANY];
};

static void run_post(struct loop_post *post)
{
    struct poster_call *call = CONTAINER_OF(post, struct poster_call, post);
    call->order = ++order;
    call->ran_on = pthread_self();
    loop_unref(loop);
}

static void *post_all(void *arg)
{
    struct poster *poster = arg;
    for (size_t i = 0; i < MANY; i++) {
        poster->calls[i].post.run = run_post;
        loop_post(poster->loop, &poster->calls[i].post);
    }
    return NULL;
}

static void test_posts_of_other_threads_run_once_in_order_on_the_loop(void **state)
{
    (void)state;
    static struct poster posters[POSTERS];
    order = 0;
    uv_unref((uv_handle_t *)&keep); /* loop_ref alone keeps it running */
    for (size_t i = 0; i < POSTERS * MANY; i++) {
        loop_ref(loop);
    }
    for (size_t i = 0; i < POSTERS; i++) {
        posters[i].loop = loop;
        assert_int_equal(pthread_create(&posters[i].thread, NULL, post_all, &posters[i]), 0);
    }
    loop_run(loop);
    assert_int_equal(order, POSTERS * MANY);
    for (size_t i = 0; i < POSTERS; i++) {
        assert_int_equal(pthread_join(posters[i].thread, NULL), 0);
        for (size_t n = 0; n < MANY; n++) {
            assert_true(pthread_equal(posters[i].calls[n].ran_on, pthread_self()));
            assert_true(n == 0 || posters[i].calls[n].order > posters[i].calls[n - 1].order);
        }
    }
}

static void test_a_post_alone_keeps_no_loop_running(void **state)
{
    (void)state;
    struct poster_call call = {.post = {.run = run_post}};
    uv_unref((uv_handle_t *)&keep);
    loop_post(loop, &call.post);
    loop_run(loop); /* returns */
    loop_ref(loop);
    loop_run(loop);
    assert_int_not_equal(call.order, 0);
}

/* --- time, metrics, memory --- */

struct alarm_clock {
    struct wheel_timer timer;
    uint64_t fired_ms;
};

static void on_alarm(struct wheel_timer *timer)
{
    CONTAINER_OF(timer, struct alarm_clock, timer)->fired_ms = loop_now_ms(loop);
    loop_stop(loop);
}

static void test_a_timer_of_the_wheel_fires_not_early(void **state)
{
    (void)state;
    struct alarm_clock alarm;
    wheel_timer_init(&alarm.timer, on_alarm);
    const uint64_t set_ms = loop_now_ms(loop);
    loop_set_timer(loop, &alarm.timer, 30);
    loop_run(loop);
    assert_true(alarm.fired_ms >= set_ms + 30);
}

static void test_the_date_is_a_date(void **state)
{
    (void)state;
    const struct str date = loop_http_date(loop);
    assert_int_equal(date.len, CLOCK_HTTP_BYTES - 1);
    assert_memory_equal(date.ptr + date.len - 4, " GMT", 4);
}

static void test_metrics_count_turns(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_create();
    struct alarm_clock alarm;
    struct buf text;
    assert_non_null(metrics);
    buf_init(&text, 1 << 20);
    assert_int_equal(loop_register_metrics(loop, metrics), 0);
    wheel_timer_init(&alarm.timer, on_alarm);
    loop_set_timer(loop, &alarm.timer, 1);
    loop_run(loop);
    render_metrics(metrics, METRICS_TEXT_0_0_4, &text);
    buf_append_char(&text, '\0');
    assert_null(strstr(text.data, "\ntoq_loop_iterations_total 0\n"));
    assert_true(*loop->turns_total > 0);
    buf_deinit(&text);
    metrics_destroy(metrics);
}

/* --- how long callbacks hold the loop --- */

#define HELD_NS (5 * NS_PER_MS)

static uint64_t stalled_ns;
static uint64_t seen_turn;
static uint64_t seen_ns;
static uint64_t spun_ns;

static void on_stall(uint64_t turn, uint64_t held_ns)
{
    if (turn == seen_turn) { /* a busy machine may hold it, too */
        stalled_ns = held_ns;
        loop_stop(loop);
    }
}

static void hold(struct wheel_timer *timer)
{
    (void)timer;
    const uint64_t start_ns = clock_now_ns();
    while (clock_now_ns() - start_ns < HELD_NS) {
    }
    seen_ns = loop_held_ns(loop, &seen_turn);
    spun_ns = clock_now_ns() - start_ns;
}

static void test_a_turn_that_holds_the_loop_is_told(void **state)
{
    (void)state;
    uint64_t turn;
    struct wheel_timer timer;
    assert_int_equal(loop_held_ns(loop, &turn), 0); /* it does not run */
    loop_on_stall(loop, HELD_NS, on_stall);
    wheel_timer_init(&timer, hold);
    loop_set_timer(loop, &timer, 1);
    const uint64_t start_ns = clock_now_ns();
    loop_run(loop);
    assert_true(seen_ns >= HELD_NS);
    assert_true(stalled_ns >= spun_ns);
    const uint64_t idle_ns = uv_metrics_idle_time(loop_uv(loop));
    assert_true(stalled_ns + idle_ns <= clock_now_ns() - start_ns);
    assert_int_equal(loop_held_ns(loop, &turn), 0);
    loop_on_stall(loop, 0, NULL);
}

static void test_without_memory_there_is_no_loop(void **state)
{
    (void)state;
    struct loop *none = NULL;
    allocations_left = 0;
    assert_int_equal(loop_create(&none), UV_ENOMEM);
    allocations_left = SIZE_MAX;
    assert_null(none);
    loop_destroy(NULL);
}

#define WITH_LOOP(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LOOP(test_deferred_calls_run_once_in_order),
        WITH_LOOP(test_deferred_calls_that_take_long_are_spread_over_turns),
        WITH_LOOP(test_a_deferred_call_can_be_taken_back),
        cmocka_unit_test(test_a_deferred_call_may_outlive_the_loop),
        WITH_LOOP(test_a_deferred_call_needs_no_handle),
        WITH_LOOP(test_deferring_for_ever_starves_nobody),
        WITH_LOOP(test_posts_of_other_threads_run_once_in_order_on_the_loop),
        WITH_LOOP(test_a_post_alone_keeps_no_loop_running),
        WITH_LOOP(test_a_timer_of_the_wheel_fires_not_early),
        WITH_LOOP(test_the_date_is_a_date),
        WITH_LOOP(test_metrics_count_turns),
        WITH_LOOP(test_a_turn_that_holds_the_loop_is_told),
        cmocka_unit_test(test_without_memory_there_is_no_loop),
    };
    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
