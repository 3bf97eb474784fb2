/* SPDX-License-Identifier: MIT
 *
 * test_threads.c - every thread has a timer while it lives; those that cannot are counted.
 *
 * Tests: profiling/walk/cpu_signal.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "profiling/code/maps.h"
#include "profiling/code/synthetic.h"
#include "profiling/code/unwind_table.h"
#include "profiling/cpu/threads.h"
#include "test/unit/support/exact_signals.h"

#define PERIOD_NS      1000000
#define SLOW_PERIOD_NS 7000000

static struct threads threads;
static struct maps *maps;
static struct unwind_table *table;
static uint64_t samples;       /* handed over */
static uint64_t label_samples; /* of them the main thread's, by its label */
static uint64_t slow_samples;  /* of them those of SLOW_PERIOD_NS */
static uint64_t stackless;     /* periods of threads without a timer */
static uint64_t own_periods;   /* of the main thread */
static uint64_t work_periods;  /* of a worker */
static int itimer_calls;

static void read_owner(struct ring_owner *ret_owner)
{
    *ret_owner = (struct ring_owner){.label = gettid() == getpid() ? 42 : 0};
}

static void on_sample(void *arg, const struct ring_sample *sample, const char *name)
{
    assert_true(name[0] != '\0');
    assert_ptr_equal(arg, &threads);
    assert_true(sample->weight > 0 && sample->frame_count > 0);
    assert_true(sample->period_ns == PERIOD_NS || sample->period_ns == SLOW_PERIOD_NS);
    stackless += synthetic_is(sample->frames[0]) ? sample->weight : 0;
    own_periods += strcmp(name, "test_threads") == 0 ? sample->weight : 0;
    work_periods += strcmp(name, "worker") == 0 ? sample->weight : 0;
    samples++;
    slow_samples += sample->period_ns == SLOW_PERIOD_NS;
    label_samples += sample->owner.label == 42;
}

static void on_itimer(void *arg, int status)
{
    assert_ptr_equal(arg, &threads);
    assert_int_equal(status, -EAGAIN);
    itimer_calls++;
}

static int start(void **state)
{
    (void)state;
    samples = 0;
    label_samples = 0;
    slow_samples = 0;
    stackless = 0;
    own_periods = 0;
    work_periods = 0;
    itimer_calls = 0;
    memset(&threads, 0, sizeof(threads));
    threads.period_ns = PERIOD_NS;
    threads.on_sample = on_sample;
    threads.on_itimer = on_itimer;
    threads.arg = &threads;
    unwind_publish(table);
    cpu_signal_enable(true);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    threads_disarm(&threads);
    threads_deinit(&threads);
    cpu_signal_enable(false);
    unwind_publish(NULL);
    assert_false(unwind_is_used());
    return 0;
}

static const struct thread *find(pid_t tid)
{
    for (size_t i = 0; i < threads.count; i++) {
        if (threads.items[i].tid == tid) {
            return &threads.items[i];
        }
    }
    return NULL;
}

