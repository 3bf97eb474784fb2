/* SPDX-License-Identifier: MIT
 *
 * test_thread_stack.c - stacks of other threads: one that burns, one that waits, those that sleep,
 * one that is deaf, one that is gone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/task/task.h"
#include "profiling/code/code.h"
#include "profiling/cpu/thread_stack.h"
#include "profiling/profiler.h"
#include "test/unit/support/exact_signals.h"
#include "test/unit/support/pool_rig.h"

#define TEST_TIMEOUT_NS (30 * NS_PER_S)
#define LABEL           7

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
    (void)task_swap_label(LABEL);
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
        assert_int_equal(thread_stack_take(atomic_load(&tid), TEST_TIMEOUT_NS, &stack), 0);
        assert_true(stack.owner.label == LABEL ||
                    (!HAS_EXACT_SIGNALS && stack.owner.label == LABEL_NONE));
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
    assert_true(stack.handler_ns > 0 || !HAS_EXACT_SIGNALS);
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

/* --- threads that sleep in one call --- */

#define SLEEP_MS  300
#define ASKED_MIN 20 /* how often, while it sleeps */

struct sleeper {
    const char *name;
    int (*sleep)(void);
    int result; /* wanted of it */
};

static const struct sleeper *sleeper;
static int sleep_result;
static int sleep_errno;
static uint64_t slept_ns;

static const struct timespec sleep_time = {.tv_nsec = SLEEP_MS * 1000000};

/* Keeps the call before it from becoming a jump, which would take the function off the stack. */
static int stay_on_stack(int result)
{
    __asm__ volatile("" : "+r"(result));
    return result;
}

static int sleep_by_nanosleep(void)
{
    return stay_on_stack(nanosleep(&sleep_time, NULL));
}

static int sleep_by_clock(void)
{
    return stay_on_stack(clock_nanosleep(CLOCK_MONOTONIC, 0, &sleep_time, NULL));
}

static int sleep_by_poll(void)
{
    return stay_on_stack(poll(NULL, 0, SLEEP_MS));
}

static int sleep_by_select(void)
{
    struct timeval time = {.tv_usec = SLEEP_MS * 1000};
    return stay_on_stack(select(0, NULL, NULL, NULL, &time));
}

static int sleep_by_epoll(void)
{
    struct epoll_event event;
    const int fd = epoll_create1(EPOLL_CLOEXEC);
    const int count = epoll_wait(fd, &event, 1, SLEEP_MS);
    (void)close(fd);
    return count;
}

/* Without the timeout the kernel would restart it. */
static int sleep_by_recv(void)
{
    int pair[2];
    char byte;
    const struct timeval time = {.tv_usec = SLEEP_MS * 1000};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)), 0);
    const ssize_t got = recv(pair[0], &byte, 1, 0);
    const int error = errno;
    (void)close(pair[0]);
    (void)close(pair[1]);
    return got < 0 && error == EAGAIN ? 0 : -1;
}

static int sleep_by_semaphore(void)
{
    sem_t never;
    struct timespec end;
    (void)sem_init(&never, 0, 0);
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += (end.tv_nsec + sleep_time.tv_nsec) / (long)NS_PER_S;
    end.tv_nsec = (end.tv_nsec + sleep_time.tv_nsec) % (long)NS_PER_S;
    const int status = sem_clockwait(&never, CLOCK_MONOTONIC, &end);
    return status == -1 && errno == ETIMEDOUT ? 0 : -1;
}

static const struct sleeper sleepers[] = {
    {"nanosleep", sleep_by_nanosleep, 0},
    {"clock_nanosleep", sleep_by_clock, 0},
    {"poll", sleep_by_poll, 0},
    {"select", sleep_by_select, 0},
    {"epoll_wait", sleep_by_epoll, 0},
    {"recv", sleep_by_recv, 0},
    {"sem_clockwait", sleep_by_semaphore, 0},
};

static __attribute__((noinline)) void sleep_once(void)
{
    const uint64_t start_ns = clock_now_ns();
    sleep_result = sleeper->sleep();
    sleep_errno = errno;
    slept_ns = clock_now_ns() - start_ns;
    atomic_store(&is_over, true);
}

static bool has_sleeper(void)
{
    for (uint32_t i = 0; i < stack.frame_count; i++) {
        const uintptr_t function = (uintptr_t)sleeper->sleep;
        if (stack.frames[i] >= function && stack.frames[i] < function + 512) {
            return true;
        }
    }
    return false;
}

/* Asks from when the thread sleeps until it is over; the last questions may find it awake. */
static void ask_while_it_sleeps(pid_t asked)
{
    unsigned count = 0;
    unsigned found = 0;
    pause_shortly();
    while (!atomic_load(&is_over)) {
        const struct timespec pause = {.tv_nsec = 1000000};
        if (thread_stack_take(asked, TEST_TIMEOUT_NS, &stack) == 0 && stack.handler_ns == 0) {
            count++;
            found += has_sleeper();
            assert_int_equal(stack.owner.label, LABEL_NONE);
        }
        (void)nanosleep(&pause, NULL);
    }
    assert_true(count >= ASKED_MIN);
    assert_int_equal(found, count);
}

static void test_a_sleep_lasts_its_time(void **state)
{
    (void)state;
    static void (*body)(void) = sleep_once;
    for (size_t i = 0; i < ARRAY_COUNT(sleepers); i++) {
        sleeper = &sleepers[i];
        const pthread_t thread = start_thread(&body);
        ask_while_it_sleeps(atomic_load(&tid));
        end_thread(thread);
        if (sleep_result != sleeper->result || slept_ns < SLEEP_MS * NS_PER_MS) {
            fail_msg("%s: %d, errno %d, after %llu ns", sleeper->name, sleep_result, sleep_errno,
                     (unsigned long long)slept_ns);
        }
    }
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
        cmocka_unit_test(test_a_sleep_lasts_its_time),
        cmocka_unit_test(test_a_thread_that_is_gone),
        cmocka_unit_test(test_a_deaf_thread_is_given_up_and_its_late_answer_ignored),
        cmocka_unit_test(test_where_signals_lose_their_content),
        cmocka_unit_test(test_signals_without_a_question_do_nothing),
    };
    return cmocka_run_group_tests_name("thread_stack", tests, set_up, tear_down);
}
