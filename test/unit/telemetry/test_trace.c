/* SPDX-License-Identifier: MIT
 *
 * test_trace.c - W3C trace context: what is taken from a caller and what is not, and ids.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdio.h>

#include "core/base/hex.h"
#include "core/telemetry/trace.h"

#define TRACE  "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN   "00f067aa0ba902b7"
#define PARENT "00-" TRACE "-" SPAN "-01"

static const uint8_t no_span[TRACE_SPAN_ID_BYTES];

/* --- traceparent --- */

static bool is_taken(const char *traceparent)
{
    struct trace_context caller;
    return trace_parse(str_from(traceparent), STR(""), &caller);
}

static void assert_id(const uint8_t *id, size_t size, const char *expected)
{
    char text[TRACE_ID_LEN];
    hex_encode(id, size, text);
    assert_int_equal(strlen(expected), 2 * size);
    assert_memory_equal(text, expected, 2 * size);
}

static void test_a_traceparent_is_read(void **state)
{
    (void)state;
    struct trace_context caller;
    assert_true(trace_parse(STR(PARENT), STR(" a=1,b@c=2 "), &caller));
    assert_id(caller.trace_id, TRACE_ID_BYTES, TRACE);
    assert_id(caller.span_id, TRACE_SPAN_ID_BYTES, SPAN);
    assert_memory_equal(caller.parent_id, no_span, sizeof(no_span));
    assert_int_equal(caller.flags, TRACE_SAMPLED);
    assert_true(str_equal(caller.tracestate, STR("a=1,b@c=2")));
}

static void test_later_versions_may_be_longer(void **state)
{
    (void)state;
    assert_true(is_taken("01-" TRACE "-" SPAN "-00"));
    assert_true(is_taken("cc-" TRACE "-" SPAN "-01-what-the-future-will-be-like"));
    assert_true(is_taken("fe-" TRACE "-" SPAN "-ff-"));
    assert_false(is_taken("cc-" TRACE "-" SPAN "-01.what-the-future-will-be-like"));
    assert_false(is_taken("cc-" TRACE "-" SPAN "-012"));
}

static void test_malformed_traceparents(void **state)
{
    (void)state;
    static const char *const malformed[] = {
        "",
        "-",
        "00",
        "00-" TRACE "-" SPAN,
        "00-" TRACE "-" SPAN "-",
        "00-" TRACE "-" SPAN "-0",
        "00-" TRACE "-" SPAN "-010",
        "00-" TRACE "-" SPAN "-01.",
        "00-" TRACE "-" SPAN "-01-what-the-future-will-be-like",
        "00-" TRACE "-" SPAN "-.0",
        "00-" TRACE "-" SPAN "-0G",
        "00-" TRACE "-" SPAN "_01",
        "00-" TRACE "_" SPAN "-01",
        "00_" TRACE "-" SPAN "-01",
        "ff-" TRACE "-" SPAN "-01",
        "FE-" TRACE "-" SPAN "-01",
        "0g-" TRACE "-" SPAN "-01",
        ".0-" TRACE "-" SPAN "-01",
        "0-" TRACE "-" SPAN "-01",
        "000-" TRACE "-" SPAN "-01",
        " 00-" TRACE "-" SPAN "-01",
        "00-00000000000000000000000000000000-" SPAN "-01",
        "00-" TRACE "-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01",
        "00-" TRACE "-00F067AA0BA902B7-01",
        "00-.bf92f3577b34da6a3ce929d0e0e4736-" SPAN "-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473\xFF-" SPAN "-01",
        "00-" TRACE "1-" SPAN "-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473-" SPAN "-01",
        "00-" TRACE "-" SPAN "1-01",
        "00-" TRACE "-00f067aa0ba902b-01",
        PARENT "," PARENT, /* doubled */
    };
    for (size_t i = 0; i < ARRAY_COUNT(malformed); i++) {
        if (is_taken(malformed[i])) {
            fail_msg("taken: %s", malformed[i]);
        }
    }
    struct trace_context caller = {.flags = 7};
    assert_false(trace_parse((struct str){NULL, 0}, STR("a=1"), &caller));
    assert_int_equal(caller.flags, 7);
}

/* --- tracestate --- */

/* is_kept parses a tracestate and tells whether it is to be passed on. */
static bool is_kept(const char *tracestate)
{
    struct trace_context caller;
    assert_true(trace_parse(STR(PARENT), str_from(tracestate), &caller));
    assert_true(caller.tracestate.len == 0 ||
                str_equal(caller.tracestate, str_trim(str_from(tracestate))));
    return caller.tracestate.len > 0;
}

static void test_well_formed_tracestates(void **state)
{
    (void)state;
    static const char *const kept[] = {
        "foo=1",
        "foo=1,bar=2",
        "foo=1 \t , \t bar=2, \t baz=3",
        "\tfoo=1,,\t,",
        "abcdefghijklmnopqrstuvwxyz0123456789_-*/=1",
        "0a@a-z0-9_-*/= !\"#$%&'()*+-./0123456789:;<>?@ABCXYZ[\\]^_`abcxyz{|}~",
        "1=1",
    };
    for (size_t i = 0; i < ARRAY_COUNT(kept); i++) {
        if (!is_kept(kept[i])) {
            fail_msg("left out: %s", kept[i]);
        }
    }
}