static void burn(uint64_t cpu_ns)
{
    struct timespec ts;
    uint64_t start_ns = 0;
    uint64_t now_ns;
    do {
        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
        now_ns = (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
        start_ns = start_ns == 0 ? now_ns : start_ns;
    } while (now_ns - start_ns < cpu_ns);
}

/* A thread that reports its tid and waits until it may end. */
struct worker {
    pthread_t thread;
    pthread_barrier_t ready;
    pthread_barrier_t leave;
    pid_t tid;
    bool is_blocked;
    uint64_t burn_ns; /* CPU time that it uses before it leaves, or is unblocked */
    pthread_barrier_t unblocked;
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGPROF);
    (void)pthread_sigmask(worker->is_blocked ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
    (void)pthread_setname_np(pthread_self(), "worker");
    worker->tid = gettid();
    (void)pthread_barrier_wait(&worker->ready);
    if (worker->is_blocked) {
        (void)pthread_barrier_wait(&worker->unblocked);
        burn(worker->burn_ns);
        (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
        (void)pthread_barrier_wait(&worker->unblocked);
    }
    (void)pthread_barrier_wait(&worker->leave);
    if (!worker->is_blocked && worker->burn_ns > 0) {
        burn(worker->burn_ns);
        (void)pthread_barrier_wait(&worker->unblocked);
        (void)pthread_barrier_wait(&worker->leave);
    }
    return NULL;
}

static void begin(struct worker *worker)
{
    (void)pthread_barrier_init(&worker->ready, NULL, 2);
    (void)pthread_barrier_init(&worker->leave, NULL, 2);
    (void)pthread_barrier_init(&worker->unblocked, NULL, 2);
    assert_int_equal(pthread_create(&worker->thread, NULL, work, worker), 0);
    (void)pthread_barrier_wait(&worker->ready);
}

static void end(struct worker *worker)
{
    (void)pthread_barrier_wait(&worker->leave);
    (void)pthread_join(worker->thread, NULL);
    (void)pthread_barrier_destroy(&worker->ready);
    (void)pthread_barrier_destroy(&worker->leave);
    (void)pthread_barrier_destroy(&worker->unblocked);
}

static void test_the_main_thread_is_sampled_with_its_label(void **state)
{
    (void)state;
    threads_arm(&threads);
    assert_non_null(find(getpid()));
    assert_non_null(find(getpid())->slot);
    while (samples < 5) { /* CPU time passes for certain while this spins */
        threads_poll(&threads);
    }
    threads_disarm(&threads);
    assert_true(label_samples > 0);
    assert_true(threads.handler_ns > 0);
    uint64_t before = samples;
    threads_disarm(&threads);
    assert_int_equal(samples, before);
}

static void test_threads_come_and_go(void **state)
{
    (void)state;
    struct worker worker = {.is_blocked = false};
    threads_arm(&threads);
    begin(&worker);
    threads_poll(&threads);
    assert_non_null(find(worker.tid));
    assert_non_null(find(worker.tid)->slot);
    const struct cpu_slot *slot = find(worker.tid)->slot;
    assert_string_equal(find(worker.tid)->name, "worker");
    end(&worker);
    while (find(worker.tid) != NULL) { /* the kernel takes it out of /proc in its own time */
        threads_poll(&threads);
    }
    begin(&worker);
    threads_poll(&threads);
    assert_ptr_equal(find(worker.tid)->slot, slot); /* used again */
    end(&worker);
}

static void test_the_period_changes_and_samples_tell(void **state)
{
    (void)state;
    threads_arm(&threads);
    threads_set_period(&threads, SLOW_PERIOD_NS);
    threads_poll(&threads); /* what was taken before */
    while (slow_samples < 3) {
        threads_poll(&threads);
    }
    threads_set_period(&threads, PERIOD_NS);
    threads_poll(&threads);
    const uint64_t before = slow_samples;
    const uint64_t all = samples;
    while (samples < all + 5) {
        threads_poll(&threads);
    }
    assert_int_equal(slow_samples, before);
}

/* It has no stacks, but its time counts, and it is no failure: jemalloc's thread is one. */
static void test_a_thread_that_blocks_the_signal_has_its_time_accounted(void **state)
{
    (void)state;
    struct worker worker = {.is_blocked = true};
    begin(&worker);
    threads_arm(&threads);
    assert_non_null(find(worker.tid));
    assert_null(find(worker.tid)->slot);
    assert_int_equal(threads_count_untimed(&threads), 0);
    worker.burn_ns = 20 * PERIOD_NS;
    (void)pthread_barrier_wait(&worker.unblocked); /* it burns, blocked */
    (void)pthread_barrier_wait(&worker.unblocked); /* it is not blocked any more */
    threads_poll(&threads);
    assert_true(stackless >= 20);
    threads_retry(&threads);
    assert_non_null(find(worker.tid)->slot);
    assert_int_equal(threads.untimed, 0);
    end(&worker);
}

static size_t count_armed(void)
{
    size_t count = 0;
    for (size_t i = 0; i < threads.count; i++) {
        count += threads.items[i].slot != NULL;
    }
    return count;
}

static void test_many_threads_are_armed_over_several_polls(void **state)
{
    (void)state;
    struct worker workers[40] = {0};
    for (size_t i = 0; i < ARRAY_COUNT(workers); i++) {
        begin(&workers[i]);
    }
    threads_arm(&threads);
    assert_true(threads.has_more);
    assert_non_null(find(getpid())->slot); /* the main thread is among the first */
    size_t before = count_armed();
    assert_true(before < ARRAY_COUNT(workers));
    while (threads.has_more) {
        threads_poll(&threads);
        assert_true(count_armed() > before);
        before = count_armed();
    }
    for (size_t i = 0; i < ARRAY_COUNT(workers); i++) {
        assert_non_null(find(workers[i].tid)->slot);
        end(&workers[i]);
    }
}

/* More threads than slots, of which the last one runs. */
static void test_of_very_many_threads_the_busy_one_is_found(void **state)
{
    (void)state;
    static struct worker workers[CPU_SLOTS_MAX + 76];
    for (size_t i = 0; i < ARRAY_COUNT(workers); i++) {
        begin(&workers[i]);
    }
    threads_arm(&threads);
    while (threads.has_more) {
        threads_poll(&threads);
    }
    assert_true(count_armed() <= THREADS_IDLE_MAX + 1); /* and this one runs */
    struct worker *busy = &workers[ARRAY_COUNT(workers) - 1];
    assert_null(find(busy->tid)->slot);
    busy->burn_ns = 20 * PERIOD_NS;
    (void)pthread_barrier_wait(&busy->leave);
    (void)pthread_barrier_wait(&busy->unblocked); /* it has burnt */
    threads_poll(&threads);
    assert_true(stackless >= 20); /* what it used before it was found */
    assert_non_null(find(busy->tid)->slot);
    assert_int_equal(threads.untimed, 0);
    for (size_t i = 0; i < ARRAY_COUNT(workers); i++) {
        end(&workers[i]);
    }
}

/* Another part of the process has timers and signals of its own. */
static void test_foreign_signals_are_left_alone(void **state)
{
    (void)state;
    threads_arm(&threads);
    while (samples == 0) {
        threads_poll(&threads);
    }
    const struct cpu_slot *slot = find(getpid())->slot;
    const uintptr_t values[] = {0, 1, slot->number, 0x10, UINTPTR_MAX, (uintptr_t)slot};
    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGPROF};
        event.sigev_value.sival_ptr = (void *)values[i];
        timer_t timer;
        assert_int_equal(timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer), 0);
        const struct itimerspec soon = {.it_value = {.tv_nsec = 1}};
        assert_int_equal(timer_settime(timer, 0, &soon, NULL), 0);
        burn(PERIOD_NS);
        assert_int_equal(timer_delete(timer), 0);
        assert_int_equal(sigqueue(getpid(), SIGPROF, event.sigev_value), 0);
    }
}

