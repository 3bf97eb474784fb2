/* SPDX-License-Identifier: MIT
 *
 * test_sampler.c - consumers of different pace beside each other: each has the CPU time of its
 * time.
 *
 * Tests: profiling/code/code.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <time.h>
#include <uv.h>

#include "profiling/code/code.h"
#include "profiling/cpu/sampler.h"
#include "test/unit/support/exact_signals.h"
#include "test/unit/support/pool_rig.h"

#define SLOW_NS (20 * NS_PER_MS)
#define FAST_NS (5 * NS_PER_MS)
#define TICK_NS (4 * NS_PER_MS) /* of the kernel's timers */

struct counter {
    struct sampler_consumer consumer;
    uint64_t samples;
    uint64_t cpu_ns;
    uint64_t last_period_ns;
    uint64_t most_period_ns;
    int drains;
};

static struct loop *loop;
static struct counter slow;
static struct counter fast;
static volatile uint64_t sink;

static void on_sample(struct sampler_consumer *consumer, const struct ring_sample *sample,
                      const char *name)
{
    struct counter *counter = CONTAINER_OF(consumer, struct counter, consumer);
    assert_true(name[0] != '\0');
    counter->samples++;
    counter->cpu_ns += (uint64_t)sample->weight * sample->period_ns;
    counter->last_period_ns = sample->period_ns;
    if (sample->period_ns > counter->most_period_ns) {
        counter->most_period_ns = sample->period_ns;
    }
}

static void on_drained(struct sampler_consumer *consumer)
{
    CONTAINER_OF(consumer, struct counter, consumer)->drains++;
}

static void on_code(struct code_wait *wait, int status)
{
    assert_int_equal(status, 0);
    wait->done = NULL;
}

static int start(void **state)
{
    (void)state;
    slow = (struct counter){.consumer = {.period_ns = SLOW_NS,
                                         .drain_ms = 20,
                                         .on_sample = on_sample,
                                         .on_drained = on_drained}};
    fast = (struct counter){
        .consumer = {.period_ns = FAST_NS, .drain_ms = 10, .on_sample = on_sample}};
    assert_int_equal(loop_create(&loop), 0);
    assert_int_equal(code_start(loop, pool_rig_get()), 0);
    assert_int_equal(sampler_start(loop, NULL), 0);
    struct code_wait wait = {.done = on_code};
    assert_int_equal(code_refresh(&wait), 0);
    while (wait.done != NULL) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    return 0;
}

static int stop(void **state)
{
    (void)state;
    sampler_stop();
    sampler_stop(); /* harmless */
    code_stop();
    while (pool_rig_is_waiting(loop)) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    (void)uv_run(loop_uv(loop), UV_RUN_NOWAIT);
    loop_destroy(loop); /* aborts when a handle lives */
    return 0;
}

static uint64_t cpu_ns(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* Burns until a counter has `count` samples more. */
static void burn_until_more(const struct counter *counter, uint64_t count)
{
    const uint64_t wanted = counter->samples + count;
    while (counter->samples < wanted) {
        for (uint64_t i = 0; i < 100000; i++) {
            sink = sink + i;
        }
        sampler_drain();
    }
}

static void test_the_fastest_sets_the_pace_and_all_get_the_samples(void **state)
{
    (void)state;
    sampler_add(&slow.consumer);
    burn_until_more(&slow, 2);
    assert_int_equal(slow.most_period_ns, SLOW_NS);
    sampler_add(&fast.consumer);
    burn_until_more(&fast, 5);
    assert_int_equal(slow.last_period_ns, FAST_NS);
    sampler_remove(&fast.consumer);
    const uint64_t before = fast.samples;
    burn_until_more(&slow, 2);
    assert_int_equal(slow.last_period_ns, SLOW_NS);
    assert_int_equal(fast.samples, before);
    sampler_remove(&slow.consumer);
    assert_true(slow.drains > 0);
    assert_true(sampler_get_stats().handler_ns > 0);
    assert_int_equal(sampler_get_stats().lost, 0);
    if (HAS_EXACT_SIGNALS) {
        assert_int_equal(fast.most_period_ns, FAST_NS); /* none of the time before */
    }
}

/* Around each change of pace at most one period is lost or counted twice. */
static void test_changes_of_pace_lose_no_time(void **state)
{
    (void)state;
    sampler_add(&slow.consumer);
    const uint64_t start_ns = cpu_ns();
    burn_until_more(&slow, 10);
    sampler_add(&fast.consumer);
    const uint64_t fast_start_ns = cpu_ns();
    burn_until_more(&fast, 100);
    sampler_remove(&fast.consumer);
    const uint64_t fast_ns = cpu_ns() - fast_start_ns;
    burn_until_more(&slow, 10);
    const uint64_t all_ns = cpu_ns() - start_ns;
    sampler_remove(&slow.consumer);
    if (HAS_EXACT_SIGNALS) {
        assert_in_range(fast.cpu_ns + 2 * FAST_NS + TICK_NS, fast_ns,
                        fast_ns + 4 * FAST_NS + 2 * TICK_NS);
        const uint64_t slack_ns = 3 * (SLOW_NS + TICK_NS);
        assert_in_range(slow.cpu_ns + slack_ns, all_ns, all_ns + 2 * slack_ns);
    }
}

static void test_the_first_may_leave_before_the_second(void **state)
{
    (void)state;
    sampler_add(&fast.consumer);
    sampler_add(&slow.consumer); /* no change of pace */
    burn_until_more(&slow, 3);
    assert_int_equal(slow.last_period_ns, FAST_NS);
    sampler_remove(&fast.consumer);
    burn_until_more(&slow, 2);
    assert_int_equal(slow.last_period_ns, SLOW_NS);
    sampler_add(&fast.consumer);
    sampler_remove(&slow.consumer);
    burn_until_more(&fast, 2);
    assert_int_equal(fast.last_period_ns, FAST_NS);
    sampler_remove(&fast.consumer);
    sampler_add(&fast.consumer); /* after there was none */
    burn_until_more(&fast, 2);
    sampler_remove(&fast.consumer);
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

static void test_the_timer_drains_and_keeps_no_loop_alive(void **state)
{
    (void)state;
    uv_timer_t tick;
    sampler_drain(); /* nobody there */
    sampler_add(&slow.consumer);
    assert_int_equal(uv_timer_init(loop_uv(loop), &tick), 0);
    assert_int_equal(uv_timer_start(&tick, on_tick, 1, 1), 0);
    while (slow.drains < 3) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&tick, NULL);
    loop_run(loop); /* returns */
    sampler_remove(&slow.consumer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_fastest_sets_the_pace_and_all_get_the_samples,
                                        start, stop),
        cmocka_unit_test_setup_teardown(test_changes_of_pace_lose_no_time, start, stop),
        cmocka_unit_test_setup_teardown(test_the_first_may_leave_before_the_second, start, stop),
        cmocka_unit_test_setup_teardown(test_the_timer_drains_and_keeps_no_loop_alive, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
