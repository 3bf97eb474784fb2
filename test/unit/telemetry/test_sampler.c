/* SPDX-License-Identifier: MIT
 *
 * test_sampler.c - the six samplers: with and without a caller, and how many of many a ratio takes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/telemetry/sampler.h"

static void test_each_sampler(void **state)
{
    (void)state;
    static const struct {
        enum sampler_kind kind;
        bool alone;
        bool by_sampled;
        bool by_unsampled;
    } rows[] = {
        {SAMPLER_ALWAYS_ON, true, true, true},
        {SAMPLER_ALWAYS_OFF, false, false, false},
        {SAMPLER_PARENT_ALWAYS_ON, true, true, false},
        {SAMPLER_PARENT_ALWAYS_OFF, false, true, false},
        {SAMPLER_RATIO, true, true, true}, /* of 1 */
        {SAMPLER_PARENT_RATIO, true, true, false},
    };
    struct trace_context sampled = {.trace_id = {[8] = 0xFF}, .flags = TRACE_SAMPLED};
    struct trace_context unsampled = {.trace_id = {[8] = 0xFF}};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct sampler sampler;
        assert_true(sampler_init(&sampler, rows[i].kind, ""));
        assert_int_equal(sampler_wants(&sampler, &unsampled, false), rows[i].alone);
        assert_int_equal(sampler_wants(&sampler, &sampled, true), rows[i].by_sampled);
        assert_int_equal(sampler_wants(&sampler, &unsampled, true), rows[i].by_unsampled);
        assert_int_equal(sampler_is_off(&sampler), rows[i].kind == SAMPLER_ALWAYS_OFF);
    }
}

static size_t count_of(const char *ratio)
{
    struct sampler sampler;
    size_t count = 0;
    assert_true(sampler_init(&sampler, SAMPLER_RATIO, ratio));
    for (int i = 0; i < 10000; i++) {
        struct trace_context context;
        trace_begin(NULL, (uint64_t)i, &context);
        assert_int_equal(sampler_wants_own(&sampler, trace_own_end((uint64_t)i)),
                         sampler_wants(&sampler, &context, false));
        count += sampler_wants(&sampler, &context, false);
        assert_int_equal(sampler_wants(&sampler, &context, true),
                         sampler_wants(&sampler, &context, false)); /* a caller changes nothing */
    }
    return count;
}

static void test_a_ratio_is_kept(void **state)
{
    (void)state;
    assert_int_equal(count_of("0"), 0);
    assert_int_equal(count_of("1"), 10000);
    assert_int_equal(count_of("1.0"), 10000);
    assert_in_range(count_of("0.25"), 2200, 2800); /* seven deviations */
    assert_in_range(count_of("1e-1"), 790, 1210);
}

static void test_all_servers_of_a_trace_decide_alike(void **state)
{
    (void)state;
    struct sampler sampler;
    assert_true(sampler_init(&sampler, SAMPLER_RATIO, "0.5"));
    /* the ends of these ids are half of all, less one, and half */
    struct trace_context below = {
        .trace_id = {[8] = 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}};
    struct trace_context above = {.trace_id = {[8] = 0x80}};
    assert_true(sampler_wants(&sampler, &below, false));
    assert_false(sampler_wants(&sampler, &above, false));
}

static void test_what_is_no_ratio(void **state)
{
    (void)state;
    static const char *const wrong[] = {"-0.1", "1.1", "x", "0.5x", " 0.5", "nan", "inf", "0x1"};
    struct sampler sampler;
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        assert_false(sampler_init(&sampler, SAMPLER_RATIO, wrong[i]));
    }
    assert_true(sampler_init(&sampler, SAMPLER_RATIO, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_sampler),
        cmocka_unit_test(test_a_ratio_is_kept),
        cmocka_unit_test(test_all_servers_of_a_trace_decide_alike),
        cmocka_unit_test(test_what_is_no_ratio),
    };
    return cmocka_run_group_tests_name("sampler", tests, NULL, NULL);
}
