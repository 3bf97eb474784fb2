/* SPDX-License-Identifier: MIT
 *
 * test_thread.c - what a thread of ours blocks, what its creator does, and no thread to be had.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/base/thread.h"

#include <errno.h>
#include <signal.h>

static void *read_mask(void *arg)
{
    (void)pthread_sigmask(SIG_SETMASK, NULL, arg);
    return arg;
}

static void *read_alt_stack(void *arg)
{
    (void)sigaltstack(NULL, arg);
    return arg;
}

static void test_a_second_stack(void **state)
{
    (void)state;
    stack_t stack;
    pthread_t thread;
    assert_int_equal(thread_start(read_alt_stack, &stack, &thread), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
#ifdef __SANITIZE_THREAD__
    assert_int_equal(stack.ss_flags & SS_DISABLE, SS_DISABLE);
#else
    assert_int_equal(stack.ss_flags & SS_DISABLE, 0);
    assert_true(stack.ss_size >= 16384); /* a sanitizer's has its own size */
#endif
}

static void test_only_faults_and_sigprof_are_taken(void **state)
{
    (void)state;
    sigset_t before;
    sigset_t after;
    sigset_t seen;
    pthread_t thread;
    void *result;
    (void)sigemptyset(&before);
    (void)sigaddset(&before, SIGUSR1);
    (void)sigaddset(&before, SIGPROF);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    assert_int_equal(thread_start(read_mask, &seen, &thread), 0);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, &seen);
    for (int number = 1; number < SIGRTMAX; number++) {
        assert_int_equal(sigismember(&after, number), sigismember(&before, number));
    }
    static const int blocked[] = {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGPIPE, SIGCHLD};
    for (size_t i = 0; i < ARRAY_COUNT(blocked); i++) {
        assert_int_equal(sigismember(&seen, blocked[i]), 1);
    }
    static const int taken[] = {SIGPROF, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    for (size_t i = 0; i < ARRAY_COUNT(taken); i++) {
        assert_int_equal(sigismember(&seen, taken[i]), 0);
    }
}

static void test_no_room_for_its_stack(void **state)
{
    (void)state;
    pthread_attr_t attr;
    pthread_attr_t before;
    pthread_t thread;
    sigset_t seen;
    sigset_t mask;
    assert_int_equal(pthread_getattr_default_np(&before), 0);
    assert_int_equal(pthread_getattr_default_np(&attr), 0);
    assert_int_equal(pthread_attr_setstacksize(&attr, (size_t)1 << 46), 0); /* more than there is */
    assert_int_equal(pthread_setattr_default_np(&attr), 0);
    assert_int_equal(thread_start(read_mask, &seen, &thread), -EAGAIN);
    assert_int_equal(pthread_setattr_default_np(&before), 0);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_int_equal(sigismember(&mask, SIGTERM), 0); /* the mask is the old one again */
    assert_int_equal(pthread_attr_destroy(&attr), 0);
    assert_int_equal(pthread_attr_destroy(&before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_second_stack),
        cmocka_unit_test(test_only_faults_and_sigprof_are_taken),
        cmocka_unit_test(test_no_room_for_its_stack),
    };
    return cmocka_run_group_tests_name("thread", tests, NULL, NULL);
}