static void test_malformed_tracestates(void **state)
{
    (void)state;
    static const char *const malformed[] = {
        "",         " ",        ",",         "foo",          "foo=",         "=1",
        "foo =1",   "FOO=1",    "foo.bar=1", "foo@=1,bar=2", "@foo=1",       "foo@@bar=1",
        "f@b@z=1",  "_a=1",     "a@1b=1",    "a@_b=1",       "foo=1=2",      "foo=1,foo=1",
        "a=1,b,c=", "foo=\x7F", "foo=\x01",  "foo=\xC3\xA4", "foo=1,bar=2=", "f\xC3\xA4=1",
    };
    for (size_t i = 0; i < ARRAY_COUNT(malformed); i++) {
        if (is_kept(malformed[i])) {
            fail_msg("kept: %s", malformed[i]);
        }
    }
}

/* repeat writes `count` times `byte` to `out`, and `tail`. */
static const char *repeat(char *out, char byte, size_t count, const char *tail)
{
    memset(out, byte, count);
    memcpy(out + count, tail, strlen(tail) + 1);
    return out;
}

static void test_limits_of_a_tracestate(void **state)
{
    (void)state;
    char text[1024];
    assert_true(is_kept(repeat(text, 'z', 256, "=1")));
    assert_false(is_kept(repeat(text, 'z', 257, "=1")));
    assert_true(is_kept(repeat(text, 't', 241, "@vvvvvvvvvvvvvv=1")));
    assert_false(is_kept(repeat(text, 't', 242, "@v=1")));
    assert_false(is_kept("t@vvvvvvvvvvvvvvv=1"));
    memcpy(text, "k=", 2);
    (void)repeat(text + 2, 'v', 256, "");
    assert_true(is_kept(text));
    (void)repeat(text + 2, 'v', 257, "");
    assert_false(is_kept(text));
    size_t len = 0;
    for (int i = 0; i < 32; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "k%d=%d,", i, i);
    }
    assert_true(is_kept(text));
    (void)snprintf(text + len, sizeof(text) - len, "k32=32");
    assert_false(is_kept(text));
}

/* --- spans --- */

static void test_a_trace_goes_on(void **state)
{
    (void)state;
    struct trace_context caller;
    struct trace_context context;
    char text[TRACE_PARENT_LEN];
    assert_true(trace_parse(STR("00-" TRACE "-" SPAN "-fd"), STR("a=1"), &caller));
    trace_begin(&caller, 1, &context);
    assert_true(trace_has_begun(&context));
    assert_id(context.trace_id, TRACE_ID_BYTES, TRACE);
    assert_id(context.parent_id, TRACE_SPAN_ID_BYTES, SPAN);
    assert_memory_not_equal(context.span_id, caller.span_id, TRACE_SPAN_ID_BYTES);
    assert_int_equal(context.flags, TRACE_SAMPLED);
    assert_true(str_equal(context.tracestate, STR("a=1")));
    trace_format(&context, text);
    assert_memory_equal(text, "00-" TRACE "-", 36);
    assert_memory_equal(text + 52, "-01", 3);
    struct trace_context next;
    assert_true(trace_parse((struct str){text, sizeof(text)}, STR(""), &next));
    assert_memory_equal(next.span_id, context.span_id, TRACE_SPAN_ID_BYTES);
}

static void test_a_trace_begins(void **state)
{
    (void)state;
    static struct trace_context contexts[1000];
    for (size_t i = 0; i < ARRAY_COUNT(contexts); i++) {
        struct trace_context *one = &contexts[i];
        assert_false(trace_has_begun(one));
        trace_begin(NULL, i, one);
        assert_true(trace_has_begun(one));
        assert_memory_equal(one->parent_id, no_span, sizeof(no_span));
        assert_int_equal(one->flags, TRACE_RANDOM);
        struct trace_ids ids;
        trace_own_ids(i, &ids);
        assert_memory_equal(one->trace_id, ids.trace_id, TRACE_ID_BYTES);
        assert_memory_equal(one->span_id, &ids.span_id, TRACE_SPAN_ID_BYTES);
        assert_int_equal(one->tracestate.len, 0);
        for (size_t k = 0; k < 8; k++) { /* its end, the highest byte first */
            assert_int_equal(one->trace_id[8 + k], (trace_own_end(i) >> (56 - 8 * k)) & 0xFF);
        }
        for (size_t k = 0; k < i; k++) {
            assert_memory_not_equal(one->trace_id, contexts[k].trace_id, TRACE_ID_BYTES);
            assert_memory_not_equal(one->span_id, contexts[k].span_id, TRACE_SPAN_ID_BYTES);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_traceparent_is_read),
        cmocka_unit_test(test_later_versions_may_be_longer),
        cmocka_unit_test(test_malformed_traceparents),
        cmocka_unit_test(test_well_formed_tracestates),
        cmocka_unit_test(test_malformed_tracestates),
        cmocka_unit_test(test_limits_of_a_tracestate),
        cmocka_unit_test(test_a_trace_goes_on),
        cmocka_unit_test(test_a_trace_begins),
    };
    return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
