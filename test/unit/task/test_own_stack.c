/* SPDX-License-Identifier: MIT
 *
 * test_own_stack.c - places in this program as offsets, for whoever has the executable.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include "core/task/own_stack.h"
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const char __executable_start[];

static size_t offset_of(const void *code)
{
    return (size_t)((const char *)code - __executable_start);
}

static void test_an_offset(void **state)
{
    (void)state;
    char wanted[OWN_STACK_OFFSET_BYTES];
    char text[OWN_STACK_OFFSET_BYTES];
    (void)snprintf(wanted, sizeof(wanted), "+0x%zx", offset_of((const void *)test_an_offset));
    own_stack_offset((const void *)test_an_offset, text);
    assert_string_equal(text, wanted);
    own_stack_offset((const void *)&text, text); /* no code */
    assert_string_equal(text, "?");
    own_stack_offset(NULL, text);
    assert_string_equal(text, "?");
}

/* Two functions that call each other to the wanted depth, and say where they were called from. */
static char stack[OWN_STACK_TEXT_BYTES];

static void __attribute__((noinline)) call_odd(int depth);

static void __attribute__((noinline)) call_even(int depth)
{
    if (depth == 0) {
        own_stack_format(stack);
    } else {
        call_odd(depth - 1);
    }
    __asm__ volatile("" ::: "memory"); /* so that the calls are no jumps */
}

static void __attribute__((noinline)) call_odd(int depth)
{
    if (depth == 0) {
        own_stack_format(stack);
    } else {
        call_even(depth - 1);
    }
    __asm__ volatile("" ::: "memory");
}

/* lies_in tells whether an offset is of a place within the first bytes of a function. */
static bool lies_in(size_t offset, void (*function)(int))
{
    return offset > offset_of((const void *)function) &&
           offset < offset_of((const void *)function) + 256;
}

static void test_the_callers_the_innermost_first(void **state)
{
    (void)state;
    call_even(3);
    char *rest = stack;
    const char *field;
    size_t offsets[4] = {0};
    size_t count = 0;
    while (count < 4 && (field = strsep(&rest, " ")) != NULL) {
        assert_memory_equal(field, "+0x", 3);
        offsets[count++] = strtoul(field + 1, NULL, 16);
    }
    assert_int_equal(count, 4);
    assert_true(lies_in(offsets[0], call_odd)); /* depth 0, called from depth 1 ... */
    assert_true(lies_in(offsets[1], call_even));
    assert_true(lies_in(offsets[2], call_odd));
    assert_true(lies_in(offsets[3], call_even));
}

static void test_a_deep_stack_fits(void **state)
{
    (void)state;
    call_even(100);
    assert_true(strlen(stack) < OWN_STACK_TEXT_BYTES);
    assert_null(strstr(stack, "  "));
    assert_true(stack[strlen(stack) - 1] != ' ');
}

/* A frame pointer that leads backwards or nowhere ends it. */
static void test_frames_that_are_none(void **state)
{
    (void)state;
    const void *code = (const void *)test_frames_that_are_none;
    const void *addresses[4];
    const void *frames[6] = {NULL, NULL, frames, NULL, NULL, code};
    addresses[0] = code;
    frames[0] = NULL; /* backwards */
    assert_int_equal(own_stack_follow(frames, addresses, 4), 1);
    frames[0] = &frames[4];
    frames[4] = frames; /* one step, then backwards */
    assert_int_equal(own_stack_follow(frames, addresses, 4), 2);
    assert_ptr_equal(addresses[1], code);
    frames[0] = (const char *)&frames[4] + 1; /* not aligned */
    assert_int_equal(own_stack_follow(frames, addresses, 4), 1);
    frames[0] = (const void *)((uintptr_t)frames + (1 << 20)); /* too far */
    assert_int_equal(own_stack_follow(frames, addresses, 4), 1);
    addresses[0] = frames; /* no code: its frame is not looked at */
    frames[0] = &frames[4];
    assert_int_equal(own_stack_follow(frames, addresses, 4), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_offset),
        cmocka_unit_test(test_the_callers_the_innermost_first),
        cmocka_unit_test(test_a_deep_stack_fits),
        cmocka_unit_test(test_frames_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
