/* SPDX-License-Identifier: MIT
 *
 * test_bounds.c - the stack that the calling thread may read: the main one, another, and a place
 * that is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "profiling/walk/bounds.h"

static uint64_t here(void)
{
    return (uintptr_t)__builtin_frame_address(0);
}

/* The main thread's stack may grow to where it was told. */
static void test_the_main_thread(void **state)
{
    (void)state;
    const uint64_t sp = here();
    bounds_init(sp - 4096, sp + 65536);
    assert_true(bounds_are_known());
    assert_true(bounds_is_main());
    struct unwind_stack stack = bounds_find(sp);
    assert_int_equal(stack.low, sp);
    assert_int_equal(stack.high, sp + 65536);
    stack = bounds_find(sp - 4097); /* below it */
    assert_int_equal(stack.low, stack.high);
    stack = bounds_find(sp + 65536); /* above it */
    assert_int_equal(stack.low, stack.high);
    bounds_init(0, 0); /* unknown: nothing is read directly */
    stack = bounds_find(sp);
    assert_int_equal(stack.low, stack.high);
}

static void *look(void *arg)
{
    const uint64_t sp = here();
    const uint64_t *elsewhere = arg;
    pthread_attr_t attr;
    void *base;
    size_t size;
    assert_int_equal(pthread_getattr_np(pthread_self(), &attr), 0);
    assert_int_equal(pthread_attr_getstack(&attr, &base, &size), 0);
    assert_int_equal(pthread_attr_destroy(&attr), 0);
    assert_false(bounds_is_main());
    struct unwind_stack stack = bounds_find(sp);
    assert_int_equal(stack.low, sp);
    assert_true(stack.high > sp && stack.high <= (uintptr_t)base + size);
    stack = bounds_find(*elsewhere); /* on the main thread's */
    assert_int_equal(stack.low, stack.high);
    return NULL;
}

static void test_another_thread(void **state)
{
    (void)state;
    pthread_t thread;
    uint64_t elsewhere = here();
    bounds_init(elsewhere - 4096, elsewhere + 65536);
    assert_int_equal(pthread_create(&thread, NULL, look, &elsewhere), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* What may not be there is read by the kernel, which says how much there is. */
static void test_a_copy(void **state)
{
    (void)state;
    char text[64];
    char copy[64];
    memset(text, 'x', sizeof(text));
    bounds_init(0, 0);
    const struct unwind_stack stack = bounds_copy((uintptr_t)text, copy, sizeof(copy));
    assert_int_equal(stack.low, (uintptr_t)text);
    assert_int_equal(stack.high, (uintptr_t)text + sizeof(text));
    assert_memory_equal(copy, text, sizeof(text));
    const struct unwind_stack none = bounds_copy(16, copy, sizeof(copy));
    assert_int_equal(none.low, none.high);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_main_thread),
        cmocka_unit_test(test_another_thread),
        cmocka_unit_test(test_a_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