static struct rlimit no_timers(void)
{
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_SIGPENDING, &before), 0);
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_SIGPENDING, &none), 0);
    return before;
}

static uint64_t own_cpu_ns(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void test_without_timers_the_process_s_samples_by_each_thread_s_clock(void **state)
{
    (void)state;
    const struct rlimit before = no_timers();
    struct worker worker = {.burn_ns = 50 * PERIOD_NS};
    const uint64_t start_ns = own_cpu_ns();
    begin(&worker);
    threads_arm(&threads);
    assert_int_equal(itimer_calls, 1);
    assert_int_equal(threads_count_untimed(&threads), threads.untimed);
    assert_true(find(getpid())->uses_itimer && find(worker.tid)->uses_itimer);
    burn(50 * PERIOD_NS);
    (void)pthread_barrier_wait(&worker.leave);
    (void)pthread_barrier_wait(&worker.unblocked); /* it has burnt */
    threads_poll(&threads);
    assert_int_equal(setrlimit(RLIMIT_SIGPENDING, &before), 0);
    threads_disarm(&threads);
    const uint64_t used = (own_cpu_ns() - start_ns) / PERIOD_NS;
    end(&worker);
    assert_in_range(own_periods, used - 3, used + 1);
    assert_true(work_periods >= 50);
    if (HAS_EXACT_SIGNALS) {
        assert_true(stackless < (own_periods + work_periods) / 2);
        assert_true(label_samples > 0);
    }
    struct itimerval left;
    assert_int_equal(getitimer(ITIMER_PROF, &left), 0);
    assert_true(left.it_value.tv_sec == 0 && left.it_value.tv_usec == 0);
}

static void test_threads_get_timers_when_there_is_room_again(void **state)
{
    (void)state;
    const struct rlimit before = no_timers();
    threads_arm(&threads);
    assert_true(find(getpid())->uses_itimer);
    threads_retry(&threads);
    assert_true(find(getpid())->uses_itimer);
    threads_set_period(&threads, SLOW_PERIOD_NS);
    while (slow_samples < 3) {
        threads_poll(&threads);
    }
    assert_int_equal(setrlimit(RLIMIT_SIGPENDING, &before), 0);
    threads_retry(&threads);
    assert_false(find(getpid())->uses_itimer);
    assert_int_equal(threads_count_untimed(&threads), 0);
    assert_int_equal(threads.untimed, 1);
    const uint64_t all = samples;
    while (samples < all + 3) {
        threads_poll(&threads);
    }
}

static int create_table(void **state)
{
    (void)state;
    assert_int_equal(cpu_signal_install(read_owner, 0x51a7), 0);
    assert_int_equal(maps_create(&maps), 0);
    return unwind_table_create(maps, &table);
}

static int destroy_table(void **state)
{
    (void)state;
    unwind_table_destroy(table);
    maps_destroy(maps);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_main_thread_is_sampled_with_its_label, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_threads_come_and_go, start, stop),
        cmocka_unit_test_setup_teardown(test_many_threads_are_armed_over_several_polls, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_a_thread_that_blocks_the_signal_has_its_time_accounted,
                                        start, stop),
        cmocka_unit_test_setup_teardown(test_of_very_many_threads_the_busy_one_is_found, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_foreign_signals_are_left_alone, start, stop),
        cmocka_unit_test_setup_teardown(test_the_period_changes_and_samples_tell, start, stop),
        cmocka_unit_test_setup_teardown(
            test_without_timers_the_process_s_samples_by_each_thread_s_clock, start, stop),
        cmocka_unit_test_setup_teardown(test_threads_get_timers_when_there_is_room_again, start,
                                        stop),
    };
    return cmocka_run_group_tests(tests, create_table, destroy_table);
}
