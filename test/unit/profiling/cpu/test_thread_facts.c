/* SPDX-License-Identifier: MIT
 *
 * test_thread_facts.c - what the kernel says of a thread: its files, its clock, and that it has
 * ended.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include "profiling/cpu/thread_facts.h"
#include <cmocka.h>

#include <pthread.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static pthread_barrier_t barrier;

static void *stand_still(void *ret_tid)
{
    *(pid_t *)ret_tid = gettid();
    (void)prctl(PR_SET_NAME, "still");
    (void)pthread_barrier_wait(&barrier);
    (void)pthread_barrier_wait(&barrier);
    return NULL;
}

static void test_files(void **state)
{
    (void)state;
    char name[16];
    char text[4096];
    assert_int_equal(prctl(PR_GET_NAME, name), 0);
    assert_true(thread_facts_read(gettid(), "comm", text, sizeof(text)));
    assert_memory_equal(text, name, strlen(name));
    assert_string_equal(text + strlen(name), "\n");
    assert_true(thread_facts_read(gettid(), "status", text, 8)); /* what fits, as a string */
    assert_string_equal(text, "Name:\t"
                              "t");
    assert_false(thread_facts_read(gettid(), "no such file", text, sizeof(text)));
}

/* Its own clock goes on while it works, and no other thread's does. */
static void test_clocks(void **state)
{
    (void)state;
    pthread_t thread;
    pid_t tid;
    uint64_t own_before_ns;
    uint64_t own_ns;
    uint64_t other_before_ns;
    uint64_t other_ns;
    assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
    assert_int_equal(pthread_create(&thread, NULL, stand_still, &tid), 0);
    (void)pthread_barrier_wait(&barrier);
    char state_text[512];
    do { /* until it waits for the second time */
        assert_true(thread_facts_read(tid, "stat", state_text, sizeof(state_text)));
    } while (strstr(state_text, ") S ") == NULL);
    assert_true(thread_facts_cpu_ns(tid, &other_before_ns));
    assert_true(thread_facts_cpu_ns(gettid(), &own_before_ns));
    do {
        assert_true(thread_facts_cpu_ns(gettid(), &own_ns));
    } while (own_ns < own_before_ns + 2 * NS_PER_MS);
    assert_true(thread_facts_cpu_ns(tid, &other_ns));
    assert_int_equal(other_ns, other_before_ns);
    struct timespec ts;
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts), 0);
    assert_true((uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec >= own_ns);

    assert_true(thread_facts_is_alive(tid));
    (void)pthread_barrier_wait(&barrier);
    assert_int_equal(pthread_join(thread, NULL), 0);
    while (thread_facts_is_alive(tid)) { /* join returns a moment before the kernel forgets it */
    }
    assert_false(thread_facts_cpu_ns(tid, &other_ns));
    assert_false(thread_facts_read(tid, "comm", state_text, sizeof(state_text)));
    assert_int_equal(pthread_barrier_destroy(&barrier), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
