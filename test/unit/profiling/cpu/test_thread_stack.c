/* SPDX-License-Identifier: MIT
 *
 * test_thread_stack.c - stacks of other threads: one that burns, one that waits, one that is deaf,
 * one that is gone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/loop/task.h"
#include "profiling/code/code.h"
#include "profiling/cpu/thread_stack.h"
#include "profiling/profiler.h"
#include "test/unit/support/exact_signals.h"
#include "test/unit/support/pool_rig.h"

#define PATIENCE_NS (30 * NS_PER_S)
#define LABEL       7

static struct loop *loop;
static atomic_int tid;
static atomic_bool is_over;
static volatile uint64_t sink;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct thread_stack stack;

static void pause_shortly(void)
{
    const struct timespec pause = {.tv_nsec = 10000};
    (void)nanosleep(&pause, NULL);
}

static __attribute__((noinline)) void burn(void)
{
    while (!atomic_load(&is_over)) {
        sink = sink * 31 + 1;
        if (!HAS_EXACT_SIGNALS) {
            pause_shortly();
        }
    }
}

static __attribute__((noinline)) void wait_for_mutex(void)
{
    (void)pthread_mutex_lock(&mutex);
    (void)pthread_mutex_unlock(&mutex);
    __asm__ volatile("");
}

static void *run(void *arg)
{
    void (*const *body)(void) = arg;
    task_current_label = LABEL;
    atomic_store(&tid, gettid());
    (*body)();
    __asm__ volatile("");
    return NULL;
}

static pthread_t start_thread(void (**body)(void))
{
    pthread_t thread;
    atomic_store(&tid, 0);
    atomic_store(&is_over, false);
    assert_int_equal(pthread_create(&thread, NULL, run, body), 0);
    while (atomic_load(&tid) == 0) {
        pause_shortly();
    }
    return thread;
}

static void end_thread(pthread_t thread)
{
    atomic_store(&is_over, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static bool has_function(void (*function)(void))
{
    for (uint32_t i = 0; i < stack.frame_count; i++) {
        if (stack.frames[i] >= (uintptr_t)function && stack.frames[i] < (uintptr_t)function + 256) {
            return true;
        }
    }
    return false;
}

/* Takes stacks until one is inside the function: the thread may not have come so far. */
static void take_until(void (*function)(void))
{
    do {
        assert_int_equal(thread_stack_take(atomic_load(&tid), PATIENCE_NS, &stack), 0);
        assert_int_equal(stack.label, LABEL);
        assert_true(stack.frame_count > 0);
    } while (HAS_EXACT_SIGNALS && !has_function(function));
}

static void on_ready(struct code_wait *wait, int status)
{
    (void)wait;
    assert_int_equal(status, 0);
    loop_stop(loop);
}

static int set_up(void **state)
{
    (void)state;
    struct code_wait wait = {.done = on_ready};
    assert_int_equal(loop_create(&loop), 0);
    assert_int_equal(
        profiler_start(&(struct profiler_options){.loop = loop, .pool = pool_rig_get()}), 0);
    assert_int_equal(code_refresh(&wait), 0);
    loop_run(loop);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    profiler_stop();
    loop_destroy(loop);
    return 0;
}

static void test_a_thread_that_burns(void **state)
{
    (void)state;
    static void (*body)(void) = burn;
    const pthread_t thread = start_thread(&body);
    take_until(burn);
    assert_true(stack.is_complete || !HAS_EXACT_SIGNALS);
    assert_true(stack.handler_ns > 0);
    end_thread(thread);
}

static void test_a_thread_that_waits_goes_on_waiting(void **state)
{
    (void)state;
    static void (*body)(void) = wait_for_mutex;
    if (!HAS_EXACT_SIGNALS) {
        return; /* a thread that waits for a mutex never hears of it there */
    }
    (void)pthread_mutex_lock(&mutex);
    const pthread_t thread = start_thread(&body);
    take_until(wait_for_mutex);
    take_until(wait_for_mutex);
    (void)pthread_mutex_unlock(&mutex);
    end_thread(thread);
}

static void test_a_thread_that_is_gone(void **state)
{
    (void)state;
    static void (*body)(void) = burn;
    end_thread(start_thread(&body));
    /* the kernel may still be busy with its end */
    int status;
    do {
        status = thread_stack_take(atomic_load(&tid), NS_PER_MS, &stack);
    } while (status == UV_ETIMEDOUT);
    assert_int_equal(status, UV_ESRCH);
}

static void test_a_deaf_thread_is_given_up_and_its_late_answer_ignored(void **state)
{
    (void)state;
    static void (*body)(void) = burn;
    sigset_t set;
    sigset_t before;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGPROF);
    (void)pthread_sigmask(SIG_BLOCK, &set, &before);
    const pid_t own = gettid();
    assert_int_equal(thread_stack_take(own, NS_PER_MS, &stack), UV_ETIMEDOUT);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL); /* here it comes */
    const pthread_t thread = start_thread(&body);
    take_until(burn);
    end_thread(thread);
}

/* The kernel then delivers a signal without what it carries: who sent it, and how. */
static void test_where_signals_lose_their_content(void **state)
{
    (void)state;
    static void (*body)(void) = burn;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_SIGPENDING, &before), 0);
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
    const pthread_t thread = start_thread(&body);
    assert_int_equal(setrlimit(RLIMIT_SIGPENDING, &none), 0);
    take_until(burn);
    assert_int_equal(setrlimit(RLIMIT_SIGPENDING, &before), 0);
    end_thread(thread);
}

/* Signals of nobody here, before a question and after it. */
static void test_signals_without_a_question_do_nothing(void **state)
{
    (void)state;
    static void (*body)(void) = burn;
    const pthread_t thread = start_thread(&body);
    assert_int_equal(pthread_kill(thread, SIGPROF), 0);
    assert_int_equal(pthread_sigqueue(thread, SIGPROF, (union sigval){.sival_int = 1}), 0);
    take_until(burn);
    const uint64_t answered = atomic_load(&thread_signal.state);
    assert_int_equal(raise(SIGPROF), 0);
    assert_int_equal(pthread_kill(thread, SIGPROF), 0);
    end_thread(thread);
    assert_int_equal(atomic_load(&thread_signal.state), answered);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thread_that_burns),
        cmocka_unit_test(test_a_thread_that_waits_goes_on_waiting),
        cmocka_unit_test(test_a_thread_that_is_gone),
        cmocka_unit_test(test_a_deaf_thread_is_given_up_and_its_late_answer_ignored),
        cmocka_unit_test(test_where_signals_lose_their_content),
        cmocka_unit_test(test_signals_without_a_question_do_nothing),
    };
    return cmocka_run_group_tests_name("thread_stack", tests, set_up, tear_down);
}
