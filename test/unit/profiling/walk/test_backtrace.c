/* SPDX-License-Identifier: MIT
 *
 * test_backtrace.c - the own stack: on the main thread, on another, on a stack of one's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <ucontext.h>

#include "profiling/code/maps.h"
#include "profiling/code/unwind_table.h"
#include "profiling/walk/backtrace.h"
#include "profiling/walk/bounds.h"
#include "profiling/walk/unwind.h"

#define FRAMES 32

static uint64_t frames[FRAMES];
static size_t count;
static bool is_complete;

/* The two functions that every stack of this test has innermost. */
__attribute__((noinline)) static void take(void)
{
    count = backtrace_take(frames, FRAMES, &is_complete);
    __asm__ volatile("");
}

__attribute__((noinline)) static void call(void)
{
    take();
    __asm__ volatile("");
}

static bool is_in(uint64_t address, void (*function)(void))
{
    return address > (uintptr_t)function && address < (uintptr_t)function + 256;
}

static void assert_taken(void)
{
    assert_true(count >= 2);
    assert_true(is_in(frames[0], take));
    assert_true(is_in(frames[1], call));
}

static int set_up(void **state)
{
    static struct maps *maps;
    static struct unwind_table *table;
    (void)state;
    count = 1;
    take();
    assert_int_equal(count, 0); /* nothing is known yet */
    uint64_t low;
    uint64_t high;
    assert_true(maps_find_main_stack(&low, &high));
    bounds_init(low, high);
    take();
    assert_int_equal(count, 0); /* no table yet */
    assert_int_equal(maps_create(&maps), 0);
    assert_int_equal(unwind_table_create(maps, &table), 0);
    unwind_publish(table);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_false(unwind_is_used());
    unwind_publish(NULL);
    return 0;
}

static void test_the_main_thread(void **state)
{
    (void)state;
    call();
    assert_taken();
    assert_true(is_complete);
}

static void *run(void *arg)
{
    (void)arg;
    call();
    return NULL;
}

static void test_another_thread(void **state)
{
    (void)state;
    pthread_t thread;
    count = 0;
    assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_taken();
    assert_true(is_complete);
}

static void test_a_stack_of_ones_own(void **state)
{
    (void)state;
    static ucontext_t here;
    static ucontext_t there;
    const size_t bytes = 65536;
    char *stack = malloc(bytes);
    assert_non_null(stack);
    assert_int_equal(getcontext(&there), 0);
    there.uc_stack.ss_sp = stack;
    there.uc_stack.ss_size = bytes;
    there.uc_link = &here;
    makecontext(&there, call, 0);
    count = 0;
    assert_int_equal(swapcontext(&here, &there), 0);
    assert_taken();
    free(stack);
}

static void test_only_what_fits_is_taken(void **state)
{
    (void)state;
    uint64_t few[3];
    bool is_whole;
    assert_in_range(backtrace_take(few, ARRAY_COUNT(few), &is_whole), 1, 3);
    assert_false(is_whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_main_thread),
        cmocka_unit_test(test_another_thread),
        cmocka_unit_test(test_a_stack_of_ones_own),
        cmocka_unit_test(test_only_what_fits_is_taken),
    };
    return cmocka_run_group_tests_name("backtrace", tests, set_up, tear_down);
}
