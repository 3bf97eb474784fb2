/* SPDX-License-Identifier: MIT
 *
 * test_ring.c - samples come out as they went in, in order; what does not fit is counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

#include "profiling/walk/ring.h"

#define WORDS 64u

static uint64_t words[WORDS];

/* Every third has none. */
static struct trace_ids make_ids(uint32_t number)
{
    return number % 3 == 0 ? (struct trace_ids){0}
                           : (struct trace_ids){.trace_id = {~(uint64_t)number, number},
                                                .span_id = UINT64_MAX - number};
}

static struct ring_sample make_sample(uint32_t number, uint32_t frame_count)
{
    struct ring_sample sample = {.taken_ns = UINT64_MAX - number,
                                 .owner.label = number,
                                 .owner.trace = make_ids(number),
                                 .weight = number + 1,
                                 .period_ns = RING_PERIOD_NS_MAX - number,
                                 .frame_count = frame_count,
                                 .is_complete = number % 2 == 0};
    for (uint32_t i = 0; i < frame_count; i++) {
        sample.frames[i] = (uint64_t)number << 32 | i;
    }
    return sample;
}

static void assert_sample(const struct ring_sample *sample, uint32_t number, uint32_t frame_count)
{
    struct ring_sample wanted = make_sample(number, frame_count);
    assert_int_equal(sample->taken_ns, wanted.taken_ns);
    assert_int_equal(sample->owner.label, wanted.owner.label);
    assert_memory_equal(&sample->owner.trace, &wanted.owner.trace, sizeof(wanted.owner.trace));
    assert_int_equal(sample->weight, wanted.weight);
    assert_int_equal(sample->period_ns, wanted.period_ns);
    assert_int_equal(sample->frame_count, frame_count);
    assert_int_equal(sample->is_complete, wanted.is_complete);
    assert_memory_equal(sample->frames, wanted.frames, frame_count * sizeof(uint64_t));
}

static void test_samples_wrap_round_the_end(void **state)
{
    (void)state;
    struct ring ring;
    ring_init(&ring, words, WORDS);
    for (uint32_t i = 0; i < 200; i++) {
        uint32_t frames = 1 + i % 13;
        struct ring_sample in = make_sample(i, frames);
        struct ring_sample out;
        ring_push(&ring, &in);
        assert_true(ring_pop(&ring, &out));
        assert_sample(&out, i, frames);
        assert_false(ring_pop(&ring, &out));
    }
    assert_int_equal(ring_take_lost(&ring), 0);
}

static uint32_t frames_of_16_words(uint32_t number)
{
    return make_ids(number).span_id == 0 ? 13 : 10;
}

static void test_a_full_ring_counts_what_it_drops(void **state)
{
    (void)state;
    struct ring ring;
    ring_init(&ring, words, WORDS);
    for (uint32_t i = 0; i < 5; i++) { /* 4 samples of 16 words fill it */
        struct ring_sample sample = make_sample(i, frames_of_16_words(i));
        ring_push(&ring, &sample);
    }
    assert_int_equal(ring_take_lost(&ring), 5); /* the weight of sample 4 */
    assert_int_equal(ring_take_lost(&ring), 0);
    struct ring_sample out;
    for (uint32_t i = 0; i < 4; i++) {
        assert_true(ring_pop(&ring, &out));
        assert_sample(&out, i, frames_of_16_words(i));
    }
    assert_false(ring_pop(&ring, &out));
}

static void test_the_deepest_stack_fits(void **state)
{
    (void)state;
    static uint64_t many[256];
    struct ring ring;
    ring_init(&ring, many, ARRAY_COUNT(many));
    struct ring_sample in = make_sample(8, RING_FRAMES_MAX);
    struct ring_sample out;
    ring_push(&ring, &in);
    assert_true(ring_pop(&ring, &out));
    assert_sample(&out, 8, RING_FRAMES_MAX);
}

#define RACE_SAMPLES 20000u

static void *produce(void *arg)
{
    for (uint32_t i = 0; i < RACE_SAMPLES; i++) {
        struct ring_sample sample = make_sample(i, 1 + i % 13);
        sample.weight = 1;
        ring_push(arg, &sample);
    }
    return NULL;
}

static void test_two_threads_lose_nothing_uncounted(void **state)
{
    (void)state;
    struct ring ring;
    pthread_t producer;
    ring_init(&ring, words, WORDS);
    assert_int_equal(pthread_create(&producer, NULL, produce, &ring), 0);
    uint64_t seen = 0;
    uint32_t next = 0;
    while (seen < RACE_SAMPLES) {
        struct ring_sample sample;
        if (ring_pop(&ring, &sample)) {
            assert_true(sample.owner.label >=
                        next); /* in order, with gaps where the ring was full */
            assert_int_equal(sample.frame_count, 1 + sample.owner.label % 13);
            assert_int_equal(sample.frames[0], (uint64_t)sample.owner.label << 32);
            next = sample.owner.label + 1;
            seen++;
        } else {
            seen += ring_take_lost(&ring);
            (void)sched_yield();
        }
    }
    assert_int_equal(seen, RACE_SAMPLES);
    assert_int_equal(pthread_join(producer, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples_wrap_round_the_end),
        cmocka_unit_test(test_a_full_ring_counts_what_it_drops),
        cmocka_unit_test(test_the_deepest_stack_fits),
        cmocka_unit_test(test_two_threads_lose_nothing_uncounted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
